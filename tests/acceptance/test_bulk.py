"""One action on many deliveries: counted first, done in parts, each by itself."""

from __future__ import annotations

import pytest

from tests.support.flaky import flaky_target
from tests.support.service import assert_problem, eventually, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-bulk")


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    for name in ("acme", "other"):
        api.identity_provider(name, "scim2", flaky.properties, delivery={"deletionCount": 0})
        api.service_provider(f"to-{name}", row(name, blocking=False))


def sent(api, provider, operation, names):
    return [api.post("/provisioning-requests", request_body(provider, operation, name)) for name in names]


def ids(requests):
    return [delivery["id"] for one in requests for delivery in one["deliveries"]]


def bulk(api, action, dry_run=False, **filter_):
    return api.post("/deliveries/bulk", {"action": action, "filter": filter_, "dryRun": dry_run})


def test_dead_letters_are_counted_and_then_tried_again_all_at_once(api, flaky):
    flaky.next("answer", method="POST", status=403, lasting=True)
    dead = ids(sent(api, "to-acme", "create", [f"dead-{n}" for n in range(5)]))
    elsewhere = ids(sent(api, "to-other", "create", ["dead-elsewhere"]))
    for one in (*dead, *elsewhere):
        api.delivery_in("failed", one)
    flaky.faults.clear()
    assert bulk(api, "retry", dry_run=True, identityProvider="acme")["matched"] == 5
    assert {api.delivery(one)["state"] for one in dead} == {"failed"}
    assert bulk(api, "retry", identityProvider="acme") == {"matched": 5, "done": 5, "refused": [], "next": None}
    for one in dead:
        api.delivery_in("delivered", one)
    assert api.delivery(elsewhere[0])["state"] == "failed"


def test_a_call_does_a_part_and_says_where_to_go_on(api):
    api.post("/identity-providers/acme/pause")
    waiting = ids(sent(api, "to-acme", "create", [f"waiting-{n}" for n in range(501)]))
    first = bulk(api, "cancel", identityProvider="acme", state="held")
    assert (first["matched"], first["done"]) == (501, 500)
    rest = {"action": "cancel", "after": first["next"], "filter": {"identityProvider": "acme"}}
    rest = api.post("/deliveries/bulk", rest)
    assert rest == {"matched": 1, "done": 1, "refused": [], "next": None}
    assert {api.delivery(one)["state"] for one in (waiting[0], waiting[-1])} == {"cancelled"}
    api.post("/identity-providers/acme/resume")


def test_what_waits_for_an_approval_is_approved_together(api):
    names = [f"leaver-{n}" for n in range(3)]
    for one in sent(api, "to-other", "create", names):
        api.settled(one["id"])
    leaving = ids(sent(api, "to-other", "delete", names))
    for one in leaving:
        api.delivery_in("awaiting-approval", one)
    assert bulk(api, "approve", identityProvider="other")["done"] == 3
    for one in leaving:
        eventually(lambda one=one: api.delivery(one)["outcome"] == "deleted", "it is deleted")


def test_an_action_that_there_is_not_is_a_field_error(api):
    assert_problem(api.call("POST", "/deliveries/bulk", {"action": "forget"}), 422, "action")
