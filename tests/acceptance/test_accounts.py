"""Accounts: found ones are linked, changes arrive in order, nothing happens twice, a dry run does nothing."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.flaky import flaky_target
from tests.support.service import assert_problem, eventually, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-accounts")

PATIENCE = {"firstRetry": 0.2, "longestRetry": 0.5}


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    api.identity_provider("acme", "scim2", flaky.properties, delivery=PATIENCE | {"deleteLinkedAccounts": True})
    api.identity_provider("strict", "scim2", flaky.properties, of_connector={"onConflict": "fail"}, delivery=PATIENCE)
    api.service_provider("hr-portal", row("acme"))
    api.service_provider("in-background", row("acme", blocking=False))
    api.service_provider("careful", row("strict"))
    api.identity_provider("late", "scim2", flaky.properties, delivery={"firstRetry": 50_000, "longestRetry": 50_000})
    api.service_provider("patient", row("late", blocking=False))


def only(request):
    [delivery] = request["deliveries"]
    return delivery


def add_at_target(scim, name, **attributes):
    """An account that somebody else made; answers its id."""
    schema = "urn:ietf:params:scim:schemas:core:2.0:User"
    body = {"schemas": [schema], "userName": name, **attributes}
    headers = {"Authorization": f"Bearer {scim.token}", "Content-Type": "application/scim+json"}
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(scim.users_url, data=json.dumps(body), headers=headers, timeout=10)
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]


def users_named(scim, name):
    return [user for user in scim.users if user["userName"].casefold() == name.casefold()]


@pytest.mark.parametrize("name", ["existing", 'O"Brien', "back\\slash"])
def test_an_account_that_exists_at_the_target_is_linked_and_brought_up_to_date(api, scim, name):
    identifier = add_at_target(scim, name, title="Old title")
    delivery = only(api.provisioned("hr-portal", "create", name, {"title": "New title"}))
    assert (delivery["state"], delivery["outcome"]) == ("delivered", "linked")
    assert delivery["provisionedIdentifier"] == identifier
    [user] = users_named(scim, name)
    assert (user["id"], user["title"]) == (identifier, "New title")
    api.provisioned("hr-portal", "delete", name)
    assert users_named(scim, name) == []


def test_an_account_that_may_not_be_linked_is_a_dead_letter_that_says_so(api, scim):
    add_at_target(scim, "not-ours", title="Theirs")
    delivery = only(api.provisioned("careful", "create", "not-ours", {"title": "Ours"}))
    assert (delivery["state"], delivery["provisionedIdentifier"]) == ("failed", None)
    assert delivery["error"]["kind"] == "conflict"
    assert "not-ours" in delivery["error"]["message"]
    assert users_named(scim, "not-ours")[0]["title"] == "Theirs"
    listed = api.get("/deliveries?state=failed&identityProvider=strict")["items"]
    assert [one["id"] for one in listed] == [delivery["id"]]


def test_a_dead_letter_is_delivered_with_the_state_of_now_when_it_is_retried(api, scim, flaky):
    flaky.next("answer", method="POST", status=400)
    dead = only(api.provisioned("hr-portal", "create", "lazarus", {"title": "First"}))
    assert (dead["state"], dead["error"]["status"]) == ("failed", 400)
    api.post(f"/deliveries/{dead['id']}/retry")
    delivered = api.delivery_in("delivered", dead["id"])
    assert delivered["provisionedIdentifier"] == users_named(scim, "lazarus")[0]["id"]
    assert_problem(api.call("POST", f"/deliveries/{dead['id']}/retry"), 409, "state")


def test_changes_of_one_user_arrive_in_the_order_in_which_they_were_accepted(api, scim, flaky):
    flaky.down()
    titles = [f"title {n}" for n in range(6)]
    accepted = [api.provision("in-background", "create", "orderly", {"title": titles[0]})]
    for title in titles[1:]:
        patch = [{"op": "replace", "path": "title", "value": title}]
        accepted.append(api.provision("in-background", "modify", "orderly", patch=patch))
    accepted.append(api.provision("in-background", "delete", "orderly"))
    assert {request["state"] for request in accepted} == {"pending"}
    before = len(scim.arrived)
    flaky.up()
    assert [api.settled(request["id"])["state"] for request in accepted] == ["delivered"] * len(accepted)
    writes = [one for one in scim.arrived[before:] if one.method != "GET"]
    assert [one.method for one in writes] == ["POST", *["PATCH"] * 5, "DELETE"]
    assert [title for one in writes for title in titles if title.encode() in one.body] == titles
    assert users_named(scim, "orderly") == []


def test_a_user_who_waits_does_not_hold_up_another(api, scim, flaky):
    flaky.next("answer", method="POST", status=503)
    slow = api.provision("patient", "create", "slow")
    eventually(lambda: api.delivery(only(slow)["id"])["state"] == "retrying", "the first one waits")
    assert only(api.provisioned("patient", "create", "quick"))["state"] == "delivered"
    assert api.delivery(only(slow)["id"])["state"] == "retrying"
    api.post(f"/deliveries/{only(slow)['id']}/retry")  # not to wait for its time
    assert api.settled(slow["id"])["state"] == "delivered"


def test_creating_a_user_that_exists_is_a_conflict_and_sends_nothing(api, scim):
    api.provisioned("hr-portal", "create", "Twice")
    before = len(scim.arrived)
    reply = api.call("POST", "/provisioning-requests", request_body("hr-portal", "create", "tWICE"))
    assert_problem(reply, 409, "entity.name", "`Twice`")
    assert len(scim.arrived) == before


def test_a_deleted_user_can_be_created_again_and_is_another_account(api, scim):
    first = only(api.provisioned("hr-portal", "create", "phoenix"))["provisionedIdentifier"]
    api.provisioned("hr-portal", "delete", "phoenix")
    second = only(api.provisioned("hr-portal", "create", "phoenix"))
    assert second["state"] == "delivered"
    assert second["provisionedIdentifier"] == users_named(scim, "phoenix")[0]["id"] != first


def test_deleting_who_has_no_account_there_is_done_without_a_word(api, scim):
    api.provisioned("resident", "create", "only-here")
    before = len(scim.arrived)
    delivery = only(api.provisioned("hr-portal", "delete", "only-here"))
    assert (delivery["state"], delivery["outcome"]) == ("delivered", "nothing-to-do")
    assert len(scim.arrived) == before


def test_changing_who_has_no_account_there_makes_one(api, scim):
    api.provisioned("resident", "create", "made-later", {"title": "Clerk"})
    patch = [{"op": "add", "path": "nickName", "value": "Late"}]
    delivery = only(api.provisioned("hr-portal", "modify", "made-later", patch=patch))
    assert (delivery["state"], delivery["effectiveOperation"]) == ("delivered", "create")
    [user] = users_named(scim, "made-later")
    assert (user["title"], user["nickName"]) == ("Clerk", "Late")


def test_an_account_that_vanished_at_the_target_is_made_again(api, scim):
    created = only(api.provisioned("hr-portal", "create", "vanishing", {"title": "Clerk"}))
    scim_delete(scim, created["provisionedIdentifier"])
    patch = [{"op": "replace", "path": "title", "value": "Ghost"}]
    modified = only(api.provisioned("hr-portal", "modify", "vanishing", patch=patch))
    [user] = users_named(scim, "vanishing")
    assert (modified["state"], modified["outcome"], user["title"]) == ("delivered", "recreated", "Ghost")
    assert modified["provisionedIdentifier"] == user["id"] != created["provisionedIdentifier"]


def scim_delete(scim, identifier):
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {scim.token}"}
        assert session.delete(f"{scim.users_url}/{identifier}", headers=headers, timeout=10).status_code == 204


def test_a_user_without_the_outbound_provisioning_role_is_skipped_and_who_loses_it_is_removed(api, scim, flaky):
    api.identity_provider("club", "scim2", flaky.properties, outboundProvisioningRoles=["member"])
    api.service_provider("club-desk", row("club"))
    stranger = api.provisioned("club-desk", "create", "stranger")
    assert (stranger["state"], stranger["deliveries"]) == ("nothing-to-do", [])
    assert "role" in stranger["skipped"][0]["reason"]
    member = only(api.provisioned("club-desk", "create", "joiner", {"roles": [{"value": "member"}]}))
    assert member["state"] == "delivered"
    left = only(api.provisioned("club-desk", "replace", "joiner", {"roles": []}))
    assert (left["state"], left["operation"], left["effectiveOperation"]) == ("delivered", "replace", "delete")
    assert users_named(scim, "joiner") == []


def test_only_mapped_attributes_leave_where_there_are_claim_mappings(api, scim, flaky):
    mappings = [
        {"local": "http://wso2.org/claims/username", "remote": "userName"},
        {"local": "http://wso2.org/claims/emailaddress", "remote": "emails"},
        {"local": "http://wso2.org/claims/title", "remote": "nickName", "default": "nobody in particular"},
    ]
    api.identity_provider("mapped", "scim2", flaky.properties, claimMappings=mappings)
    api.service_provider("mapping-portal", row("mapped"))
    attributes = {"emails": [{"value": "mapped@example.com"}], "profileUrl": "https://example.com/secret-hobby"}
    assert only(api.provisioned("mapping-portal", "create", "mapped", attributes))["state"] == "delivered"
    [user] = users_named(scim, "mapped")
    assert user["nickName"] == "nobody in particular"
    assert "mapped@example.com" in str(user["emails"])
    assert not any(b"secret-hobby" in one.body for one in scim.arrived)


def test_the_same_idempotency_key_answers_with_the_first_request(api, scim):
    key = {"Idempotency-Key": "7c9e6679"}
    body = request_body("hr-portal", "create", "once")
    first = api.call("POST", "/provisioning-requests", body, headers=key)
    again = api.call("POST", "/provisioning-requests", dict(reversed(body.items())), headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]
    assert len([one for one in scim.arrived if b'"once"' in one.body]) == 1
    other = api.call("POST", "/provisioning-requests", request_body("hr-portal", "create", "other"), headers=key)
    assert_problem(other, 422, "Idempotency-Key")
    assert users_named(scim, "other") == []


def test_another_caller_may_use_the_same_idempotency_key(service, api):
    key = {"Idempotency-Key": "shared"}
    mine = api.call("POST", "/provisioning-requests", request_body("hr-portal", "create", "mine"), headers=key)
    made = api.post("/tokens", {"name": "hr", "scopes": ["provision"], "serviceProvider": "hr-portal"})
    theirs_api = type(api)(service.base, made["token"])
    theirs = theirs_api.call(
        "POST", "/provisioning-requests", request_body("hr-portal", "create", "theirs"), headers=key
    )
    theirs_api.session.close()
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert mine.json()["id"] != theirs.json()["id"]


def test_a_dry_run_shows_what_would_be_sent_and_stores_and_sends_nothing(api, scim):
    before = len(scim.arrived)
    shown = api.provision(
        "hr-portal", "create", "rehearsed", {"title": "Actor", "password": "Rehearsed-Pa55"}, dryRun=True
    )
    [exchange] = only(shown)["exchanges"]
    assert (exchange["method"], exchange["url"].rpartition("/")[2]) == ("POST", "Users")
    assert "Actor" in exchange["body"]
    assert "Rehearsed-Pa55" not in str(shown)
    assert scim.token not in str(shown)
    assert len(scim.arrived) == before
    assert api.get("/provisioning-requests?entity=rehearsed")["items"] == []
    assert api.call("GET", f"/provisioning-requests/{shown['id']}").status_code == 404
    assert only(api.provisioned("hr-portal", "create", "rehearsed"))["state"] == "delivered"


def test_a_token_of_one_service_provider_can_neither_act_for_another_nor_see_it(service, api):
    made = api.post("/tokens", {"name": "careful", "scopes": ["provision"], "serviceProvider": "careful"})
    other = api.provisioned("hr-portal", "create", "private")
    confined = type(api)(service.base, made["token"])
    try:
        refused = confined.call("POST", "/provisioning-requests", request_body("hr-portal", "create", "intruder"))
        assert_problem(refused, 403)
        assert_problem(confined.call("GET", f"/provisioning-requests/{other['id']}"), 404)
        assert_problem(confined.call("GET", f"/deliveries/{only(other)['id']}"), 404)
        assert_problem(confined.call("POST", f"/deliveries/{only(other)['id']}/cancel"), 403)
        assert {one["serviceProvider"] for one in confined.get("/provisioning-requests")["items"]} <= {"careful"}
        api.delete(f"/tokens/{made['id']}")
        assert_problem(confined.call("GET", "/provisioning-requests"), 401)
    finally:
        confined.session.close()


def test_a_connection_test_reaches_and_authenticates_and_changes_nothing(api, scim, flaky):
    before = len(scim.arrived)
    found = api.post("/identity-providers/acme/connectors/scim2/test")
    assert found["good"] is True
    assert {one.method for one in scim.arrived[before:]} == {"GET"}
    wrong = {**flaky.properties, "scim2-access-token": "wrong"}
    api.identity_provider("locked-out", "scim2", wrong)
    found = api.post("/identity-providers/locked-out/connectors/scim2/test")
    assert found["good"] is False
    assert "401" in str(found["findings"])
