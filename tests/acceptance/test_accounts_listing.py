"""Accounts page by page, and an entity that there is not."""

from __future__ import annotations

import pytest

from tests.support.service import assert_problem, row

pytestmark = pytest.mark.xdist_group("acceptance-removals")


def test_accounts_are_listed_page_by_page_without_gap_or_repeat(api, scim):
    for name in ("one", "two"):
        api.identity_provider(name, "scim2", scim.properties, delivery={})
    api.service_provider("first", row("one"))
    for name in ("ada", "bob", "cy"):
        assert api.provisioned("first", "create", name)["state"] == "delivered"
    seen, following = [], ""
    while following is not None:
        page = api.get(f"/accounts?limit=2&cursor={following}" if following else "/accounts?limit=2")
        seen += [(one["identityProvider"], one["entity"]["name"]) for one in page["items"]]
        following = page["next"]
    assert sorted(seen) == [("one", "ada"), ("one", "bob"), ("one", "cy")]


def test_accounts_are_found_by_the_names_of_their_bearer_and_their_target_in_any_case(api):
    found = api.get("/accounts?entity=ADA&identityProvider=One")["items"]
    assert [one["entity"]["name"] for one in found] == ["ada"]
    assert api.get("/accounts?entity=ADA&identityProvider=two")["items"] == []


def test_who_is_called_like_the_id_of_an_entity_does_not_pass_for_it(api):
    [account] = api.get("/accounts?entity=ada")["items"]
    api.provisioned("first", "create", account["entity"]["id"])
    whole = api.get(f"/entities/{account['entity']['id']}")
    assert whole["accounts"] == [account]
    assert [one["entity"]["name"] for one in whole["deliveries"]] == ["ada"]


def test_an_entity_that_there_is_not_is_not_found(api):
    assert_problem(api.call("GET", "/entities/nobody"), 404)
