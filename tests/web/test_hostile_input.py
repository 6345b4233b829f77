"""Hostile input over a real socket, to the server that is shipped."""

from __future__ import annotations

import json
import socket
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest
import requests

from tests.support.api import policy, scim
from tests.support.service import ADMIN_PASSWORD, ADMIN_TOKEN, running_service

SP = "/api/v1/service-providers"
REQUESTS = "/api/v1/provisioning-requests"
MEGABYTE = 1 << 20


BUGS = ("Traceback", "unexpected error", "panicked")


@dataclass
class Client:
    """Speaks to a running service, as an administrator or in bare bytes."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, data: object = None, **headers: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"} | headers
        return requests.request(method, self.url + path, data=data, headers=headers, timeout=20)

    def get(self, path: str) -> requests.Response:
        return self.call("GET", path)

    def raw(self, *parts: bytes, wait: float = 10) -> bytes:
        """Whatever comes back before the connection is closed, or 0.3 s after the last byte."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=wait)) as connection:
            received = b""
            with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                for part in parts:
                    connection.sendall(part)
            with suppress(ConnectionResetError, TimeoutError):
                while chunk := connection.recv(65536):
                    received += chunk
                    connection.settimeout(0.3)
            return received


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    with running_service(folder, policies={"all.xml": policy()}, SLUICE_THREADS="8") as running:
        yield Client(running.port)
    assert [line for line in running.log.splitlines() if any(bug in line for bug in BUGS)] == []


@pytest.fixture
def unchanged(service):
    """Nothing that a test sends is stored."""

    def stored():
        paths = [
            SP,
            "/api/v1/identity-providers",
            REQUESTS,
            "/api/v1/deliveries",
            "/api/v1/tokens",
            "/api/v1/policy-files",
        ]
        return {path: service.get(path).json()["items"] for path in paths}

    before = stored()
    yield
    assert stored() == before


def problem(response: requests.Response, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body.keys() >= {"type", "title", "status", "detail"}
    assert body["status"] == status
    return body


def test_the_service_works_over_a_socket(service):
    body = {"name": "acme", "connectors": [scim()]}
    assert service.call("POST", "/api/v1/identity-providers", json.dumps(body)).status_code == 201
    response = service.get("/api/v1/identity-providers/acme")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert service.call("DELETE", "/api/v1/identity-providers/acme").status_code == 204
    assert requests.get(service.url + SP, auth=("admin", ADMIN_PASSWORD), timeout=20).status_code == 200


@pytest.mark.usefixtures("unchanged")
def test_a_body_over_the_limit_is_413(service):
    for size in (MEGABYTE + 1, 5 * MEGABYTE):
        body = json.dumps({"name": "x" * size})
        problem(service.call("POST", SP, body), 413)
        problem(service.call("PUT", "/api/v1/policy-files/x.xml", body, **{"Content-Type": "application/xml"}), 413)
    padded = json.dumps({"name": "big"}).ljust(MEGABYTE)
    response = service.call("POST", SP, padded)
    assert response.status_code == 201
    assert service.call("DELETE", f"{SP}/big").status_code == 204


HEAD = (
    b"POST /api/v1/service-providers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + ADMIN_TOKEN.encode() + b"\r\n"
    b"Content-Type: application/json\r\n"
)


@pytest.mark.usefixtures("unchanged")
def test_a_body_over_the_limit_is_refused_without_reading_it_all(service):
    # The rest is never sent: it cannot be waited for.
    answer = service.raw(HEAD + b"Content-Length: 5000000000\r\n\r\n" + b'{"name": "')
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("authorization", ["Bearer nobody", f"Bearer {ADMIN_TOKEN}"])
def test_an_answer_without_reading_the_body_says_that_the_connection_ends(service, authorization):
    # What the client still sends would be lost; one that was not told would send its next request into the void.
    head = f"POST /nowhere HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: 20\r\n\r\n"
    answer = service.raw(head.encode(), wait=1)
    assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 404 "))
    assert b"connection: close" in answer.lower()


def test_a_connection_is_kept_when_the_body_was_read_or_there_was_none(service):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        answers = [session.post(service.url + SP, json={}, timeout=20), session.get(service.url + SP, timeout=20)]
    assert [answer.headers.get("Connection") for answer in answers] == [None, None]


@pytest.mark.usefixtures("unchanged")
def test_a_body_without_a_length_is_read_up_to_the_limit(service):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = service.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 80, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    small = json.dumps({"name": "chunked"}).encode()
    framed = f"{len(small):x}\r\n".encode() + small + b"\r\n0\r\n\r\n"
    answer = service.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framed)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert service.call("DELETE", f"{SP}/chunked").status_code == 204


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "path", [SP, "/api/v1/identity-providers", REQUESTS, "/api/v1/tokens", "/api/v1/policy-checks"]
)
def test_a_body_that_is_no_json_is_400(service, path):
    for body in (
        b"",
        b"{",
        b'{"name": "\xff"}',
        b'{"name": "a", "name": "b"}',
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"a":' * 5000,
        b"[" * 900_000,
        '{"name": "x"}'.encode("utf-16"),
    ):
        problem(service.call("POST", path, body), 400)
    for body in (b"[]", b"null", b'"name"', b"7", b"true"):
        problem(service.call("POST", path, body), 422)


@pytest.mark.usefixtures("unchanged")
def test_a_body_of_another_media_type_is_415(service):
    body = json.dumps({"name": "x"})
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "json", ""):
        problem(service.call("POST", SP, body, **{"Content-Type": media_type}), 415)
    assert service.call("POST", SP, body, **{"Content-Type": "application/json; charset=utf-8"}).status_code == 201
    assert service.call("DELETE", f"{SP}/x").status_code == 204


BOMBS = [
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
    b"<a>" * 100_000,
    b"<a " + b'b="' + b"x" * 900_000 + b'"/>',
    b"\xff\xfe\x00<",
    b"",
]


@pytest.mark.usefixtures("unchanged")
def test_xml_with_a_doctype_is_refused(service):
    for bomb in BOMBS:
        xml = {"Content-Type": "application/xml"}
        assert problem(service.call("PUT", "/api/v1/policy-files/bomb.xml", bomb, **xml), 422)["errors"][0]["message"]
        for path in ("/xacml/pdp", "/api/v1/policy-decisions"):
            response = service.call("POST", path, bomb, **{"Content-Type": "application/xacml+xml"})
            assert response.status_code in {200, 400}
            assert "Permit" not in response.text
            assert "root:" not in response.text
        draft = json.dumps({"path": "bomb.xml", "content": bomb.decode("latin-1").replace("\0", "")})
        assert service.call("POST", "/api/v1/policy-checks", draft).json()["valid"] is False


def test_addresses_that_do_not_exist_are_problems(service):
    for path in (
        "/nothing",
        "/api/v2/x",
        f"{SP}/",
        f"{SP}/nobody",
        "//api//v1",
        "/api/v1/service-providers/%00",
        "/%ff",
    ):
        problem(service.get(path), 404)
    response = service.call("DELETE", SP)
    problem(response, 405)
    assert set(response.headers["Allow"].replace(" ", "").split(",")) >= {"GET", "POST"}
    problem(service.call("BREW", SP), 405)
    problem(requests.get(service.url + SP, timeout=20), 401)


def test_broken_requests_do_not_end_the_service(service):
    for data in (
        b"GET /healthz-of-nobody HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: abc\r\n\r\n",
        HEAD + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    ):
        answer = service.raw(data, wait=2)
        assert not answer or answer.split(b" ")[1][:1] == b"4", answer[:100]
    assert service.get("/readyz").status_code == 200


@pytest.mark.usefixtures("unchanged")
def test_a_body_that_breaks_off_stores_nothing(service):
    answer = service.raw(HEAD + b'Content-Length: 100\r\n\r\n{"name": "half"}', wait=1)
    assert not answer.startswith(b"HTTP/1.1 2")


@pytest.mark.usefixtures("unchanged")
def test_a_method_cannot_be_overridden_by_a_header(service):
    response = service.call("GET", f"{SP}/resident", **{"X-HTTP-Method-Override": "DELETE"})
    assert response.status_code == 200
