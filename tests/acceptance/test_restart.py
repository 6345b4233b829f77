"""Power cuts: what was accepted is delivered after the restart, and no account is made twice. Secrets stay secret."""

from __future__ import annotations

import base64
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime

import pytest
import requests

from tests.support.flaky import flaky_target
from tests.support.gate import policy
from tests.support.loopback import hang_up, serving
from tests.support.service import ADMIN_PASSWORD, ADMIN_TOKEN, Api, eventually, request_body, row
from tests.support.spml_target import SpmlTarget

pytestmark = pytest.mark.xdist_group("acceptance-restart")

POLICIES = {"everybody.xml": policy("everybody")}
SETTINGS = {"SLUICE_BLOCKING_TIMEOUT": "5"}
PATIENCE = {"firstRetry": 0.2, "longestRetry": 0.5, "exchangeTimeout": 5}
PASSWORD = "Pa55w0rd-of-the-restart-tests"


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    api.identity_provider("acme", "scim2", flaky.properties, delivery=PATIENCE)
    api.service_provider("hr-portal", row("acme", rules=True))
    api.service_provider("in-background", row("acme", blocking=False, rules=True))


@pytest.fixture(autouse=True)
def works_again(flaky):
    """Every test begins with a target that works."""
    flaky.faults.clear()
    flaky.released.clear()


def only(request):
    [delivery] = request["deliveries"]
    return delivery


def users_named(scim, name):
    return [user for user in scim.users if user["userName"] == name]


def created(scim, name):
    """The requests that would have made an account for somebody, as the target received them."""
    return [one for one in scim.arrived if one.method == "POST" and f'"{name}"'.encode() in one.body]


def exchanges(api, delivery):
    history = api.delivery(delivery["id"])["attemptHistory"]
    return [(attempt["number"], one) for attempt in history for one in attempt["exchanges"]]


# -- kill -9 -----------------------------------------------------------------------------------------------------------


def test_what_was_accepted_before_a_kill_is_delivered_once_after_the_restart(service, flaky, scim):
    flaky.down()
    accepted = [service.api.provision("in-background", "create", f"survivor-{n}") for n in range(5)]
    service.kill9()
    flaky.up()
    service.start()
    for n, request in enumerate(accepted):
        settled = service.api.settled(request["id"])
        [user] = users_named(scim, f"survivor-{n}")
        assert (settled["state"], only(settled)["provisionedIdentifier"]) == ("delivered", user["id"])
        assert len(created(scim, f"survivor-{n}")) == 1


@pytest.mark.parametrize("provider", ["hr-portal", "in-background"])
def test_a_kill_while_the_answer_is_awaited_makes_no_second_account(service, flaky, scim, provider):
    name = f"in-flight-{provider}"
    body, key = request_body(provider, "create", name), {"headers": {"Idempotency-Key": name}}
    flaky.next("apply-and-hold", method="POST")
    with ThreadPoolExecutor(1) as pool:
        caller = Api(service.base)
        sent = pool.submit(caller.call, "POST", "/provisioning-requests", body, **key)
        assert flaky.waiting.acquire(timeout=10)  # the target has done it, and does not say so
        if provider == "in-background":
            assert sent.result().status_code == 202
        service.kill9()
        if provider == "hr-portal":
            with pytest.raises(requests.ConnectionError):
                sent.result()
        caller.session.close()
    [user] = users_named(scim, name)
    service.start()
    again = service.api.post("/provisioning-requests", body, **key)  # the call that it would have to wait for is gone
    [request] = service.api.get(f"/provisioning-requests?entity={name}")["items"]
    assert request["id"] == again["id"]
    delivered = only(service.api.settled(request["id"]))
    assert (delivered["state"], delivered["provisionedIdentifier"]) == ("delivered", user["id"])
    assert [one["id"] for one in users_named(scim, name)] == [user["id"]]
    assert len(created(scim, name)) == 1
    before, *after = exchanges(service.api, delivered)
    assert (before[1]["request"]["method"], before[1]["response"]) == ("POST", None)
    assert after[0][1]["request"]["method"] == "GET"  # it looks before it does anything again


def test_a_kill_before_the_request_is_sent_out_loses_nothing_and_repeats_nothing(service, flaky, scim):
    flaky.next("hold", method="POST")  # the target never sees it
    request = service.api.provision("in-background", "create", "unheard")
    assert flaky.waiting.acquire(timeout=10)
    service.kill9()
    assert users_named(scim, "unheard") == []
    service.start()
    assert service.api.settled(request["id"])["state"] == "delivered"
    assert len(users_named(scim, "unheard")) == len(created(scim, "unheard")) == 1


def test_a_kill_during_a_delete_ends_with_the_account_gone(service, flaky, scim):
    service.api.provisioned("hr-portal", "create", "leaver")
    flaky.next("apply-and-hold", method="DELETE")
    request = service.api.provision("in-background", "delete", "leaver")
    assert flaky.waiting.acquire(timeout=10)
    service.kill9()
    service.start()
    assert service.api.settled(request["id"])["state"] == "delivered"
    assert users_named(scim, "leaver") == []


def test_a_stop_in_order_hands_over_what_is_under_way(service, flaky, scim):
    flaky.next("delay", method="POST", seconds=1)
    request = service.api.provision("in-background", "create", "handed-over")
    eventually(lambda: "POST" in flaky.methods("handed-over"), "it is being sent")
    assert service.stop() == 0
    service.start()
    assert service.api.settled(request["id"])["state"] == "delivered"
    assert len(created(scim, "handed-over")) == 1
    assert len(exchanges(service.api, only(request))) == 1  # the answer was waited for: nothing was in doubt


def test_a_spml_create_whose_answer_was_lost_with_the_process_makes_no_second_account(service):
    target = SpmlTarget()
    target.misbehave("addRequest", hang_up)
    with serving(target) as url:
        properties = {
            "spml-ep": url,
            "spml-username": target.username,
            "spml-password": target.password,
            "spml-oc": "person",
            "spml-lookup-pattern": "{objectclass}:{name}",
        }
        service.api.identity_provider(
            "directory", "spml", properties, delivery=PATIENCE | {"firstRetry": 3, "longestRetry": 3}
        )
        service.api.service_provider("directory-desk", row("directory", blocking=False))
        request = service.api.provision("directory-desk", "create", "spml-survivor")
        service.api.delivery_in("retrying", only(request)["id"])
        service.kill9()
        service.start()
        settled = only(service.api.settled(request["id"]))
    assert (settled["state"], settled["provisionedIdentifier"]) == ("delivered", "person:spml-survivor")
    assert list(target.objects) == ["person:spml-survivor"]
    assert target.received.count("addRequest") == 1


# -- retry -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_unable_target_is_tried_again_with_growing_patience(api, flaky, scim, status):
    name = f"patient-{status}"
    for _ in range(3):
        flaky.next("answer", method="POST", status=status)
    request = api.settled(api.provision("in-background", "create", name)["id"])
    delivered = only(request)
    assert (delivered["state"], delivered["attempts"]) == ("delivered", 4)
    history = api.delivery(delivered["id"])["attemptHistory"]
    assert [one["outcome"] for one in history] == ["retrying"] * 3 + ["created"]
    assert [one["error"]["status"] for one in history[:3]] == [status] * 3
    assert len(users_named(scim, name)) == 1


def test_a_target_that_refuses_connections_is_tried_again_and_the_reason_is_told(api, flaky):
    flaky.down()
    request = api.provision("in-background", "create", "nobody-home")
    waiting = api.delivery_in("retrying", only(request)["id"])
    assert waiting["nextAttemptAt"] is not None
    assert "refused" in waiting["reason"]
    assert waiting["attempts"] >= 1
    flaky.up()
    assert api.settled(request["id"])["state"] == "delivered"


def test_the_target_says_how_long_to_leave_it_alone(api, flaky):
    flaky.next("answer", method="POST", status=429, headers={"Retry-After": "2"})
    request = api.settled(api.provision("in-background", "create", "throttled")["id"])
    first, second = api.delivery(only(request)["id"])["attemptHistory"]
    assert seconds_between(first["endedAt"], second["startedAt"]) >= 2


def seconds_between(one, other):
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def test_an_answer_that_is_lost_on_the_way_makes_no_second_account(api, flaky, scim):
    flaky.next("apply-and-drop", method="POST")
    request = api.settled(api.provision("in-background", "create", "lost-answer")["id"])
    [user] = users_named(scim, "lost-answer")
    assert (request["state"], only(request)["provisionedIdentifier"]) == ("delivered", user["id"])
    assert len(created(scim, "lost-answer")) == 1


def cancelled(api, delivery):
    """Cancel what waits; while an attempt is under way it cannot be taken back, and is asked for again."""

    def attempt():
        reply = api.call("POST", f"/deliveries/{delivery}/cancel")
        assert reply.status_code in {200, 409}, reply.text
        return reply.json() if reply.ok else None

    return eventually(attempt, "it waits and is cancelled")


def test_a_delivery_that_waits_can_be_cancelled_and_is_never_sent(api, flaky, scim):
    flaky.down()
    waiting = only(api.provision("in-background", "create", "taken-back"))
    api.delivery_in("retrying", waiting["id"])
    assert cancelled(api, waiting["id"])["state"] == "cancelled"
    flaky.up()
    api.provisioned("in-background", "create", "another")
    assert users_named(scim, "taken-back") == []


# -- secrets -----------------------------------------------------------------------------------------------------------


def stored_bytes(service):
    """Every byte of the database on disk, its write-ahead log and shared memory included."""
    return b"".join(path.read_bytes() for path in sorted(service.data.glob("sluice.db*")))


def spellings(secret):
    """A secret as it is, and as HTTP Basic, hexadecimal and UTF-16 would write it."""
    plain = secret.encode()
    return [plain, base64.b64encode(plain), plain.hex().encode(), secret.encode("utf-16-le")]


def sealed_passwords(service):
    """How many requests hold a sealed password."""
    path = f"file:{service.data / 'sluice.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as database:
        query = "SELECT count(*) FROM provisioning_requests WHERE sealed_password IS NOT NULL"
        return database.execute(query).fetchone()[0]


def test_a_password_is_sealed_while_it_waits_over_a_kill_too_and_wiped_once_delivered(service, flaky, scim):
    flaky.down()
    request = service.api.provision("in-background", "create", "holder", {"password": PASSWORD})
    service.api.delivery_in("retrying", only(request)["id"])
    assert sealed_passwords(service) == 1
    assert not any(spelling in stored_bytes(service) for spelling in spellings(PASSWORD))
    service.kill9()
    assert not any(spelling in stored_bytes(service) for spelling in spellings(PASSWORD))
    flaky.up()
    service.start()
    assert service.api.settled(request["id"])["state"] == "delivered"
    assert PASSWORD.encode() in created(scim, "holder")[0].body  # it did arrive
    assert sealed_passwords(service) == 0


def test_a_password_in_a_patch_is_sealed_and_wiped_as_well(service, flaky, scim):
    service.api.provisioned("hr-portal", "create", "changer")
    flaky.down()
    patch = [{"op": "replace", "path": "password", "value": PASSWORD}, {"op": "add", "value": {"title": "Boss"}}]
    request = service.api.provision("in-background", "modify", "changer", patch=patch)
    assert sealed_passwords(service) == 1
    flaky.up()
    assert service.api.settled(request["id"])["state"] == "delivered"
    assert any(PASSWORD.encode() in one.body for one in scim.arrived if one.method in {"PATCH", "PUT"})
    assert sealed_passwords(service) == 0


def test_a_refused_or_cancelled_request_keeps_no_password(service, flaky):
    flaky.down()
    request = service.api.provision("in-background", "create", "never-mind", {"password": PASSWORD})
    assert sealed_passwords(service) == 1
    service.api.delivery_in("retrying", only(request)["id"])
    cancelled(service.api, only(request)["id"])
    flaky.up()
    assert sealed_passwords(service) == 0


def test_no_secret_is_in_any_answer_nor_in_the_log_nor_in_the_database(service, scim):
    api = service.api
    api.provisioned("hr-portal", "create", "open-book", {"password": PASSWORD})
    made = api.post("/tokens", {"name": "secretive", "scopes": ["read"]})
    secrets = [PASSWORD, scim.token, ADMIN_TOKEN, ADMIN_PASSWORD, "s3cr3t & <more>", made["token"]]
    stored, answers = stored_bytes(service), "".join(everything(api))
    for secret in secrets:
        assert not any(spelling in stored for spelling in spellings(secret)), secret
        assert secret not in answers
        assert secret not in service.log


def everything(api):
    """The text of every answer that could show what somebody sent."""
    deliveries = api.get("/deliveries?limit=200")["items"]
    paths = ["/identity-providers", "/service-providers", "/tokens", "/provisioning-requests?limit=200", "/connectors"]
    paths += ["/deliveries?limit=200", *(f"/deliveries/{one['id']}" for one in deliveries), "/readyz"]
    return [api.call("GET", path).text for path in paths]


def test_the_key_of_the_secrets_is_for_the_service_alone(service):
    key = service.data / "secret.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert service.data.stat().st_mode & 0o777 == 0o700
