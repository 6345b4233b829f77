"""Who leaves is judged by what was last known of them, the groups that they were members of included."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.support.gate import is_in, policy
from tests.support.service import request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-leavers")

PROVISIONING = "http://wso2.org/identity/provisioning"
CLAIM_GROUP = f"{PROVISIONING}/claim-group"
POLICIES = {"staff.xml": policy("staff", rule="of-the-staff", condition=is_in("Everyone", CLAIM_GROUP, PROVISIONING))}


@pytest.fixture(scope="module")
def providers(api, scim):
    """`acme` is open to the members of the local group `staff`, which it calls `Everyone`."""
    mappings = [{"local": "staff", "remote": "Everyone"}]
    api.identity_provider("acme", "scim2", scim.properties, roleMappings=mappings)
    api.service_provider("hr-portal", row("acme", rules=True))
    api.service_provider("background", row("acme", rules=True, blocking=False))
    api.service_provider("groups-only")


def only(request):
    [delivery] = request["deliveries"]
    return delivery


def member_of_staff(api, name):
    """A user who is in the group `staff`, and has an account at `acme` for it."""
    user = api.provisioned("groups-only", "create", name)["entity"]["id"]
    members = [{"op": "add", "path": "members", "value": [{"value": user}]}]
    if api.get("/provisioning-requests?entity=staff")["items"]:
        api.provisioned("groups-only", "modify", "staff", type_="group", patch=members)
    else:
        api.provisioned("groups-only", "create", "staff", {"members": [{"value": user}]}, type_="group")
    created = only(api.provisioned("hr-portal", "replace", name))
    assert (created["state"], created["decision"]["rules"]) == ("delivered", ["of-the-staff"])
    return user


def groups_told(decision, attribute=CLAIM_GROUP):
    root = etree.fromstring(decision["request"].encode())
    path = f".//{{*}}Attribute[@AttributeId='{attribute}']/{{*}}AttributeValue"
    return [value.text for value in root.iterfind(path)]


@pytest.mark.parametrize("provider", ["hr-portal", "background"])
def test_a_removal_is_judged_by_the_groups_of_the_one_who_leaves_at_every_attempt(providers, api, scim, provider):
    member_of_staff(api, f"leaver-of-{provider}")
    removed = only(api.provisioned(provider, "delete", f"leaver-of-{provider}"))
    assert (removed["state"], removed["outcome"]) == ("delivered", "deleted")
    assert removed["decision"]["rules"] == ["of-the-staff"]
    decisions = api.delivery(removed["id"])["decisions"]
    assert [(one["stage"], groups_told(one)) for one in decisions] == [
        ("acceptance", ["Everyone"]),
        ("attempt", ["Everyone"]),
    ]
    assert f"leaver-of-{provider}" not in [user["userName"] for user in scim.users]


def test_who_left_is_no_member_any_more(providers, api):
    member_of_staff(api, "gone")
    api.provisioned("hr-portal", "delete", "gone")
    # A new bearer of the name is nobody's member, whatever the old one was.
    assert only(api.provisioned("hr-portal", "create", "gone"))["state"] == "refused"


def test_a_dry_run_of_a_removal_shows_what_the_removal_would_do(providers, api):
    member_of_staff(api, "rehearsed")
    shown = only(api.post("/provisioning-requests", request_body("hr-portal", "delete", "rehearsed", dryRun=True)))
    assert [one["method"] for one in shown["exchanges"]] == ["DELETE"]
    assert only(api.provisioned("hr-portal", "delete", "rehearsed"))["state"] == "delivered"


@pytest.mark.parametrize("attribute", ["http://wso2.org/claims/role", "http://wso2.org/claims/groups"])
def test_a_mapping_names_groups_for_the_target_and_leaves_the_attributes_of_the_user_alone(providers, api, attribute):
    name = f"member-with-{attribute.rpartition('/')[2]}"
    member_of_staff(api, name)
    updated = only(api.provisioned("hr-portal", "replace", name, {"title": "Actor"}))
    for decision in api.delivery(updated["id"])["decisions"]:
        assert (groups_told(decision), groups_told(decision, attribute)) == (["Everyone"], ["staff"])
