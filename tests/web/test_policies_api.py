from __future__ import annotations

import json

import pytest

from service import app as composition
from service.config import Settings
from tests.support.api import ADMIN_TOKEN, Api, fields, policy

FILES = "/api/v1/policy-files"
XML = {"Content-Type": "application/xml"}

REQUEST = """<Request xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" CombinedDecision="false"
 ReturnPolicyIdList="false"><Attributes Category="urn:oasis:names:tc:xacml:3.0:attribute-category:action"/></Request>"""

JSON_REQUEST = json.dumps({"Request": {"Action": {"Attribute": []}}})

BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + REQUEST.replace(
    "</Request>", "&x;</Request>"
)


def put(api, path, content, **headers):
    return api.call("PUT", f"{FILES}/{path}", data=content, headers=XML | headers)


def test_policies_are_listed_with_file_line_and_rules(api):
    found = api.get("/api/v1/policies").json
    assert found["snapshot"]["state"] == "ok"
    assert found["snapshot"]["hash"].startswith("sha256:")
    (one,) = found["items"]
    assert (one["id"], one["file"], one["line"], one["kind"], one["root"]) == ("all", "all.xml", 2, "policy", True)
    assert [(rule["id"], rule["effect"]) for rule in one["rules"]] == [("rule-1", "Permit")]


def test_a_policy_file_is_read_as_it_is(api, policies_folder):
    response = api.get(f"{FILES}/all.xml")
    assert response.content_type.startswith("application/xml")
    assert response.data == (policies_folder / "all.xml").read_bytes()
    (listed,) = api.get(FILES).json["items"]
    assert (listed["path"], listed["etag"]) == ("all.xml", response.headers["ETag"])
    assert api.get(f"{FILES}/none.xml").status_code == 404


def test_a_written_policy_decides_at_once(api, policies_folder):
    before = api.get("/api/v1/policies").json["snapshot"]["hash"]
    response = put(api, "all.xml", policy("Deny"))
    assert response.status_code == 200
    assert response.json["snapshot"]["hash"] != before
    assert (policies_folder / "all.xml").read_text() == policy("Deny")
    assert put(api, "library/more.xml", policy(id_="more")).status_code == 200
    assert api.delete(f"{FILES}/library/more.xml").status_code == 204
    assert not (policies_folder / "library" / "more.xml").exists()


def test_a_file_that_would_be_refused_is_not_written(api, policies_folder):
    broken = policy().replace("<Target/>", "<Target>")
    for path, content in (
        ("all.xml", broken),
        ("new.xml", broken),
        ("new.xml", policy()),
        ("new.xml", ""),
        ("new.xml", BOMB),
    ):
        response = put(api, path, content)
        assert response.status_code == 422, content
        assert response.content_type == "application/problem+json"
        assert response.json["errors"][0].keys() >= {"file", "line", "message", "help"}
    assert sorted(file.name for file in policies_folder.iterdir()) == ["all.xml"]
    assert (policies_folder / "all.xml").read_text() == policy()
    assert api.get("/readyz").json["status"] == "ok"


@pytest.mark.parametrize(
    "path", ["../all.xml", "a/b.xml", "tests/x.xml", ".hidden.xml", "x.txt", "x.xml.bak", "%2e%2e/x.xml"]
)
def test_a_path_outside_the_folder_is_refused(api, path, policies_folder):
    response = put(api, path, policy(id_="other"))
    assert (response.status_code, fields(response)) == (422, ["path"])
    assert len(list(policies_folder.rglob("*"))) == 1


def test_policy_files_are_written_by_who_has_read_them(api):
    etag = api.get(f"{FILES}/all.xml").headers["ETag"]
    written = put(api, "all.xml", policy("Deny"), **{"If-Match": etag})
    assert (written.status_code, written.headers["ETag"] != etag) == (200, True)
    assert put(api, "all.xml", policy(), **{"If-Match": etag}).status_code == 412
    assert api.delete(f"{FILES}/all.xml", headers={"If-Match": etag}).status_code == 412
    assert put(api, "new.xml", policy(id_="new"), **{"If-Match": etag}).status_code == 412
    assert put(api, "new.xml", policy(id_="new"), **{"If-Match": "*"}).status_code == 412
    assert put(api, "all.xml", policy(), **{"If-Match": "*"}).status_code == 200
    assert api.get(f"{FILES}/all.xml").data.decode() == policy()


def test_policies_are_sent_as_xml(api):
    response = api.put(f"{FILES}/all.xml", {"policy": 1})
    assert response.status_code == 415


def test_an_edit_in_the_folder_shows_in_readiness_and_recovers(api, application, policies_folder):
    (policies_folder / "all.xml").write_text(policy().replace("</Policy>", ""))
    application.policies.refresh()
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert ready.json["errors"][0]["file"] == "all.xml"
    assert ready.json["errors"][0]["line"] > 0
    assert api.get("/api/v1/policies").json["snapshot"]["errors"] == ready.json["errors"]
    (policies_folder / "all.xml").write_text(policy("Deny"))
    application.policies.refresh()
    assert api.get("/readyz").json["status"] == "ok"


def test_without_a_first_good_snapshot_the_service_is_not_ready(settings, policies_folder):
    (policies_folder / "all.xml").write_text("<Policy")
    application = composition.assemble(settings)
    application.policies.refresh()
    try:
        api = Api(application.web, f"Bearer {ADMIN_TOKEN}")
        assert api.get("/readyz").status_code == 503
        assert api.get("/healthz").status_code == 200
        response = api.call("POST", "/xacml/pdp", data=REQUEST, headers={"Content-Type": "application/xacml+xml"})
        assert response.status_code == 503
    finally:
        application.stop()


def test_without_a_database_the_service_is_not_ready(api, application, monkeypatch):
    def gone():
        raise OSError("disk on fire")

    monkeypatch.setattr(application.database, "ping", gone)
    response = api.get("/readyz")
    assert (response.status_code, response.json["database"]) == (503, "unreachable")
    assert "fire" not in response.text


def test_a_process_without_a_folder_writes_no_policy_file(tmp_path):
    settings = Settings(data=tmp_path / "data", policies=None, admin_token=ADMIN_TOKEN, admin_password="x")
    application = composition.assemble(settings)
    application.policies.refresh()
    try:
        api = Api(application.web, f"Bearer {ADMIN_TOKEN}")
        assert put(api, "all.xml", policy()).status_code == 409
        assert api.get(FILES).json["items"] == []
    finally:
        application.stop()


def test_a_check_of_a_draft_writes_nothing(api, policies_folder):
    check = "/api/v1/policy-checks"
    good = api.post(check, {"path": "new.xml", "content": policy(id_="new")}).json
    assert (good["valid"], good["errors"]) == (True, [])
    bad = api.post(check, {"path": "new.xml", "content": policy()}).json
    assert (bad["valid"], bad["errors"][0]["file"]) == (False, "new.xml")
    assert api.post(check, {"files": {"all.xml": None, "new.xml": policy()}}).json["valid"] is True
    assert fields(api.post(check, {"path": "../x.xml", "content": ""})) == ["path"]
    assert fields(api.post(check, {"path": 1})) == ["path"]
    assert api.post(check, {}).json["valid"] is True
    assert [file.name for file in policies_folder.iterdir()] == ["all.xml"]


def test_templates_are_offered_with_their_parameters(api):
    found = api.get("/api/v1/policy-templates").json["items"]
    assert len(found) >= 5
    for template in found:
        assert template["parameters"]
        assert template["content"].lstrip().startswith("<")


def test_a_xacml_request_is_decided_in_its_own_syntax(api):
    response = api.call(
        "POST", "/xacml/pdp", data=REQUEST, headers={"Content-Type": "application/xacml+xml; charset=utf-8"}
    )
    assert response.status_code == 200
    assert response.content_type == "application/xacml+xml"
    assert b"<Decision>Permit</Decision>" in response.data
    with_json = {"Content-Type": "application/xacml+json"}
    response = api.call("POST", "/xacml/pdp", data=JSON_REQUEST, headers=with_json)
    assert response.status_code == 200
    assert response.content_type == "application/xacml+json"
    assert response.json["Response"][0]["Decision"] == "Permit"


@pytest.mark.parametrize("body", [BOMB, "", "<Request", "\xff\xfe", "<a>" * 100_000])
@pytest.mark.parametrize("path", ["/xacml/pdp", "/api/v1/policy-decisions"])
def test_xml_that_is_no_request_is_refused(api, path, body):
    response = api.call("POST", path, data=body, headers={"Content-Type": "application/xacml+xml"})
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert "root:" not in response.text


def test_a_decision_explains_itself_and_stores_nothing(api):
    for content_type, body in (
        ("application/xacml+xml", REQUEST),
        ("application/json", JSON_REQUEST),
        ("application/xacml+json", JSON_REQUEST),
    ):
        found = api.call("POST", "/api/v1/policy-decisions", data=body, headers={"Content-Type": content_type})
        assert found.status_code == 200, found.text
        view = found.json
        assert (view["decision"], view["policies"], view["rules"]) == ("Permit", ["all"], ["rule-1"])
        assert view["snapshot"] == api.get("/api/v1/policies").json["snapshot"]["hash"]
        assert (view["status"], view["obligations"]) == (None, [])
        (tree,) = view["explanation"]["tree"]
        assert (tree["kind"], tree["outcome"], tree["where"]) == ("policy", "Permit", "all.xml:2")
    assert api.get("/api/v1/provisioning-requests").json["items"] == []
