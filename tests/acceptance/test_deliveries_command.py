"""`sluice deliveries …` beside a running service: on its database, with its settings."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.flaky import flaky_target
from tests.support.gate import policy
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-deliveries-command")

POLICIES = {"everybody.xml": policy("everybody")}
ESCAPE = "\x1b[2J"


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


@pytest.fixture(scope="module", autouse=True)
def providers(api, flaky):
    for name in ("Acme", "other"):
        api.identity_provider(name, "scim2", flaky.properties)
        api.service_provider(f"to-{name}", row(name, blocking=False, rules=True))


@pytest.fixture
def sluice(service):
    def run(*words):
        command = [sys.executable, "-m", "service", "deliveries", *words]
        return subprocess.run(
            command,
            cwd=service.folder,
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def dead(api, flaky):
    """Dead letters of these users; answers their deliveries' ids."""

    def make(provider, *names):
        flaky.next("answer", method="POST", status=403, lasting=True)
        sent = [api.provision(provider, "create", name)["deliveries"][0]["id"] for name in names]
        for one in sent:
            api.delivery_in("failed", one)
        flaky.faults.clear()
        return sent

    return make


def test_deliveries_are_listed_by_target_state_entity_and_time_whatever_the_case_of_names(sluice, api, dead):
    [ours] = dead("to-Acme", "Listed")
    [theirs] = dead("to-other", "Listed-Too")
    found = sluice("list", "--target", "ACME", "--state", "failed", "--entity", "LISTED", "--since", "1h", "--json")
    assert found.returncode == 0, found.stderr
    [item] = json.loads(found.stdout)["items"]
    assert item == api.get("/deliveries?entity=listed")["items"][0]
    assert (item["id"], item["entity"]["name"], item["serviceProvider"]) == (ours, "Listed", "to-Acme")
    text = sluice("list", "--request", api.delivery(theirs)["requestId"])
    assert [line.split()[:3:2] for line in text.stdout.splitlines()] == [["id", "state"], [theirs, "failed"]]
    assert json.loads(sluice("list", "--since", "2999-01-01T00:00:00Z", "--json").stdout) == {"items": [], "next": None}


def test_a_list_is_cut_at_its_limit_and_says_so(sluice, dead):
    dead("to-Acme", "cut-1", "cut-2")
    found = sluice("list", "--limit", "1")
    assert len(found.stdout.splitlines()) == 2
    assert "there are more than 1" in found.stderr


def test_a_delivery_is_shown_with_decisions_attempts_and_exchanges_as_they_were_recorded(sluice, api, flaky):
    flaky.next("answer", method="POST", status=403, headers={"X-Strange": f"a{ESCAPE}b"})
    [delivery] = api.provision("to-Acme", "create", "shown")["deliveries"]
    api.delivery_in("failed", delivery["id"])
    assert json.loads(sluice("show", delivery["id"], "--json").stdout) == api.delivery(delivery["id"])
    text = sluice("show", delivery["id"]).stdout
    assert text.startswith(f"delivery {delivery['id']}: failed: ")
    assert "decision at acceptance: Permit by `everybody`" in text
    assert "attempt 1 (" in text
    assert f"POST {flaky.base}/Users: 403" in text
    assert '"userName"' in text
    assert flaky.target.token not in text
    assert "a\\x1b[2Jb" in text
    assert "\x1b" not in text


def test_what_is_not_there_is_told_in_a_sentence_with_status_1(sluice):
    found = sluice("show", "nothing")
    assert (found.returncode, found.stderr) == (1, "sluice: id: there is no delivery `nothing`\n")


def test_dead_letters_are_counted_first_and_retried_when_told_to(sluice, api, dead):
    ours, theirs = dead("to-Acme", "again-1", "again-2"), dead("to-other", "left-alone")
    counted = sluice("retry", "--target", "acme", "--state", "failed", "--entity", "again-1")
    assert (counted.returncode, counted.stdout) == (0, "would retry 1 delivery: say --yes to do it\n")
    assert {api.delivery(one)["state"] for one in ours} == {"failed"}
    done = sluice("retry", "--target", "acme", "--state", "failed", "--since", "1d", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["refused"] == []
    for one in ours:
        api.delivery_in("delivered", one)
    assert api.delivery(theirs[0])["state"] == "failed"


def test_deliveries_are_retried_and_cancelled_by_their_ids_and_refusals_are_status_1(sluice, api, dead):
    [delivered] = dead("to-other", "by-id")
    assert sluice("retry", delivered).stdout == "retried 1 of 1 delivery\n"
    api.delivery_in("delivered", delivered)
    api.post("/identity-providers/other/pause")
    [held] = api.provision("to-other", "create", "waits")["deliveries"]
    done = sluice("cancel", held["id"], delivered)
    assert (done.returncode, done.stdout) == (1, "cancelled 1 of 2 deliveries\n")
    assert done.stderr.startswith(f"{delivered}: delivery `{delivered}` is `delivered`")
    cancelled = api.delivery(held["id"])
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled by the command line")
    api.post("/identity-providers/other/resume")


@pytest.mark.parametrize("words", [("--yes",), ("some-id", "--target", "acme"), ("--state", "lost")])
def test_without_a_clear_choice_nothing_is_done(sluice, words):
    found = sluice("retry", *words)
    assert found.returncode == 2
    assert "Error:" in found.stderr
