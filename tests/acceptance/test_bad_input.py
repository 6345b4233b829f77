"""What cannot be taken is refused with a problem that says why; nothing is stored, nothing is sent."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.gate import policy
from tests.support.service import ADMIN_PASSWORD, ADMIN_TOKEN, Api, assert_problem, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-bad-input")

POLICIES = {"everybody.xml": policy("everybody")}
PROVIDERS = "/service-providers"
TARGETS = "/identity-providers"
REQUESTS = "/provisioning-requests"
EXTERNAL = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


@pytest.fixture(scope="module")
def providers(api, scim):
    api.identity_provider("acme", "scim2", scim.properties)
    api.service_provider("hr-portal", row("acme"))
    api.provisioned("hr-portal", "create", "exists")


@pytest.fixture(autouse=True)
def nothing_is_stored_and_nothing_is_sent(providers, service, scim):
    before = everything(service), len(scim.arrived)
    yield
    assert (everything(service), len(scim.arrived)) == before


def everything(service):
    lists = (PROVIDERS, TARGETS, REQUESTS, "/deliveries", "/policy-files", "/tokens")
    return {path: service.api.get(path)["items"] for path in lists}


def user(**changes):
    """A good request about a new user, but for the changes."""
    return request_body("hr-portal", "create", "newcomer") | changes


def entity(**attributes):
    return {"type": "user", "name": "newcomer", "attributes": {"userName": "newcomer", **attributes}}


def target(**properties):
    return {"name": "other", "connectors": [{"type": "scim2", "properties": properties}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        # unknown fields
        (REQUESTS, user(colour="red"), 422, "colour"),
        (REQUESTS, user(entity={"type": "user", "name": "newcomer", "colour": "red"}), 422, "entity.colour"),
        (REQUESTS, user(entity=entity(nickname_="x")), 422, "entity.attributes.nickname_"),
        (PROVIDERS, {"name": "other", "colour": "red"}, 422, "colour"),
        (PROVIDERS, {"name": "other", "outboundProvisioning": [row("acme", colour=1)]}, 422,
         "outboundProvisioning[0].colour"),
        (TARGETS, {"name": "other", "colour": "red"}, 422, "colour"),
        (TARGETS, target(**{"scim2-user-ep": "https://example.com/Users", "scim2-colour": "red"}), 422,
         "connectors[0].properties.scim2-colour"),
        # wrong types and values
        (REQUESTS, user(dryRun="yes"), 422, "dryRun"),
        (REQUESTS, user(operation="upsert"), 422, "operation"),
        (REQUESTS, user(entity="newcomer"), 422, "entity"),
        (REQUESTS, user(entity={"type": "robot", "name": "newcomer"}), 422, "entity.type"),
        (REQUESTS, user(entity={"type": "user"}), 422, "entity.name"),
        (REQUESTS, user(entity=entity(emails="a@example.com")), 422, "entity.attributes.emails"),
        (REQUESTS, user(entity=entity(active="yes")), 422, "entity.attributes.active"),
        (REQUESTS, user(entity=entity(userName="somebody-else")), 422, "entity.attributes.userName"),
        (REQUESTS, user(entity={"type": "user", "id": "no-such-id"}, operation="replace"), 422, "entity.id"),
        (REQUESTS, {"entity": {"type": "user", "name": "newcomer"}}, 422, "operation"),
        (REQUESTS, request_body("hr-portal", "modify", "exists", patch=[]), 422, "patch"),
        (REQUESTS, request_body("hr-portal", "modify", "exists"), 422, "patch"),
        (REQUESTS, request_body("hr-portal", "modify", "exists", patch=[{"op": "burn"}]), 422, "patch[0].op"),
        (REQUESTS, request_body("hr-portal", "modify", "nobody", patch=[{"op": "remove", "path": "title"}]), 422,
         "entity.name"),
        (REQUESTS, request_body("hr-portal", "create", "club", {"members": [{"value": "no-such-id"}]}, type_="group"),
         422, "entity.attributes.members"),
        (PROVIDERS, {"name": 7}, 422, "name"),
        (PROVIDERS, {}, 422, "name"),
        (PROVIDERS, {"name": "a/b"}, 422, "name"),
        (PROVIDERS, {"name": "other", "outboundProvisioning": [row("acme", blocking=1)]}, 422,
         "outboundProvisioning[0].blocking"),
        (PROVIDERS, {"name": "other", "outboundProvisioning": [row("acme"), row("ACME")]}, 422,
         "outboundProvisioning[1].identityProvider"),
        (TARGETS, target(), 422, "connectors[0].properties.scim2-user-ep"),
        (TARGETS, target(**{"scim2-user-ep": "not a url"}), 422, "connectors[0].properties.scim2-user-ep"),
        (TARGETS, {"name": "other", "connectors": [{"type": "telnet"}]}, 422, "connectors[0].type"),
        (TARGETS, {"name": "other", "delivery": {"firstRetry": -1}}, 422, "delivery.firstRetry"),
        ("/tokens", {"name": "t", "scopes": ["root"]}, 422, "scopes[0]"),
        ("/tokens", {"name": "t", "scopes": ["provision"]}, 422, "serviceProvider"),
        # names that exist already, names of providers that do not
        (PROVIDERS, {"name": "HR-Portal"}, 409, "name"),
        (PROVIDERS, {"name": "resident"}, 409, "name"),
        (TARGETS, {"name": "acme"}, 409, "name"),
        (REQUESTS, request_body("hr-portal", "create", "exists"), 409, "entity.name"),
        (REQUESTS, user(serviceProvider="nobody"), 422, "serviceProvider"),
        (PROVIDERS, {"name": "other", "outboundProvisioning": [row("nowhere")]}, 422,
         "outboundProvisioning[0].identityProvider"),
        (PROVIDERS, {"name": "other", "outboundProvisioning": [row("acme", connector="spml")]}, 422,
         "outboundProvisioning[0].connector"),
        ("/tokens", {"name": "t", "scopes": ["provision"], "serviceProvider": "nobody"}, 422, "serviceProvider"),
        ("/policy-decisions", user(identityProvider="nowhere"), 422, "identityProvider"),
    ],
)  # fmt: skip
def test_the_problem_names_the_field(api, path, body, status, field):
    assert_problem(api.call("POST", path, body), status, field)


def test_every_wrong_field_is_named_at_once(api):
    body = {"name": "", "colour": "red", "outboundProvisioning": [{"blocking": "no"}]}
    problem = assert_problem(api.call("POST", PROVIDERS, body), 422)
    fields = [error["field"] for error in problem["errors"]]
    assert {"name", "colour", "outboundProvisioning[0].identityProvider", "outboundProvisioning[0].blocking"} <= {
        *fields
    }


GOOD = json.dumps(user()).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no valid JSON"),
        (b"{", "line 1"),
        (GOOD.replace(b"newcomer", b"new\xffcomer"), "UTF-8"),
        (GOOD.replace(b"newcomer", b"\xed\xa0\x80"), "UTF-8"),
        (GOOD.replace(b'"newcomer"', b'"\\ud800"'), "surrogate"),
        (GOOD.replace(b'"newcomer"', b'"new\\u0000comer"'), "NUL"),
        (b'{"operation": "create", "operation": "delete"}', "`operation` appears twice"),
        (GOOD.replace(b'"userName"', b'"userName": "x", "userName"'), "`userName` appears twice"),
        (b'{"entity": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper"),
        (b'{"entity": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", "deeper"),
        (GOOD[:-1] + b', "dryRun": NaN}', "NaN"),
        (GOOD[:-1] + b', "dryRun": 1e999}', "too large"),
        (GOOD[:-1] + b', "dryRun": ' + b"9" * 5000 + b"}", "too long"),
        (b"[1, 2]", ""),
    ],
)
def test_a_body_that_is_no_plain_json_object_is_refused_with_the_reason(api, body, says):
    reply = api.call("POST", REQUESTS, data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in {400, 422}
    assert_problem(reply, reply.status_code, says=says)


def test_a_body_of_another_kind_is_refused(api):
    reply = api.call("POST", REQUESTS, data=GOOD, headers={"Content-Type": "text/plain"})
    assert_problem(reply, 415, says="application/json")


@pytest.mark.parametrize("doctype", [EXTERNAL, LAUGHS, "<!DOCTYPE x>"], ids=["external", "laughs", "empty"])
def test_xml_with_a_doctype_is_refused(api, doctype):
    text = f"{doctype}{policy('draft')}".encode()
    as_xml = {"Content-Type": "application/xml"}
    problem = assert_problem(api.call("PUT", "/policy-files/draft.xml", data=text, headers=as_xml), 422)
    assert problem["errors"][0]["file"] == "draft.xml"
    assert "DOCTYPE" in problem["detail"].upper()
    checked = api.post("/policy-checks", {"path": "draft.xml", "content": text.decode()})
    assert checked["valid"] is False
    question = f"{doctype}<Request xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17'/>".encode()
    as_xacml = {"Content-Type": "application/xacml+xml"}
    for path in ("/policy-decisions", "/xacml/pdp"):
        assert_problem(api.call("POST", path, data=question, headers=as_xacml), 400, says="DOCTYPE")


@pytest.mark.parametrize("path", ["../outside.xml", "%2e%2e/outside.xml", "/etc/outside.xml", "a\\b.xml", "x.txt"])
def test_a_policy_file_stands_in_the_policies_folder_only(service, path):
    url = f"{service.base}/api/v1/policy-files/{path}"
    headers = {"Content-Type": "application/xml"}
    reply = as_it_is(service, "PUT", url, policy("outside").encode(), headers)
    assert reply in {400, 404, 405, 422}
    assert not (service.folder / "outside.xml").exists()


def as_it_is(service, method, url, body, headers):
    """The status of a request whose path no client has tidied up."""
    with connected(service) as connection:
        path = url.removeprefix(service.base)
        connection.sendall(head(method, path, {**headers, "Content-Length": str(len(body))}) + body)
        return status_of(connection)


# -- bodies over the limit ---------------------------------------------------------------------------------------------


def connected(service):
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def head(method, path, headers):
    named = {"Host": "sluice", "Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def read_answer(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        assert more, f"the connection was closed after {received!r}"
        received += more
    return received


def status_of(connection):
    return int(read_answer(connection).split(b" ", 2)[1])


@pytest.mark.parametrize("path", [REQUESTS, PROVIDERS, "/policy-files/big.xml", "/policy-decisions"])
def test_a_body_announced_as_5_mb_is_refused_before_it_is_sent(service, path):
    method = "PUT" if "files" in path else "POST"
    kind = "application/xml" if "files" in path else "application/json"
    with connected(service) as connection:
        sent = head(method, f"/api/v1{path}", {"Content-Length": "5000000", "Content-Type": kind}) + b'{"name": "'
        connection.sendall(sent + b"x" * 1000)
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer


def test_a_body_without_a_length_is_read_up_to_the_limit_only(service):
    with connected(service) as connection:
        connection.sendall(head("POST", f"/api/v1{PROVIDERS}", {"Transfer-Encoding": "chunked"}))
        for _ in range(16):  # the limit, and a little of a body that never ends
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        connection.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
        assert status_of(connection) == 413


def test_a_whole_body_of_5_mb_is_refused(service):
    body = json.dumps({"name": "big", "description": "x" * 5_000_000}).encode()
    with connected(service) as connection:
        connection.sendall(head("POST", f"/api/v1{PROVIDERS}", {"Content-Length": str(len(body))}))
        try:
            connection.sendall(body)
            status = status_of(connection)
        except OSError:  # refused while it was being sent: the answer may be lost with the connection
            return
        assert status == 413


def test_a_body_just_under_the_limit_is_read(api):
    body = {"name": "long", "colour": "x" * (1 << 20)}
    body["colour"] = body["colour"][: (1 << 20) - len(json.dumps(body)) + len(body["colour"])]
    assert_problem(api.call("POST", PROVIDERS, body), 422, "colour")


# -- who may ask -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "no-such-token", "", "ü"])
def test_without_credentials_nothing_is_answered_but_the_health(service, token):
    nobody = Api(service.base, token)
    try:
        for path in (
            PROVIDERS,
            TARGETS,
            REQUESTS,
            "/deliveries",
            "/policies",
            "/tokens",
            "/connectors",
            "/openapi.json",
        ):
            assert_problem(nobody.call("GET", path), 401)
        assert_problem(nobody.call("POST", REQUESTS, user()), 401)
        assert nobody.call("GET", "/healthz").ok
        assert nobody.call("GET", "/readyz").ok
    finally:
        nobody.session.close()


def test_the_administrator_signs_in_with_a_password_and_nobody_with_another(service):
    nobody = Api(service.base, None)
    try:
        assert nobody.call("GET", PROVIDERS, auth=("admin", ADMIN_PASSWORD)).ok
        for user_, password in (("admin", "wrong"), ("nobody", ADMIN_PASSWORD), ("admin", "")):
            assert_problem(nobody.call("GET", PROVIDERS, auth=(user_, password)), 401)
    finally:
        nobody.session.close()


def test_an_unknown_address_is_a_problem_too(api):
    assert_problem(api.call("GET", "/no-such-thing"), 404)
    assert_problem(api.call("GET", f"{PROVIDERS}/nobody"), 404)
    assert_problem(api.call("GET", f"{REQUESTS}/no-such-id"), 404)
    assert_problem(api.call("DELETE", REQUESTS), 405)


def test_a_stale_entity_tag_changes_nothing(api):
    headers = {"If-Match": '"stale"'}
    assert_problem(api.call("PUT", f"{PROVIDERS}/hr-portal", {"name": "hr-portal"}, headers=headers), 412)
    assert_problem(api.call("PATCH", f"{TARGETS}/acme", {"enabled": False}, headers=headers), 412)
