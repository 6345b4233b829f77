"""Deletion safety: what is taken away in numbers waits for a yes, and what Sluice did not make stays."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
import requests

from tests.support.flaky import flaky_target
from tests.support.service import eventually, row

pytestmark = pytest.mark.xdist_group("acceptance-removals")


def only(request):
    [delivery] = request["deliveries"]
    return delivery


@pytest.fixture
def target(api, scim, request):
    """Makes a target and a service provider of the same name; answers the name."""
    name = request.node.name.replace("_", "-")[-60:].strip("-[]")

    def made(**delivery):
        api.identity_provider(name, "scim2", scim.properties, delivery=delivery)
        api.service_provider(name, row(name))
        return name

    return made


def names_at(scim):
    return {user["userName"] for user in scim.users}


def add_at_target(scim, name):
    """An account that somebody else made."""
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}
    headers = {"Authorization": f"Bearer {scim.token}", "Content-Type": "application/scim+json"}
    with requests.Session() as session:
        session.trust_env = False
        assert session.post(scim.users_url, data=json.dumps(body), headers=headers, timeout=10).status_code == 201


def test_removals_beyond_the_threshold_wait_for_an_approval_which_lets_each_through(api, scim, target):
    provider = target(deletionCount=2)
    people = [f"leaver-{n}" for n in range(4)]
    for name in people:
        assert api.provisioned(provider, "create", name)["state"] == "delivered"
    gone = [only(api.provision(provider, "delete", name)) for name in people[:2]]
    assert [one["outcome"] for one in gone] == ["deleted", "deleted"]
    waits = only(api.provision(provider, "delete", people[2]))
    assert waits["state"] == "awaiting-approval"
    assert "removal number 3" in waits["reason"]
    assert "of 4 accounts" in waits["reason"]
    locking = [{"op": "replace", "path": "active", "value": False}]
    locked = only(api.provision(provider, "modify", people[3], patch=locking))
    assert locked["state"] == "awaiting-approval"
    assert {people[2], people[3]} <= names_at(scim)
    api.post(f"/deliveries/{waits['id']}/approve", {"comment": "they really left"})
    assert api.delivery_in("delivered", waits["id"])["outcome"] == "deleted"
    api.post(f"/deliveries/{locked['id']}/reject")
    assert api.delivery_in("refused", locked["id"])["reason"].startswith("rejected by")
    assert {people[2], people[3]} & names_at(scim) == {people[3]}


def test_changes_that_take_nothing_away_pass_a_threshold_of_none(api, target):
    provider = target(deletionCount=0)
    assert only(api.provision(provider, "create", "newcomer"))["state"] == "delivered"
    renamed = api.provision(provider, "modify", "newcomer", patch=[{"op": "replace", "path": "title", "value": "Dr"}])
    assert only(renamed)["state"] == "delivered"
    assert only(api.provision(provider, "delete", "newcomer"))["state"] == "awaiting-approval"


def test_a_share_counts_beside_a_number_only_where_both_are_exceeded(api, target):
    provider = target(deletionCount=1, deletionShare=0.5)
    people = [f"share-{n}" for n in range(4)]
    for name in people:
        api.provisioned(provider, "create", name)
    states = [only(api.provision(provider, "delete", name))["state"] for name in people[:3]]
    assert states == ["delivered", "delivered", "awaiting-approval"]


def test_an_account_that_sluice_found_is_not_deleted_but_kept_with_the_reason(api, scim, target):
    provider = target()
    add_at_target(scim, "was-here-first")
    assert only(api.provisioned(provider, "create", "was-here-first"))["outcome"] == "linked"
    kept = only(api.provision(provider, "delete", "was-here-first"))
    assert kept["state"] == "refused"
    assert "did not make this account" in kept["reason"]
    assert kept["kept"] == kept["reason"]
    [listed] = api.get(f"/accounts?kept=true&identityProvider={provider}")["items"]
    assert (listed["entity"]["name"], listed["own"], listed["kept"]) == ("was-here-first", False, kept["reason"])
    assert api.get(f"/accounts?kept=false&identityProvider={provider}")["items"] == []
    whole = api.get(f"/entities/{listed['entity']['id']}")
    assert (whole["deleted"], whole["accounts"]) == (True, [listed])
    assert [one["operation"] for one in whole["deliveries"]] == ["delete", "create"]
    assert "was-here-first" in names_at(scim)


def test_an_account_that_was_there_before_a_create_that_nobody_heard_of_is_kept_too(api, scim):
    with flaky_target(scim) as flaky:
        api.identity_provider("deaf", "scim2", flaky.properties, delivery={"firstRetry": 0.1, "longestRetry": 0.2})
        api.service_provider("deaf", row("deaf"))
        add_at_target(scim, "here-all-along")
        flaky.next("drop", method="POST")
        api.provisioned("deaf", "create", "here-all-along")
        assert only(api.provision("deaf", "delete", "here-all-along"))["state"] == "refused"
        flaky.next("apply-and-drop", method="POST")
        api.provisioned("deaf", "create", "made-unheard")
        assert only(api.provision("deaf", "delete", "made-unheard"))["outcome"] == "deleted"
    assert {"here-all-along", "made-unheard"} & names_at(scim) == {"here-all-along"}


@pytest.mark.parametrize("found", [True, False], ids=["found", "made"])
def test_settings_that_no_longer_work_end_a_removal_on_record(service, scim, target, found):
    provider, name = target(deleteLinkedAccounts=False), f"stays-{found}".lower()
    if found:
        add_at_target(scim, name)
    service.api.provisioned(provider, "create", name)
    service.stop()
    with closing(sqlite3.connect(service.data / "sluice.db")) as database, database:
        # What another version may have left: the API takes no such profile.
        database.execute("UPDATE connectors SET profile = 'discontinued'")
    service.start()
    failed = service.api.delivery(only(service.api.provisioned(provider, "delete", name))["id"])
    assert (failed["state"], failed["error"]["kind"]) == ("failed", "misconfigured")
    assert "`discontinued`" in failed["reason"]
    assert failed["finalAt"]
    assert failed["provisionedIdentifier"]
    assert name in names_at(scim)
    service.api.patch(f"/identity-providers/{provider}", {"connectors": [connector(scim)]})
    service.api.post(f"/deliveries/{failed['id']}/retry")
    ended = eventually(lambda: ends_again(service.api, failed), "it is tried with settings that work")
    assert (ended["state"], name in names_at(scim)) == (("refused", True) if found else ("delivered", False))


def connector(scim):
    return {"type": "scim2", "properties": scim.properties}


def ends_again(api, before):
    delivery = api.delivery(before["id"])
    return delivery if delivery["finalAt"] not in (None, before["finalAt"]) else None


def test_an_account_that_sluice_found_is_deleted_where_the_identity_provider_says_so(api, scim, target):
    provider = target(deleteLinkedAccounts=True)
    add_at_target(scim, "was-here-too")
    api.provisioned(provider, "create", "was-here-too")
    assert only(api.provision(provider, "delete", "was-here-too"))["outcome"] == "deleted"
    assert "was-here-too" not in names_at(scim)
