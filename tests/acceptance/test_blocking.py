"""Blocking waits for the outcome, the rest answers at once, and a target that hangs cannot take the API with it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.flaky import flaky_target
from tests.support.service import Api, assert_problem, eventually, request_body, row

pytestmark = pytest.mark.xdist_group("acceptance-blocking")

THREADS, WAITING = 8, 6  # at most three quarters of the threads may wait for Blocking deliveries
TIMEOUT = 2
SETTINGS = {"SLUICE_THREADS": str(THREADS), "SLUICE_RUNNERS": "2", "SLUICE_BLOCKING_TIMEOUT": str(TIMEOUT)}
PATIENCE = {"firstRetry": 0.2, "longestRetry": 0.5, "exchangeTimeout": 10}


@pytest.fixture
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture
def providers(request, api, flaky):
    """`<test>-waits` is Blocking, `<test>-goes-on` is not; each test has a target of its own."""
    name = request.node.name.replace("test_", "")[:60]
    api.identity_provider(name, "scim2", flaky.properties, delivery=PATIENCE)
    api.service_provider(f"{name}-waits", row(name))
    api.service_provider(f"{name}-goes-on", row(name, blocking=False))
    yield f"{name}-waits", f"{name}-goes-on"
    flaky.let_go()
    eventually(
        lambda: not api.get(f"/provisioning-requests?serviceProvider={name}-waits&state=pending")["items"], "all end"
    )


def timed(service, provider, name):
    """Answer, seconds and client of a new user's request, sent by a client of its own."""
    api = Api(service.base)
    began = time.monotonic()
    reply = api.call("POST", "/provisioning-requests", request_body(provider, "create", name))
    took = time.monotonic() - began
    api.session.close()
    return reply, took


def test_blocking_waits_for_the_outcome(providers, service, flaky):
    flaky.next("delay", method="POST", seconds=0.7)
    reply, took = timed(service, providers[0], "awaited")
    [delivery] = reply.json()["deliveries"]
    assert (reply.status_code, reply.json()["state"], delivery["state"]) == (200, "delivered", "delivered")
    assert delivery["provisionedIdentifier"]
    assert took >= 0.7


def test_a_key_that_is_repeated_while_its_first_request_is_awaited_is_told_to_come_later(providers, service, flaky):
    api, key = service.api, {"headers": {"Idempotency-Key": "impatient"}}
    body = request_body(providers[0], "create", "impatient")
    flaky.next("delay", method="POST", seconds=1.5)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(Api(service.base).call, "POST", "/provisioning-requests", body, **key)
        eventually(lambda: "POST" in flaky.methods("impatient"), "the account is being made")
        assert_problem(api.call("POST", "/provisioning-requests", body, **key), 409, "Idempotency-Key", "in progress")
        other = request_body(providers[0], "create", "somebody-else")
        assert_problem(api.call("POST", "/provisioning-requests", other, **key), 422, "Idempotency-Key")
    again = api.call("POST", "/provisioning-requests", body, **key)
    assert (again.status_code, again.json()["id"]) == (200, first.result().json()["id"])
    assert flaky.methods("impatient").count("POST") == 1


def test_a_key_answers_with_its_request_once_the_wait_for_it_is_over(providers, service, flaky):
    key = {"headers": {"Idempotency-Key": "patient"}}
    body = request_body(providers[0], "create", "patient")
    flaky.next("hold", method="POST")
    first = service.api.call("POST", "/provisioning-requests", body, **key)
    again = service.api.call("POST", "/provisioning-requests", body, timeout=60, **key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]


def test_without_blocking_the_answer_is_at_once_and_the_delivery_follows(providers, service, flaky):
    flaky.next("delay", method="POST", seconds=0.7)
    reply, took = timed(service, providers[1], "unawaited")
    assert (reply.status_code, reply.json()["state"]) == (202, "pending")
    assert reply.headers["Location"].endswith(reply.json()["id"])
    assert took < 0.7
    settled = service.api.settled(service.api.get(reply.headers["Location"])["id"])
    assert settled["state"] == "delivered"


def test_blocking_tells_a_failure_as_a_failure(providers, service, flaky, scim):
    flaky.next("answer", method="POST", status=400)
    reply, _ = timed(service, providers[0], "unwelcome")
    [delivery] = reply.json()["deliveries"]
    assert (reply.status_code, reply.json()["state"], delivery["state"]) == (200, "failed", "failed")
    assert delivery["error"]["status"] == 400
    assert delivery["provisionedIdentifier"] is None
    assert "unwelcome" not in [user["userName"] for user in scim.users]


def test_blocking_waits_over_a_retry_that_is_due_in_time(providers, service, flaky):
    flaky.next("answer", method="POST", status=503)
    reply, _ = timed(service, providers[0], "second-try")
    [delivery] = reply.json()["deliveries"]
    assert (reply.status_code, delivery["state"], delivery["attempts"]) == (200, "delivered", 2)


def test_blocking_waits_no_longer_than_its_timeout_for_a_target_that_hangs(providers, service, flaky):
    flaky.next("hold", method="POST")
    reply, took = timed(service, providers[0], "hanging")
    assert (reply.status_code, reply.json()["state"]) == (202, "pending")
    assert TIMEOUT * 0.9 < took < TIMEOUT + 2
    flaky.let_go()
    assert service.api.settled(reply.json()["id"])["state"] == "delivered"


def test_many_blocking_requests_to_a_target_that_hangs_do_not_starve_the_api(providers, service, flaky, scim):
    flaky.next("hold", method="POST", lasting=True)
    count = 2 * THREADS
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(timed, service, providers[0], f"crowd-{n}") for n in range(count)]
        for _ in range(WAITING):
            assert flaky.waiting.acquire(timeout=10)
        slowest = max(seconds_to_list(service) for _ in range(10))
        flaky.let_go()
        replies = [answer.result() for answer in answers]
    assert slowest < 1
    at_once = [took for reply, took in replies if reply.status_code == 202 and took < TIMEOUT * 0.9]
    assert len(at_once) >= count - WAITING
    requests = [service.api.settled(reply.json()["id"]) for reply, _ in replies]
    assert {request["state"] for request in requests} == {"delivered"}
    assert len({user["userName"] for user in scim.users if user["userName"].startswith("crowd-")}) == count


def seconds_to_list(service):
    began = time.monotonic()
    service.api.get("/service-providers")
    return time.monotonic() - began
