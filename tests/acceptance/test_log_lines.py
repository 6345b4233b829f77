"""Log lines say what they are about: the request and the delivery, whoever writes them; and nothing of the last one."""

from __future__ import annotations

import json

import pytest

from tests.support.flaky import flaky_target
from tests.support.gate import policy
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-log-lines")

POLICIES = {"everybody.xml": policy("everybody")}


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    patience = {"firstRetry": 0.2, "longestRetry": 0.2, "breakerThreshold": 2, "firstProbe": 0.1}
    api.identity_provider("acme", "scim2", flaky.properties, delivery=patience)
    api.service_provider("hr", row("acme", blocking=False, rules=True))
    api.service_provider("waits", row("acme", rules=True))


@pytest.fixture
def lines(service):
    """The lines that were written during the test; a list of JSON objects."""
    before = len(service.log.splitlines())
    return lambda: [json.loads(line) for line in service.log.splitlines()[before:]]


def about(lines, *events):
    """Which request and delivery the lines of these events are about, in the order of the lines."""
    return [(one["event"], one.get("request"), one.get("delivery")) for one in lines if one["event"] in events]


@pytest.mark.parametrize("provider", ["hr", "waits"])
def test_every_line_of_a_delivery_carries_its_request_and_its_delivery(api, flaky, lines, provider):
    for _ in range(2):
        flaky.next("answer", method="POST", status=503)
    request = api.provisioned(provider, "create", f"logged-{provider}")
    [delivery] = request["deliveries"]
    ids = (request["id"], delivery["id"])
    events = ("attempt failed", "target is quarantined", "target answers again", "delivered")
    found = about(lines(), *events)
    assert found == [
        ("attempt failed", *ids),
        ("target is quarantined", *ids),
        ("attempt failed", *ids),
        ("target answers again", *ids),
        ("delivered", *ids),
    ]
    assert about(lines(), "accepted") == [("accepted", request["id"], None)]


def test_a_change_by_hand_carries_them_and_what_the_thread_does_next_does_not(api, flaky, lines):
    flaky.next("answer", method="POST", status=403)
    [delivery] = api.provision("hr", "create", "revived")["deliveries"]
    dead = api.delivery_in("failed", delivery["id"])
    api.post(f"/deliveries/{delivery['id']}/retry")
    api.delivery_in("delivered", delivery["id"])
    for n in range(20):  # whichever thread of the service answers
        api.post("/service-providers", {"name": f"afterwards-{n}"})
    written = lines()
    assert about(written, "changed by hand") == [("changed by hand", dead["requestId"], delivery["id"])]
    done = [one for one in written if one.get("operation") == "RequestApi.retry"]
    assert [(one["request"], one["delivery"]) for one in done] == [(dead["requestId"], delivery["id"])]
    others = [one for one in written if one.get("operation", "").startswith("ServiceProviderApi")]
    assert len(others) == 20
    assert not any({"request", "delivery", "lane"} & set(one) for one in others)
