from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from service import app as composition
from service.store.models import IdempotencyRow
from tests.support.api import fields, policy, scim
from tests.support.raw_server import raw_server
from tests.support.token_server import TokenServer

REQUESTS = "/api/v1/provisioning-requests"
DELIVERIES = "/api/v1/deliveries"
DECISIONS = "/api/v1/policy-decisions"


@pytest.fixture
def portal(api):
    """A service provider with one target that nobody listens at."""
    assert api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [scim()]}).status_code == 201
    rows = [{"identityProvider": "acme", "enableRules": True}]
    assert api.post("/api/v1/service-providers", {"name": "hr", "outboundProvisioning": rows}).status_code == 201


def request(name="alice", **changes):
    attributes = {"userName": name, "name": {"familyName": "Liddell"}, "roles": [{"value": "Doe, Jane"}]}
    entity = {"type": "user", "name": name, "attributes": attributes}
    return {"serviceProvider": "hr", "operation": "create", "entity": entity, **changes}


def test_a_request_without_targets_has_nothing_to_do(api):
    body = request(serviceProvider=None)
    response = api.post(REQUESTS, {k: v for k, v in body.items() if v is not None})
    assert response.status_code == 200
    assert (response.json["state"], response.json["serviceProvider"]) == ("nothing-to-do", "resident")
    assert api.get(response.headers["Location"]).json == response.json


def test_a_request_under_way_is_202_with_its_address(api, portal):
    response = api.post(REQUESTS, request())
    assert response.status_code == 202
    view = response.json
    assert response.headers["Location"] == f"{REQUESTS}/{view['id']}"
    assert api.get(response.headers["Location"]).json["deliveries"][0]["id"] == view["deliveries"][0]["id"]
    (delivery,) = view["deliveries"]
    assert (view["state"], delivery["state"], delivery["decision"]["decision"]) == ("pending", "pending", "Permit")
    assert api.get(f"{DELIVERIES}/{delivery['id']}").json["requestId"] == view["id"]


def test_a_refused_request_names_policy_and_rule(api, portal):
    deny = policy("Deny", id_="nobody", rule="never")
    assert api.call("PUT", "/api/v1/policy-files/all.xml", data=deny, headers={"Content-Type": "application/xml"})
    response = api.post(REQUESTS, request())
    assert (response.status_code, response.json["state"]) == (200, "refused")
    decision = response.json["deliveries"][0]["decision"]
    assert (decision["decision"], decision["policies"], decision["rules"]) == ("Deny", ["nobody"], ["never"])


def test_the_same_key_and_body_answer_with_the_first_request(api, portal):
    def post(body, key="k-1"):
        return api.post(REQUESTS, body, headers={"Idempotency-Key": key})

    first = post(request())
    again = post(dict(reversed(request().items())))
    assert (first.json["id"], first.status_code) == (again.json["id"], again.status_code)
    other = post(request("bob"))
    assert (other.status_code, fields(other)) == (422, ["Idempotency-Key"])
    assert post(request("bob"), key="k-2").json["id"] != first.json["id"]
    for bad in ("", "a b", "é", "x" * 256):
        assert fields(post(request("carol"), key=bad)) == ["Idempotency-Key"], bad
    theirs = api.token(["provision"], "hr").post(REQUESTS, request("dave"), headers={"Idempotency-Key": "k-1"})
    assert theirs.json["entity"]["name"] == "dave"


def test_lists_find_names_in_any_case_as_scim_compares_them_and_former_names_too(api, portal):
    made = api.post(REQUESTS, request("Straße", entity={"type": "user", "name": "Straße"})).json
    entity = made["entity"]["id"]
    renamed = {"type": "user", "id": entity, "attributes": {"userName": "Gasse"}}
    again = api.post(REQUESTS, request(operation="replace", entity=renamed)).json
    ids = [again["id"], made["id"]]

    def found(path, **query):
        return [one.get("requestId", one["id"]) for one in api.get(path, query_string=query).json["items"]]

    assert found(REQUESTS, entity="GASSE") == ids
    assert found(REQUESTS, entity="Straße") == [made["id"]]
    assert found(REQUESTS, entity=entity, serviceProvider="HR") == ids
    assert found(REQUESTS, entity="strasse") == []
    assert found(DELIVERIES, entity="gasse", identityProvider="ACME", serviceProvider="Hr") == ids
    assert found(DELIVERIES, entity="gasse", since=again["createdAt"]) == [again["id"]]


WRONG = [
    ({"operation": "upsert"}, "operation"),
    ({"operation": None}, "operation"),
    ({"serviceProvider": "nowhere"}, "serviceProvider"),
    ({"serviceProvider": 1}, "serviceProvider"),
    ({"entity": None}, "entity"),
    ({"entity": {"name": "x"}}, "entity.type"),
    ({"entity": {"type": "robot", "name": "x"}}, "entity.type"),
    ({"entity": {"type": "user", "name": ["x"]}}, "entity.name"),
    ({"entity": {"type": "user", "name": ""}}, "entity.name"),
    ({"entity": {"type": "user", "name": "x", "attributes": []}}, "entity.attributes"),
    ({"entity": {"type": "user", "name": "x", "extra": 1}}, "entity.extra"),
    ({"jit": "no"}, "jit"),
    ({"dryRun": 0}, "dryRun"),
    ({"dryrun": True}, "dryrun"),
    ({"patch": {}}, "patch"),
    ({"patch": [{"op": "burn"}]}, "patch[0].op"),
    ({"patch": [{"op": "add", "path": 1}]}, "patch[0].path"),
    ({"operation": "delete"}, "entity.name"),
    ({"operation": "replace"}, "entity.name"),
    ({"entity": {"type": "user", "id": "nobody"}, "operation": "delete"}, "entity.id"),
]


def test_a_request_with_a_wrong_field_is_refused_and_leaves_nothing(api, portal):
    for change, field in WRONG:
        response = api.post(REQUESTS, request(**change))
        assert (response.status_code, fields(response)) == (422, [field]), (change, response.text)
    assert api.get(REQUESTS).json["items"] == []
    assert api.get(DELIVERIES).json["items"] == []


def test_a_user_that_exists_cannot_be_created(api, portal):
    assert api.post(REQUESTS, request()).status_code == 202
    response = api.post(REQUESTS, request("ALICE"))
    assert (response.status_code, fields(response)) == (409, ["entity.name"])


def test_a_dry_run_shows_the_exchanges_and_stores_nothing(api, portal):
    response = api.post(REQUESTS, request(dryRun=True))
    assert response.status_code == 200
    (exchange,) = response.json["deliveries"][0]["exchanges"]
    assert (exchange["method"], exchange["url"]) == ("POST", "http://127.0.0.1:1/Users")
    assert "s3cret-token" not in response.text
    assert api.get(REQUESTS).json["items"] == []


def test_what_is_kept_of_a_body_does_not_let_its_password_be_guessed(api, application, portal):
    body = request()
    body["entity"]["attributes"]["password"] = "hunter2"
    assert api.post(REQUESTS, body, headers={"Idempotency-Key": "k-1"}).status_code == 202
    plain = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    with application.database.read() as tx:
        (kept,) = tx.scalars(select(IdempotencyRow.body_hash))
    assert kept != plain
    assert api.post(REQUESTS, body, headers={"Idempotency-Key": "k-1"}).status_code == 202


def test_a_dry_run_leaves_an_idempotency_key_alone(api, portal):
    key = {"Idempotency-Key": "k-1"}
    first = api.post(REQUESTS, request(), headers=key)
    shown = api.post(REQUESTS, request("bob", dryRun=True), headers=key)
    assert (shown.status_code, shown.json["dryRun"]) == (200, True)
    assert api.post(REQUESTS, request(), headers=key).json["id"] == first.json["id"]
    assert api.post(REQUESTS, request("bob", dryRun=True), headers={"Idempotency-Key": "k-2"}).status_code == 200
    assert api.post(REQUESTS, request("carol"), headers={"Idempotency-Key": "k-2"}).json["entity"]["name"] == "carol"


def test_a_dry_run_is_made_with_the_policies_that_another_process_has_just_published(
    api, portal, settings, application, tmp_path
):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "all.xml").write_text(policy(rule="published-meanwhile"))
    other = composition.assemble(replace(settings, policies=theirs))
    other.policies.refresh()
    (delivery,) = api.post(REQUESTS, request(dryRun=True)).json["deliveries"]
    assert delivery["decision"]["rules"] == ["published-meanwhile"]
    assert [one["method"] for one in delivery["exchanges"]] == ["POST"]
    other.stop()


OAUTH = {
    "scim2-authentication-mode": "clientCredentials",
    "scim2-client-id": "me",
    "scim2-client-secret": TokenServer().client_secret,
    "scim2-user-ep": "http://127.0.0.1:1/Users",
}


def test_a_dry_run_asks_for_no_token_and_shows_what_would_be_sent_with_one(api):
    connector = {"type": "scim2", "properties": {**OAUTH, "scim2-token-endpoint": "http://127.0.0.1:1/token"}}
    assert api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [connector]}).status_code == 201
    rows = [{"identityProvider": "acme"}]
    assert api.post("/api/v1/service-providers", {"name": "hr", "outboundProvisioning": rows}).status_code == 201
    response = api.post(REQUESTS, request(dryRun=True))
    token, create = response.json["deliveries"][0]["exchanges"]
    assert (token["url"], token["purpose"]) == ("http://127.0.0.1:1/token", "ask for an access token")
    assert (create["method"], create["url"]) == ("POST", "http://127.0.0.1:1/Users")
    assert create["headers"]["Authorization"] == "Bearer ********"
    assert '"userName": "alice"' in create["body"].replace('":"', '": "')
    assert OAUTH["scim2-client-secret"] not in response.text


def test_a_connection_test_leaves_its_token_to_the_deliveries_that_follow(api):
    login = TokenServer()
    with raw_server(login.serve) as server:
        connector = {"type": "scim2", "properties": {**OAUTH, "scim2-token-endpoint": f"{server.url}/token"}}
        assert api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [connector]}).status_code == 201
        rows = [{"identityProvider": "acme"}]
        assert api.post("/api/v1/service-providers", {"name": "hr", "outboundProvisioning": rows}).status_code == 201
        found = api.post("/api/v1/identity-providers/acme/connectors/scim2/test")
        assert found.json["good"] is False  # nobody listens at the target itself
        assert len(login.forms) == 1
        (create,) = api.post(REQUESTS, request(dryRun=True)).json["deliveries"][0]["exchanges"]
        assert create["purpose"] == "create the user"
        api.post("/api/v1/identity-providers/acme/connectors/scim2/test")
        assert len(login.forms) == 2  # a test proves that a token can be had now


def test_lists_are_filtered_and_come_in_pages(api, portal):
    made = [api.post(REQUESTS, request(name)).json for name in ("a", "b", "c")]
    api.post(REQUESTS, request("d", serviceProvider="resident"))

    def names(**query):
        return [item["entity"]["name"] for item in api.get(REQUESTS, query_string=query).json["items"]]

    assert names() == ["d", "c", "b", "a"]
    assert names(serviceProvider="hr") == ["c", "b", "a"]
    assert names(entity="b") == ["b"] == names(entity=made[1]["entity"]["id"])
    assert names(state="nothing-to-do") == ["d"]
    assert names(since="2020-01-01T00:00:00Z", state="pending") == ["c", "b", "a"]
    assert names(since="2999-01-01T00:00:00Z") == []
    page = api.get(f"{REQUESTS}?limit=3").json
    rest = api.get(REQUESTS, query_string={"limit": 3, "cursor": page["next"]}).json
    assert ([item["entity"]["name"] for item in rest["items"]], rest["next"]) == (["a"], None)
    assert len(api.get(f"{DELIVERIES}?identityProvider=acme&state=pending").json["items"]) == 3
    assert api.get(f"{DELIVERIES}?request={made[0]['id']}").json["items"][0]["id"] == made[0]["deliveries"][0]["id"]
    for query in ("state=lost", "since=yesterday", "since=2026-11-03", "entity=a%00b", "cursor=" + "x" * 300):
        response = api.get(f"{REQUESTS}?{query}")
        assert (response.status_code, fields(response)) == (422, [query.partition("=")[0]])


def test_a_delivery_can_be_taken_back_once(api, portal):
    delivery = api.post(REQUESTS, request()).json["deliveries"][0]["id"]
    cancelled = api.post(f"{DELIVERIES}/{delivery}/cancel")
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    assert api.post(f"{DELIVERIES}/{delivery}/cancel").status_code == 409
    assert api.post(f"{DELIVERIES}/{delivery}/approve", {"comment": "fine"}).status_code == 409
    assert api.post(f"{DELIVERIES}/{delivery}/reject").status_code == 409
    assert fields(api.post(f"{DELIVERIES}/{delivery}/reject", {"comment": 1})) == ["comment"]


def test_what_is_not_there_is_404(api):
    for path in (f"{REQUESTS}/x", f"{DELIVERIES}/x", f"{REQUESTS}/a%00b", f"{REQUESTS}/{'x' * 500}"):
        assert api.get(path).status_code == 404
    for action in ("retry", "cancel", "approve", "reject"):
        assert api.post(f"{DELIVERIES}/x/{action}").status_code == 404


def test_a_removed_row_cancels_what_it_had_not_delivered(api, portal):
    delivery = api.post(REQUESTS, request()).json["deliveries"][0]["id"]
    response = api.put("/api/v1/service-providers/hr", {"name": "hr"})
    assert (response.json["cancelledDeliveries"], response.headers["Sluice-Cancelled-Deliveries"]) == (1, "1")
    assert api.get(f"{DELIVERIES}/{delivery}").json["state"] == "cancelled"


def test_deleting_a_service_provider_cancels_too(api, portal):
    delivery = api.post(REQUESTS, request()).json["deliveries"][0]["id"]
    response = api.delete("/api/v1/service-providers/hr")
    assert (response.status_code, response.headers["Sluice-Cancelled-Deliveries"]) == (204, "1")
    assert api.get(f"{DELIVERIES}/{delivery}").json["state"] == "cancelled"


def test_a_renamed_service_provider_keeps_what_is_under_way(api, portal):
    delivery = api.post(REQUESTS, request()).json["deliveries"][0]["id"]
    assert api.patch("/api/v1/identity-providers/acme", {"name": "acme two"}).status_code == 200
    assert api.patch("/api/v1/service-providers/hr", {"name": "people"}).json["cancelledDeliveries"] == 0
    assert api.patch("/api/v1/service-providers/people", {"description": "d"}).json["cancelledDeliveries"] == 0
    view = api.get(f"{DELIVERIES}/{delivery}").json
    assert (view["state"], view["identityProvider"]) == ("pending", "acme two")


def test_the_policies_can_be_asked_about_a_request_that_is_not_made(api, portal):
    response = api.post(DECISIONS, request(identityProvider="ACME"))
    assert response.status_code == 200
    view = response.json
    assert (view["decision"], view["policies"], view["rules"]) == ("Permit", ["all"], ["rule-1"])
    assert "Doe, Jane" in view["request"]
    assert view["explanation"]["deciders"] == [{"policy": "all", "version": "1.0", "rule": "rule-1"}]
    assert fields(api.post(DECISIONS, request())) == ["identityProvider"]
    assert fields(api.post(DECISIONS, request(identityProvider="nowhere"))) == ["identityProvider"]
    assert api.token(["pdp"]).post(DECISIONS, request(identityProvider="acme")).status_code == 200
    assert api.get(REQUESTS).json["items"] == []


def test_who_may_only_ask_the_policies_learns_nothing_of_an_entity_by_asking(api, portal):
    body = request()
    body["entity"]["attributes"]["title"] = "confidential-title"
    assert api.post(REQUESTS, body).status_code == 202
    entity = {"type": "user", "name": "alice"}
    asked = request(operation="delete", entity=entity, identityProvider="acme")
    reader = api.token(["pdp", "read"]).post(DECISIONS, asked)
    assert "confidential-title" in reader.json["request"]
    asker = api.token(["pdp"]).post(DECISIONS, asked)
    assert (asker.status_code, asker.json["decision"], asker.json["rules"]) == (200, "Permit", ["rule-1"])
    assert "confidential-title" not in asker.text
    assert (asker.json["request"], asker.json["explanation"]) == (None, None)
