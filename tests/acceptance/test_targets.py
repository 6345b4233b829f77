"""Targets are protected, and protect their neighbours: patience, quarantine, limits, pause and resume."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from tests.support.flaky import flaky_target
from tests.support.service import eventually, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-targets")

HASTY = {"firstRetry": 0.1, "longestRetry": 0.2}
LONG = 3600


@pytest.fixture
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture
def target(api, flaky, request):
    """Makes a target behind the flaky proxy and a service provider of the same name; answers the name."""
    name = request.node.name.replace("_", "-")[-60:].strip("-[]")

    def made(*, blocking=False, **delivery):
        api.identity_provider(name, "scim2", flaky.properties, delivery=HASTY | delivery)
        api.service_provider(name, row(name, blocking=blocking))
        return name

    yield made
    flaky.faults.clear()
    flaky.let_go()


def sent(api, provider, *names):
    """One delivery for each name; answers their ids."""
    made = [api.post("/provisioning-requests", request_body(provider, "create", name)) for name in names]
    return [one["deliveries"][0]["id"] for one in made]


def health(api, name):
    return api.get(f"/identity-providers/{name}")["health"]


def in_health(api, name, state):
    return eventually(lambda: (h := health(api, name))["state"] == state and h, f"`{name}` is {state}")


def seconds_until(stamp):
    return (datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_target_that_asks_for_patience_is_left_alone_by_all_its_deliveries(api, flaky, target, form):
    provider = target()
    later = datetime.now(UTC) + timedelta(seconds=LONG)
    asked = str(LONG) if form == "seconds" else format_datetime(later, usegmt=True)
    flaky.next("answer", status=429, headers={"Retry-After": asked})
    first, *_ = sent(api, provider, f"first-{form}")
    throttled = in_health(api, provider, "throttled")
    assert 0.9 * LONG < seconds_until(throttled["nextProbeAt"]) <= LONG
    asked_so_far = len(flaky.asked)
    second, *_ = sent(api, provider, f"second-{form}")
    time.sleep(1)  # there is nothing to wait for: it must not be sent
    assert len(flaky.asked) == asked_so_far
    assert api.delivery(second)["attempts"] == 0
    api.post(f"/identity-providers/{provider}/resume")
    for one in (first, second):
        api.delivery_in("delivered", one)


def test_a_target_that_fails_again_and_again_is_quarantined_and_probed_until_it_answers(api, flaky, target):
    provider = target(breakerThreshold=3, firstProbe=0.5, longestProbe=1)
    flaky.down()
    waiting = sent(api, provider, *(f"patient-{n}" for n in range(8)))
    shown = in_health(api, provider, "quarantined")
    assert shown["failures"] >= 3
    assert shown["reason"].startswith("failed")
    assert shown["nextProbeAt"] is not None
    assert shown["pending"] == 8
    held = api.get(f"/deliveries?state=held&identityProvider={provider}")["items"]
    assert {one["id"] for one in held} == set(waiting)
    assert all("is quarantined" in one["reason"] for one in held)
    assert api.get(f"/deliveries?state=pending&identityProvider={provider}")["items"] == []
    flaky.up()
    for one in waiting:
        api.delivery_in("delivered", one)
    assert in_health(api, provider, "healthy")["failures"] == 0


def test_while_a_target_is_quarantined_only_one_delivery_at_a_time_probes_it(api, flaky, target):
    provider = target(breakerThreshold=1, firstProbe=0.2, longestProbe=0.4)
    flaky.next("answer", status=503, lasting=True)
    waiting = sent(api, provider, *(f"one-of-many-{n}" for n in range(6)))
    in_health(api, provider, "quarantined")
    eventually(lambda: len(flaky.asked) >= 6, "it was probed several times")
    attempts = [attempt for one in waiting for attempt in api.delivery(one)["attemptHistory"] if attempt["endedAt"]]
    opened = min(one["endedAt"] for one in attempts)  # what was under way by then had begun before
    spans = sorted((one["startedAt"], one["endedAt"]) for one in attempts if one["startedAt"] >= opened)
    assert len(spans) > 1
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_target_that_rejects_the_credentials_is_left_alone_until_they_change(api, flaky, target):
    provider = target()
    flaky.next("answer", status=401)
    first, *_ = sent(api, provider, "locked-out")
    shown = in_health(api, provider, "quarantined")
    assert "credentials" in shown["reason"]
    assert seconds_until(shown["nextProbeAt"]) > 300
    asked_so_far = len(flaky.asked)
    second, *_ = sent(api, provider, "behind-it")
    time.sleep(1)
    assert len(flaky.asked) == asked_so_far
    stored = api.get(f"/identity-providers/{provider}")
    api.patch(f"/identity-providers/{provider}", {"connectors": [
        stored["connectors"][0] | {"properties": flaky.properties}
    ]})  # fmt: skip
    for one in (first, second):
        api.delivery_in("delivered", one)


def test_a_blocking_request_to_a_quarantined_target_is_answered_at_once(api, flaky, target):
    provider = target(blocking=True, breakerThreshold=1, firstProbe=LONG, longestProbe=LONG)
    flaky.next("answer", status=503)
    sent(api, provider, "opens-the-breaker")
    in_health(api, provider, "quarantined")
    before = time.monotonic()
    answer = api.call("POST", "/provisioning-requests", request_body(provider, "create", "need-not-wait"))
    assert answer.status_code == 202
    assert answer.json()["deliveries"][0]["state"] == "held"
    assert time.monotonic() - before < 10  # the blocking timeout is 30 s


def test_paused_by_hand_a_target_gets_nothing_until_it_is_resumed(api, flaky, target):
    provider = target()
    api.post(f"/identity-providers/{provider}/pause")
    waiting = sent(api, provider, "held-1", "held-2")
    assert {api.delivery(one)["state"] for one in waiting} == {"held"}
    assert in_health(api, provider, "paused")["pending"] == 2
    assert flaky.asked == []
    api.post(f"/identity-providers/{provider}/resume")
    for one in waiting:
        api.delivery_in("delivered", one)


def test_the_time_that_a_target_was_paused_is_not_taken_from_a_deliverys_patience(api, flaky, target):
    provider = target(giveUpAfter=2, firstRetry=0.1, longestRetry=0.2)
    api.post(f"/identity-providers/{provider}/pause")
    [waiting] = sent(api, provider, "patiently-paused")
    time.sleep(2.5)  # longer than it may be tried
    flaky.next("answer", method="POST", status=503)
    api.post(f"/identity-providers/{provider}/resume")
    assert api.delivery_in("delivered", waiting)["attempts"] == 2


def test_no_more_deliveries_are_under_way_than_the_target_may_have(api, flaky, target):
    provider = target(concurrency=2)
    flaky.next("delay", seconds=0.3, lasting=True)
    waiting = sent(api, provider, *(f"crowd-{n}" for n in range(6)))
    for one in waiting:
        api.delivery_in("delivered", one, timeout=30)
    attempts = [attempt for one in waiting for attempt in api.delivery(one)["attemptHistory"]]
    for one in attempts:
        beside = [a for a in attempts if a["startedAt"] <= one["startedAt"] < a["endedAt"]]
        assert len(beside) <= 2


def test_requests_keep_to_the_rate_that_is_set(api, flaky, target):
    provider = target(rate=5, burst=2)
    waiting = sent(api, provider, *(f"steady-{n}" for n in range(8)))
    for one in waiting:
        api.delivery_in("delivered", one, timeout=60)
    times = sorted(
        datetime.fromisoformat(exchange["sentAt"])
        for one in waiting
        for attempt in api.delivery(one)["attemptHistory"]
        for exchange in attempt["exchanges"]
    )
    # What was sent beyond the burst was earned at five a second; a look-up and a create of one attempt stay together.
    allowance = 2 + 4
    assert len(times) - allowance <= 5 * (times[-1] - times[0]).total_seconds()


def test_a_target_whose_rate_is_used_up_is_left_alone_until_there_is_more(api, flaky, target):
    provider = target(rate=0.001, burst=1)
    first, second = sent(api, provider, "within-the-burst", "beyond-the-burst")
    api.delivery_in("delivered", first)
    shown = in_health(api, provider, "throttled")
    assert "rate limit" in shown["reason"]
    assert seconds_until(shown["nextProbeAt"]) > 300
    assert api.delivery(second)["attempts"] == 0


def test_a_target_that_nothing_was_sent_to_says_so(api, target):
    assert health(api, target())["state"] == "never-used"
