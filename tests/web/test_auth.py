from __future__ import annotations

import base64
import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from service import app as composition
from service.store import tokens, users
from service.web import auth
from service.web.throttle import Throttle
from tests.support.api import ADMIN_TOKEN, PASSWORD, Api, fields

REQUESTS = "/api/v1/provisioning-requests"


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def application(settings, clock):
    application = composition.assemble(settings, clock)
    application.policies.refresh()
    yield application
    application.stop()


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def status(application, authorization, path="/api/v1/service-providers", method="GET", **options):
    return Api(application.web, authorization).call(method, path, **options).status_code


NO_CREDENTIALS = [
    None,
    "",
    "Bearer",
    "Bearer slc_wrong",
    "Bearer " + ADMIN_TOKEN + "x",
    "Basic not base64!",
    "Basic " + base64.b64encode(b"no colon").decode(),
    "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
    "Digest username=admin",
    basic("nobody", PASSWORD),
    basic("admin", ""),
    basic("admin", "x" * 2000),
]
PATHS = ["/api/v1/service-providers", "/nothing", "/scim/v2/Users", "/xacml/pdp"]


def test_without_valid_credentials_nothing_is_told(application):
    for authorization, path in itertools.product(NO_CREDENTIALS, PATHS):
        response = Api(application.web, authorization).get(path)
        assert response.status_code == 401, (authorization, path)
        assert response.content_type == "application/problem+json"
        assert [h.split()[0] for h in response.headers.getlist("WWW-Authenticate")] == ["Bearer", "Basic"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_credentials(application, path):
    assert status(application, None, path) == 200


def test_the_administrator_signs_in_with_basic_in_any_case(application):
    assert status(application, basic("Admin", PASSWORD)) == 200


def test_a_password_is_hashed_once_in_a_minute_and_a_changed_one_counts_at_once(application, clock, monkeypatch):
    hashed = []
    real = users.matches
    monkeypatch.setattr(users, "matches", lambda h, p: hashed.append(p) or real(h, p))
    assert [status(application, basic("admin", PASSWORD)) for _ in range(3)] == [200] * 3
    assert len(hashed) == 1
    clock.advance(seconds=61)
    assert status(application, basic("admin", PASSWORD)) == 200
    assert len(hashed) == 2
    with application.database.transaction() as tx:
        users.set_password(tx, "admin", users.hash_password("another"), clock())
    assert status(application, basic("admin", PASSWORD)) == 401
    assert status(application, basic("admin", "another")) == 200


def test_who_guesses_passwords_must_wait_and_others_need_not(application, clock):
    def sign_in(password, address):
        options = {"environ_overrides": {"REMOTE_ADDR": address}}
        return Api(application.web, basic("admin", password)).get("/api/v1/policies", **options)

    assert sign_in(PASSWORD, "192.0.2.2").status_code == 200
    for _ in range(auth.FAILURES_PER_USER_AND_ADDRESS):
        assert sign_in("guess", "192.0.2.1").status_code == 401
    blocked = sign_in(PASSWORD, "192.0.2.1")
    assert blocked.status_code == 429
    assert sign_in(PASSWORD, "192.0.2.2").status_code == 200
    assert 0 < int(blocked.headers["Retry-After"]) <= 300
    assert sign_in("guess", "192.0.2.3").status_code == 401
    clock.advance(seconds=int(blocked.headers["Retry-After"]))
    assert sign_in(PASSWORD, "192.0.2.1").status_code == 200


def test_a_throttle_counts_in_a_sliding_window_and_forgets(clock, monkeypatch):
    throttle = Throttle(2, timedelta(seconds=10), clock)
    throttle.failed("a")
    clock.advance(seconds=6)
    throttle.failed("a")
    assert throttle.wait("a") == timedelta(seconds=4)
    assert throttle.wait("b") is None
    clock.advance(seconds=4)
    assert throttle.wait("a") is None
    throttle.failed("a")
    throttle.succeeded("a")
    throttle.failed("a")
    assert throttle.wait("a") is None
    monkeypatch.setattr("service.web.throttle.MOST_KEYS", 3)
    for name in "bcdefg":
        throttle.failed(name)
    assert len(throttle._failures) == 3


def test_the_admin_token_of_the_settings_reaches_everything(application):
    assert status(application, f"Bearer {ADMIN_TOKEN}") == 200
    assert status(application, f"bearer {ADMIN_TOKEN}") == 200


def test_a_token_is_shown_once_and_ends_when_it_is_revoked(api):
    made = api.post("/api/v1/tokens", {"name": "ci", "scopes": ["read"]})
    assert made.status_code == 201
    mine = Api(api.web, f"Bearer {made.json['token']}")
    assert mine.get("/api/v1/tokens").json["items"][0]["name"] == "ci"
    assert made.json["token"] not in mine.get("/api/v1/tokens").text
    assert "token" not in mine.get(made.headers["Location"]).json
    assert api.delete(made.headers["Location"]).status_code == 204
    assert mine.get("/api/v1/tokens").status_code == 401
    assert api.delete(made.headers["Location"]).status_code == 404


def test_a_token_ends_by_itself(api, clock):
    body = {"name": "ci", "scopes": ["read"], "expiresAt": "2026-11-03T11:30:00+01:00"}
    made = api.post("/api/v1/tokens", body)
    assert made.json["expiresAt"] == "2026-11-03T10:30:00.000Z"
    mine = Api(api.web, f"Bearer {made.json['token']}")
    clock.advance(minutes=59)
    assert mine.get("/api/v1/policies").status_code == 200
    clock.advance(minutes=1)
    assert mine.get("/api/v1/policies").status_code == 401


def test_the_last_use_of_a_token_is_known(api, application, clock):
    made = api.post("/api/v1/tokens", {"name": "ci", "scopes": ["read"]}).json
    assert made["lastUsedAt"] is None
    Api(api.web, f"Bearer {made['token']}").get("/api/v1/policies")
    assert api.get(f"/api/v1/tokens/{made['id']}").json["lastUsedAt"] == "2026-11-03T09:30:00.000Z"


SENSELESS = [
    ({"scopes": []}, "scopes"),
    ({"scopes": ["root"]}, "scopes[0]"),
    ({"scopes": "read"}, "scopes"),
    ({"scopes": ["provision"]}, "serviceProvider"),
    ({"scopes": ["read"], "serviceProvider": "resident"}, "serviceProvider"),
    ({"scopes": ["provision"], "serviceProvider": "nowhere"}, "serviceProvider"),
    ({"expiresAt": "2026-11-03T09:30:00Z"}, "expiresAt"),
    ({"expiresAt": "2026-12-03"}, "expiresAt"),
    ({"expiresAt": 1}, "expiresAt"),
    ({"expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
    ({"name": ""}, "name"),
    ({"name": "a/b"}, "name"),
    ({"name": None}, "name"),
    ({"secret": "mine"}, "secret"),
]


def test_a_token_that_makes_no_sense_is_not_made(api):
    for change, field in SENSELESS:
        response = api.post("/api/v1/tokens", {"name": "ci", "scopes": ["read"], **change})
        assert (response.status_code, fields(response)) == (422, [field]), change
    assert api.get("/api/v1/tokens").json["items"] == []


def create(name, provider=None):
    body = {"operation": "create", "entity": {"type": "user", "name": name, "attributes": {"userName": name}}}
    return body | ({"serviceProvider": provider} if provider else {})


@pytest.fixture
def providers(api):
    for name in ("hr-portal", "other"):
        assert api.post("/api/v1/service-providers", {"name": name}).status_code == 201


def test_scope_provision_is_bound_to_its_service_provider(api, providers):
    mine = api.token(["provision"], "HR-portal")
    made = mine.post(REQUESTS, create("alice"))
    assert (made.status_code, made.json["serviceProvider"]) == (200, "hr-portal")
    assert mine.post(REQUESTS, create("bob", "hr-Portal")).status_code == 200
    assert mine.post(REQUESTS, create("carol", "other")).status_code == 403
    assert mine.post(REQUESTS, create("carol", "resident")).status_code == 403
    assert mine.post(REQUESTS, create("carol", "nowhere")).status_code == 403


def test_scope_provision_sees_the_requests_of_its_own_service_provider_only(api, providers):
    theirs = api.post(REQUESTS, create("alice", "other")).json["id"]
    mine = api.token(["provision"], "hr-portal")
    own = mine.post(REQUESTS, create("bob")).json["id"]
    assert [item["id"] for item in mine.get(REQUESTS).json["items"]] == [own]
    assert mine.get(f"{REQUESTS}/{own}").status_code == 200
    assert mine.get(f"{REQUESTS}/{theirs}").status_code == 404
    assert mine.get(f"{REQUESTS}?serviceProvider=other").status_code == 403
    assert {item["id"] for item in api.get(REQUESTS).json["items"]} == {own, theirs}
    assert mine.get("/api/v1/deliveries").json["items"] == []


READ = [
    "/api/v1/service-providers",
    "/api/v1/service-providers/resident",
    "/api/v1/identity-providers",
    "/api/v1/connectors",
    "/api/v1/tokens",
    "/api/v1/policies",
    "/api/v1/policy-files",
    "/api/v1/policy-files/all.xml",
    "/api/v1/policy-templates",
]
SHARED = [REQUESTS, "/api/v1/deliveries"]
WRITES = [
    ("POST", "/api/v1/service-providers"),
    ("PUT", "/api/v1/service-providers/resident"),
    ("PATCH", "/api/v1/service-providers/resident"),
    ("DELETE", "/api/v1/service-providers/resident"),
    ("POST", "/api/v1/identity-providers"),
    ("POST", "/api/v1/identity-providers/x/pause"),
    ("POST", "/api/v1/identity-providers/x/connectors/scim2/test"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/x"),
    ("PUT", "/api/v1/policy-files/x.xml"),
    ("DELETE", "/api/v1/policy-files/all.xml"),
    ("POST", "/api/v1/policy-checks"),
    ("POST", "/api/v1/deliveries/x/retry"),
    ("POST", "/api/v1/deliveries/x/cancel"),
    ("POST", "/api/v1/deliveries/x/approve"),
    ("POST", "/api/v1/deliveries/x/reject"),
]
DECIDE = [("POST", "/api/v1/policy-decisions"), ("POST", "/xacml/pdp")]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", [*READ, *SHARED]), ("provision", SHARED), ("pdp", [])],
)
def test_a_scope_reaches_so_far_and_no_further(api, providers, scope, allowed):
    mine = api.token([scope], "hr-portal" if scope == "provision" else None)
    for path in [*READ, *SHARED]:
        assert mine.get(path).status_code == (200 if path in allowed else 403), path
    for method, path in WRITES:
        assert mine.call(method, path, {}).status_code == 403, path
    assert mine.post(REQUESTS, {}).status_code == (422 if scope == "provision" else 403)
    for method, path in DECIDE:
        answered = mine.call(method, path, {}).status_code
        assert (answered != 403) == (scope == "pdp"), path
    assert mine.get("/api/v1/openapi.json").status_code == 200


def test_every_endpoint_but_health_asks_for_credentials(api):
    open_to_all = {"/healthz", "/readyz"}
    anonymous = Api(api.web, None)
    for rule in (one for one in api.web.url_map.iter_rules() if not one.endpoint.startswith("console.")):
        path = rule.rule.replace("<path:path>", "x").replace("<name>", "x").replace("<id>", "x").replace("<type>", "x")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            expected = {200} if path in open_to_all else {401}
            assert {anonymous.call(method, path).status_code} == expected, path


def test_a_viewer_may_read_and_no_more(application, clock, providers):
    with application.database.transaction() as tx:
        users.create(tx, "Vera", users.hash_password("view"), "viewer", clock())
    vera = Api(application.web, basic("vera", "view"))
    assert vera.get("/api/v1/service-providers").status_code == 200
    assert vera.delete("/api/v1/service-providers/other").status_code == 403


def test_a_write_that_another_site_makes_a_browser_send_is_refused(application):
    foreign = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
    own = [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}]
    path = "/api/v1/identity-providers/nowhere/pause"
    for headers in [*foreign, {"Origin": "null"}]:
        assert status(application, basic("admin", PASSWORD), path, "POST", headers=headers) == 403
        assert status(application, f"Bearer {ADMIN_TOKEN}", path, "POST", headers=headers) == 404
        assert status(application, basic("admin", PASSWORD), headers=headers) == 200
    for headers in own:
        assert status(application, basic("admin", PASSWORD), path, "POST", headers=headers) == 404


def test_many_at_once_with_the_same_password(application):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: status(application, basic("admin", PASSWORD)), range(16)))
    assert found == [200] * 16


def test_a_token_for_a_provider_that_is_gone_opens_nothing(api, providers):
    mine = api.token(["provision"], "other")
    assert api.delete("/api/v1/service-providers/other").status_code == 204
    assert mine.get(REQUESTS).status_code == 401


def test_the_text_of_tokens_is_unpredictable(application, clock):
    with application.database.transaction() as tx:
        made = {
            tokens.create(tx, name="t", scopes=["read"], service_provider_id=None, expires_at=None, now=clock())[1]
            for _ in range(50)
        }
    assert len(made) == 50
