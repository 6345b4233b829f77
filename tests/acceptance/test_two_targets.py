"""By HTTP alone: an SPML and a SCIM identity provider, a service provider with both, and the life of an account."""

from __future__ import annotations

import os

import pytest

from tests.support.gate import is_in, policy
from tests.support.loopback import serving
from tests.support.schemas import FOLDER, spml_schema
from tests.support.service import eventually, row
from tests.support.spml_target import SpmlTarget

pytestmark = pytest.mark.xdist_group("acceptance-two-targets")

USER = "http://wso2.org/identity/user"
ROLE = "http://wso2.org/claims/role"
POLICIES = {
    "everybody.xml": policy("everybody", rule="may-enter"),
    "contractors.xml": policy("contractors", "Deny", rule="stay-out", condition=is_in("contractor", ROLE, USER)),
}
EMAIL = [{"value": "alice@example.com", "primary": True}]


@pytest.fixture(scope="module")
def spml():
    """The strict SPML server; its messages are held against the standard's schema where that is at hand."""
    checked = FOLDER.is_dir() or os.environ.get("CI") == "true"
    target = SpmlTarget(schema=spml_schema() if checked else None)
    with serving(target) as url:
        target.url = url
        yield target
    assert target.violations == []


@pytest.fixture(scope="module")
def providers(api, scim, spml):
    """`directory` speaks SPML and is Blocking with Enable Rules, `cloud` speaks SCIM and is neither."""
    properties = {
        "spml-ep": spml.url,
        "spml-username": spml.username,
        "spml-password": spml.password,
        "spml-oc": "person",
        "spml-group-oc": "group",
    }
    api.identity_provider("directory", "spml", properties)
    api.identity_provider("cloud", "scim2", scim.properties)
    api.service_provider("hr-portal", row("directory", rules=True), row("cloud", blocking=False))


def by_target(request):
    return {delivery["identityProvider"]: delivery for delivery in request["deliveries"]}


def user_at(scim, name):
    return next(user for user in scim.users if user["userName"] == name)


def calls_about(scim, identifier):
    return [one.method for one in scim.arrived if one.path.endswith(f"/{identifier}")]


def test_a_created_user_is_at_both_targets_under_the_identifiers_they_gave(providers, api, scim, spml):
    attributes = {"name": {"givenName": "Alice", "familyName": "Liddell"}, "emails": EMAIL, "roles": [{"value": "eng"}]}
    answer = api.provision("hr-portal", "create", "alice", attributes)
    assert by_target(answer)["directory"]["state"] == "delivered"  # Blocking: the answer has its outcome
    request = api.settled(answer["id"])
    directory, cloud = by_target(request)["directory"], by_target(request)["cloud"]
    assert request["state"] == directory["state"] == cloud["state"] == "delivered"
    assert (directory["connector"], cloud["connector"]) == ("spml", "scim2")
    assert (directory["blocking"], cloud["blocking"]) == (True, False)
    assert directory["effectiveOperation"] == cloud["effectiveOperation"] == "create"
    assert directory["provisionedIdentifier"] == "person:alice"
    assert cloud["provisionedIdentifier"] == user_at(scim, "alice")["id"]
    assert directory["decision"]["decision"] == "Permit"
    assert directory["decision"]["policies"] == ["everybody"]
    assert cloud["decision"] is None
    assert spml.objects["person:alice"].values("accountId") == ["alice"]
    assert user_at(scim, "alice")["emails"][0]["value"] == "alice@example.com"


def test_replace_modify_and_delete_go_to_the_same_accounts(providers, api, scim, spml):
    created = api.provisioned("hr-portal", "create", "bob", {"nickName": "Bobby", "title": "Clerk"})
    identifier = by_target(created)["cloud"]["provisionedIdentifier"]

    replaced = api.provisioned("hr-portal", "replace", "bob", {"title": "Foreman"})
    assert replaced["state"] == "delivered"
    assert by_target(replaced)["cloud"]["provisionedIdentifier"] == identifier
    assert user_at(scim, "bob")["title"] == "Foreman"
    assert user_at(scim, "bob").get("nickName") is None  # a replace leaves nothing that it does not name

    patch = [{"op": "replace", "path": "title", "value": "Director"}, {"op": "add", "value": {"nickName": "Bo"}}]
    before = len(scim.arrived)
    modified = api.provisioned("hr-portal", "modify", "bob", patch=patch)
    assert modified["state"] == "delivered"
    assert [one.method for one in scim.arrived[before:]] == ["PATCH"]
    assert (user_at(scim, "bob")["title"], user_at(scim, "bob")["nickName"]) == ("Director", "Bo")
    assert by_target(modified)["directory"]["provisionedIdentifier"] == "person:bob"

    deleted = api.provisioned("hr-portal", "delete", "bob")
    assert deleted["state"] == "delivered"
    assert calls_about(scim, identifier)[-1] == "DELETE"
    assert "bob" not in [user["userName"] for user in scim.users]
    assert "person:bob" not in spml.objects


def test_a_group_has_the_members_under_the_identifiers_of_each_target(providers, api, scim, spml):
    ids = {name: api.provisioned("hr-portal", "create", name)["entity"]["id"] for name in ("carol", "dave", "erin")}
    members = [{"value": ids["carol"]}, {"value": ids["dave"]}]
    created = api.provisioned("hr-portal", "create", "staff", {"members": members}, type_="group")
    assert created["state"] == "delivered"
    group = by_target(created)["directory"]["provisionedIdentifier"]
    assert members_at(scim, "staff") == {user_at(scim, "carol")["id"], user_at(scim, "dave")["id"]}
    assert set(spml.objects[group].values("member")) == {"person:carol", "person:dave"}

    patch = [
        {"op": "remove", "path": f'members[value eq "{ids["carol"]}"]'},
        {"op": "add", "path": "members", "value": [{"value": ids["erin"]}]},
    ]
    changed = api.provisioned("hr-portal", "modify", "staff", type_="group", patch=patch)
    assert changed["state"] == "delivered"
    assert members_at(scim, "staff") == {user_at(scim, "dave")["id"], user_at(scim, "erin")["id"]}
    assert set(spml.objects[group].values("member")) == {"person:dave", "person:erin"}

    assert api.provisioned("hr-portal", "delete", "staff", type_="group")["state"] == "delivered"
    assert "staff" not in [one["displayName"] for one in scim.groups]
    assert group not in spml.objects


def members_at(scim, group):
    found = next(one for one in scim.groups if one["displayName"] == group)
    return {member["value"] for member in found.get("members") or []}


def test_who_is_refused_at_one_target_is_delivered_to_the_other(providers, api, scim, spml):
    request = api.provisioned("hr-portal", "create", "frank", {"roles": [{"value": "contractor"}]})
    directory, cloud = by_target(request)["directory"], by_target(request)["cloud"]
    assert (request["state"], directory["state"], cloud["state"]) == ("refused", "refused", "delivered")
    assert directory["decision"]["policies"] == ["contractors"]
    assert directory["decision"]["rules"] == ["stay-out"]
    assert directory["provisionedIdentifier"] is None
    assert "person:frank" not in spml.objects
    assert user_at(scim, "frank")["id"] == cloud["provisionedIdentifier"]


def test_links_survive_editing_the_connector(providers, api, scim):
    created = api.provisioned("hr-portal", "create", "grace")
    identifier = by_target(created)["cloud"]["provisionedIdentifier"]
    stored = api.get("/identity-providers/cloud")
    assert stored["connectors"][0]["properties"]["scim2-access-token"] == "********"
    stored["connectors"][0]["properties"]["scim2-user-store-domain"] = "PRIMARY"
    api.put("/identity-providers/cloud", stored)
    before = len(scim.arrived)
    patch = [{"op": "add", "path": "title", "value": "Admiral"}]
    modified = api.provisioned("hr-portal", "modify", "grace", patch=patch)
    assert by_target(modified)["cloud"]["provisionedIdentifier"] == identifier
    assert [(one.method, one.path.rpartition("/")[2]) for one in scim.arrived[before:]] == [("PATCH", identifier)]


def test_a_disabled_identity_provider_is_skipped_and_the_others_are_not(providers, api, scim):
    api.patch("/identity-providers/directory", {"enabled": False})
    try:
        request = api.provisioned("hr-portal", "create", "heidi")
    finally:
        api.patch("/identity-providers/directory", {"enabled": True})
    assert [delivery["identityProvider"] for delivery in request["deliveries"]] == ["cloud"]
    [skipped] = request["skipped"]
    assert (skipped["identityProvider"], skipped["connector"]) == ("directory", "spml")
    assert "disabled" in skipped["reason"]
    assert user_at(scim, "heidi")


def test_a_removed_row_cancels_what_it_had_not_delivered(providers, api, scim):
    api.service_provider("payroll", row("cloud", blocking=False))
    api.post("/identity-providers/cloud/pause")
    try:
        accepted = api.provision("payroll", "create", "ivan")
        assert accepted["state"] == "pending"
        changed = api.patch("/service-providers/payroll", {"outboundProvisioning": []})
    finally:
        api.post("/identity-providers/cloud/resume")
    assert changed["cancelledDeliveries"] == 1
    request = api.settled(accepted["id"])
    assert request["state"] == request["deliveries"][0]["state"] == "cancelled"
    assert not any(b"ivan" in one.body for one in scim.arrived)


def test_an_identity_provider_in_use_cannot_be_deleted(providers, api):
    reply = api.call("DELETE", "/identity-providers/cloud")
    assert reply.status_code == 409
    assert "hr-portal" in reply.text
    assert api.get("/identity-providers/cloud")["name"] == "cloud"


def test_what_happened_is_listed_by_entity_and_by_target(providers, api):
    api.provisioned("hr-portal", "create", "judy")
    eventually(lambda: api.get("/provisioning-requests?entity=judy")["items"], "judy's request is listed")
    [listed] = api.get("/provisioning-requests?entity=judy&serviceProvider=hr-portal&state=delivered")["items"]
    assert {one["identityProvider"] for one in listed["deliveries"]} == {"directory", "cloud"}
    page = api.get("/deliveries?state=delivered&identityProvider=cloud&limit=1")
    assert [one["identityProvider"] for one in page["items"]] == ["cloud"]
    following = api.get(f"/deliveries?state=delivered&identityProvider=cloud&limit=1&cursor={page['next']}")
    assert following["items"][0]["id"] != page["items"][0]["id"]


def test_the_history_of_a_delivery_shows_every_exchange_without_secrets(providers, api, scim, spml):
    request = api.provisioned("hr-portal", "create", "kevin", {"password": "Kevins-Pa55w0rd"})
    for delivery in request["deliveries"]:
        [attempt] = api.delivery(delivery["id"])["attemptHistory"]
        last = attempt["exchanges"][-1]
        assert (attempt["number"], attempt["outcome"]) == (1, "created")
        assert last["request"]["method"] == "POST"
        assert last["request"]["headers"]["Authorization"].endswith(" ********")
        assert last["response"]["status"] in {200, 201}
        assert "kevin" in last["request"]["body"]
        for secret in ("Kevins-Pa55w0rd", scim.token, spml.password):
            assert secret not in str(api.delivery(delivery["id"]))
    assert spml.objects["person:kevin"].password == "Kevins-Pa55w0rd"
