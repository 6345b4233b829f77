"""Groups in groups: passed on, replaced by their users, or left out, as the connector's setting says."""

from __future__ import annotations

import pytest

from tests.support.service import eventually, row

pytestmark = pytest.mark.xdist_group("acceptance-nested-groups")


@pytest.fixture(scope="module", autouse=True)
def providers(api, scim):
    for way in ("pass-on", "flatten", "leave-out"):
        api.identity_provider(way, "scim2", scim.properties | {"scim2-nested-groups": way})
        api.service_provider(f"hr-{way}", row(way))


def people(api, way, *names):
    """Users of one target: their entity ids and their identifiers there, by name."""
    made = {name: api.provisioned(f"hr-{way}", "create", f"{way}-{name}") for name in names}
    ids = {name: one["entity"]["id"] for name, one in made.items()}
    return ids, {name: one["deliveries"][0]["provisionedIdentifier"] for name, one in made.items()}


def group(api, way, name, *members, operation="create"):
    attributes = {"members": [{"value": one} for one in members]}
    return api.provisioned(f"hr-{way}", operation, f"{way}-{name}", attributes, type_="group")


def members_at(scim, way, name):
    [found] = [one for one in scim.groups if one["displayName"] == f"{way}-{name}"]
    return {member["value"] for member in found.get("members") or ()}


def test_a_group_in_a_group_is_passed_on(api, scim):
    ids, there = people(api, "pass-on", "alice", "bob")
    inner = group(api, "pass-on", "inner", ids["alice"])
    group(api, "pass-on", "outer", inner["entity"]["id"], ids["bob"])
    identifier = inner["deliveries"][0]["provisionedIdentifier"]
    assert members_at(scim, "pass-on", "outer") == {identifier, there["bob"]}


def test_a_group_in_a_group_is_left_out(api, scim):
    ids, there = people(api, "leave-out", "alice", "bob")
    inner = group(api, "leave-out", "inner", ids["alice"])
    outer = group(api, "leave-out", "outer", inner["entity"]["id"], ids["bob"])
    assert members_at(scim, "leave-out", "outer") == {there["bob"]}
    assert outer["deliveries"][0]["warnings"] == []


def test_the_users_of_a_group_in_a_group_come_and_go_with_it(api, scim):
    ids, there = people(api, "flatten", "alice", "bob", "carol", "dave")
    innermost = group(api, "flatten", "innermost", ids["alice"])
    inner = group(api, "flatten", "inner", innermost["entity"]["id"], ids["bob"])
    group(api, "flatten", "outer", inner["entity"]["id"], ids["carol"])
    assert members_at(scim, "flatten", "outer") == {there[name] for name in ("alice", "bob", "carol")}

    circle = (ids["dave"], inner["entity"]["id"])
    group(api, "flatten", "innermost", *circle, operation="replace")
    expected = {there[name] for name in ("dave", "bob", "carol")}
    eventually(lambda: members_at(scim, "flatten", "outer") == expected, "the outer group has the users of now")
    told = api.get("/provisioning-requests?entity=flatten-outer")["items"]
    assert {one["createdBy"] for one in told[:-1]} == {"group-in-group"}

    api.provisioned("hr-flatten", "delete", "flatten-inner", type_="group")
    eventually(lambda: members_at(scim, "flatten", "outer") == {there["carol"]}, "the inner group's users have left")
