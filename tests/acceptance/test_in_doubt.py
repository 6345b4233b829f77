"""An operation that ended in doubt is cleared up by the next one: the account that it may have left is looked for."""

from __future__ import annotations

import pytest

from tests.support.flaky import flaky_target
from tests.support.gate import policy
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-in-doubt")

POLICIES = {"everybody.xml": policy("everybody")}
PATIENCE = {"firstRetry": 600, "longestRetry": 600, "exchangeTimeout": 5}


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    api.identity_provider("acme", "scim2", flaky.properties, delivery=PATIENCE)
    api.service_provider("hr-portal", row("acme", blocking=False, rules=True))


def left_in_doubt(api, flaky, name):
    """A create that the target has done, without the service's hearing of it, and that was cancelled then."""
    flaky.next("apply-and-drop", method="POST")
    [delivery] = api.provision("hr-portal", "create", name)["deliveries"]
    while True:
        api.delivery_in("retrying", delivery["id"])
        if api.call("POST", f"/deliveries/{delivery['id']}/cancel").ok:
            return


def users_named(scim, name):
    return [user["id"] for user in scim.users if user["userName"] == name]


def test_a_create_that_is_refused_after_nobody_heard_of_it_is_refused_and_uncertain(service, api, flaky, scim):
    flaky.next("apply-and-drop", method="POST")
    [delivery] = api.provision("hr-portal", "create", "uncertain")["deliveries"]
    api.delivery_in("retrying", delivery["id"])
    service.use_policies(everybody=policy("everybody"), veto=policy("veto", "Deny"))
    assert api.call("POST", f"/deliveries/{delivery['id']}/retry").ok
    refused = api.delivery_in("refused", delivery["id"])
    service.use_policies(everybody=policy("everybody"))
    assert refused["uncertain"] is True
    assert [one["decision"] for one in refused["decisions"]] == ["Permit", "Permit", "Deny"]
    [attempt] = refused["attemptHistory"]
    assert [one["response"] for one in attempt["exchanges"] if not one["safe"]] == [None]
    assert len(users_named(scim, "uncertain")) == 1  # what the target did stays, until somebody is permitted to look
    removed = settled(api, "delete", "uncertain")
    assert (removed["state"], removed["uncertain"], users_named(scim, "uncertain")) == ("delivered", False, [])


def settled(api, operation, name, **more):
    [delivery] = api.provisioned("hr-portal", operation, name, **more)["deliveries"]
    return delivery


def test_the_next_operation_links_what_a_cancelled_create_has_left(api, flaky, scim):
    left_in_doubt(api, flaky, "doubtful")
    before = users_named(scim, "doubtful")
    patch = [{"op": "add", "path": "title", "value": "Certain"}]
    delivery = settled(api, "modify", "doubtful", patch=patch)
    assert delivery["state"] == "delivered"
    assert before == users_named(scim, "doubtful") == [delivery["provisionedIdentifier"]]
    assert flaky.methods("doubtful").count("POST") == 1  # it looked before it would have created anything


def test_a_delete_removes_what_a_cancelled_create_has_left(api, flaky, scim):
    left_in_doubt(api, flaky, "leftover")
    assert len(users_named(scim, "leftover")) == 1
    delivery = settled(api, "delete", "leftover")
    assert (delivery["state"], delivery["outcome"]) == ("delivered", "deleted")
    assert users_named(scim, "leftover") == []


def test_a_delete_of_what_was_never_sent_has_nothing_to_do(api, flaky):
    flaky.down()
    [delivery] = api.provision("hr-portal", "create", "unsent")["deliveries"]
    api.delivery_in("retrying", delivery["id"])
    assert api.call("POST", f"/deliveries/{delivery['id']}/cancel").ok
    flaky.up()
    assert settled(api, "delete", "unsent")["outcome"] == "nothing-to-do"
    assert flaky.methods("unsent") == []


@pytest.mark.parametrize("lost", [(), ("apply-and-drop",)], ids=["heard", "not heard at first"])
def test_an_account_whose_removal_was_cancelled_is_taken_over_by_the_next_of_that_name(api, flaky, scim, lost):
    name = f"namesake-{len(lost)}"
    leaver = settled(api, "create", name)
    flaky.next("answer", method="DELETE", status=429)
    [removal] = api.provision("hr-portal", "delete", name)["deliveries"]
    api.delivery_in("retrying", removal["id"])
    assert api.call("POST", f"/deliveries/{removal['id']}/cancel").ok
    for fault in lost:
        flaky.next(fault, method="PUT")
    request = api.provision("hr-portal", "create", name, {"title": "Newcomer"})
    [delivery] = request["deliveries"]
    if lost:
        api.delivery_in("retrying", delivery["id"])
        assert api.call("POST", f"/deliveries/{delivery['id']}/retry").ok
    newcomer = api.delivery_in("delivered", delivery["id"])
    assert newcomer["provisionedIdentifier"] == leaver["provisionedIdentifier"]
    [account] = [user for user in scim.users if user["userName"] == name]
    assert (account["externalId"], account["title"]) == (request["entity"]["id"], "Newcomer")
