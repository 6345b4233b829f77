"""Members whose account came later than their group's delivery, and accounts that pass from one person to the next."""

from __future__ import annotations

import pytest

from tests.support.flaky import flaky_target
from tests.support.service import eventually, row

pytestmark = pytest.mark.xdist_group("acceptance-late-members")


def only(request):
    [delivery] = request["deliveries"]
    return delivery


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    api.identity_provider("acme", "scim2", flaky.properties, delivery={"firstRetry": 0.2, "longestRetry": 0.4})
    api.service_provider("hr", row("acme"))
    api.service_provider("nowhere")


def members_at(scim, name):
    [group] = [one for one in scim.groups if one["displayName"] == name]
    return {member["value"] for member in group.get("members") or ()}


def known(api, name):
    """A user that has no account anywhere; answers its id."""
    return api.provision("nowhere", "create", name)["entity"]["id"]


def test_a_group_is_told_of_a_member_whose_account_was_made_later_once_and_through_the_same_lane(api, scim):
    late = known(api, "late-riser")
    group = only(api.provisioned("hr", "create", "early-birds", {"members": [{"value": late}]}, type_="group"))
    assert group["warnings"] == ["omitted member `late-riser`: it has no account at the target"]
    assert members_at(scim, "early-birds") == set()
    account = only(api.provisioned("hr", "replace", "late-riser"))["provisionedIdentifier"]
    eventually(lambda: members_at(scim, "early-birds") == {account}, "the group has its late member")
    told = api.get("/provisioning-requests?entity=early-birds")["items"]
    assert api.settled(told[0]["id"])["state"] == "delivered"
    assert [(one["channel"], one["createdBy"]) for one in told[:-1]] == [("reconcile", "late-member")]
    api.provisioned("hr", "modify", "late-riser", patch=[{"op": "replace", "path": "title", "value": "Dr"}])
    assert len(api.get("/provisioning-requests?entity=early-birds")["items"]) == 2


def test_who_gets_a_leavers_account_does_not_get_its_groups(api, scim, flaky):
    first = api.provisioned("hr", "create", "shared-name")["entity"]["id"]
    api.provisioned("hr", "create", "trusted", {"members": [{"value": first}]}, type_="group")
    [account] = members_at(scim, "trusted")
    flaky.next("answer", method="DELETE", status=403)
    assert only(api.provisioned("hr", "delete", "shared-name"))["state"] == "failed"
    assert members_at(scim, "trusted") == {account}
    heir = only(api.provisioned("hr", "create", "shared-name"))
    assert heir["provisionedIdentifier"] == account
    eventually(lambda: members_at(scim, "trusted") == set(), "the account lost its predecessor's group")
