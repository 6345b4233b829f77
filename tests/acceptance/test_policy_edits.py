"""Policy files edited while the service runs: the next decision follows; a broken file changes the health alone."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from tests.support.gate import policy
from tests.support.service import assert_problem, eventually, request_body, row, running_service

pytestmark = pytest.mark.xdist_group("acceptance-policy-edits")

PROMISED, PATIENCE = 2.0, 10.0
PERMITS = policy("who", rule="everybody")
DENIES = policy("who", "Deny", rule="nobody")
BROKEN = DENIES.replace("</Policy>", "</Polic>")
BROKEN_LINE = 1 + BROKEN[: BROKEN.index("</Polic>")].count("\n")
POLICIES = {"who.xml": PERMITS}


@pytest.fixture(scope="module")
def providers(api, scim):
    api.identity_provider("acme", "scim2", scim.properties)
    api.service_provider("hr-portal", row("acme", rules=True))


@pytest.fixture(autouse=True)
def permits(service, providers):
    """Every test begins, and leaves, with the policies in order."""
    service.write_policy("who.xml", PERMITS)
    eventually(lambda: health(service)["status"] == "ok", "the policies are in order")
    eventually(lambda: would_be(service) == "Permit", "everybody is permitted")
    yield
    for extra in service.policies.glob("*/*.xml"):
        extra.unlink()
    for extra in service.policies.glob("*.xml"):
        if extra.name != "who.xml":
            extra.unlink()


def health(service):
    return service.api.call("GET", "/readyz").json()


def would_be(service):
    """The decision of now, asked for without provisioning anybody."""
    body = request_body("hr-portal", "create", "somebody") | {"identityProvider": "acme"}
    return service.api.post("/policy-decisions", body)["decision"]


def provision(service, name):
    [delivery] = service.api.provisioned("hr-portal", "create", name)["deliveries"]
    return delivery


@contextmanager
def takes_effect(what):
    """Time how long an edit takes until what follows has been seen; promised are two seconds, allowed ten."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"{what}: in force after {took:.2f} s (promised: {PROMISED:.0f} s)")
    assert took < PATIENCE


def test_from_permit_to_deny_to_a_syntax_error_to_mended_without_a_restart(service, scim):
    process = service.process.pid
    assert provision(service, "before")["state"] == "delivered"

    with takes_effect("deny instead of permit"):
        service.write_policy("who.xml", DENIES)
        eventually(lambda: would_be(service) == "Deny", "the edit is in force", timeout=PATIENCE)
    refused = provision(service, "while-denied")
    assert (refused["state"], refused["decision"]["rules"]) == ("refused", ["nobody"])

    with takes_effect("a syntax error"):
        service.write_policy("who.xml", BROKEN)
        eventually(lambda: health(service)["status"] == "degraded", "the health tells of it", timeout=PATIENCE)
    reply = service.api.call("GET", "/readyz")
    [error] = reply.json()["errors"]
    assert reply.status_code == 200
    assert (error["file"], error["line"]) == ("who.xml", BROKEN_LINE)
    assert error["message"]
    still = provision(service, "while-broken")
    assert (still["state"], still["decision"]["snapshot"]) == ("refused", refused["decision"]["snapshot"])
    assert service.api.get("/policies")["snapshot"]["errors"][0]["file"] == "who.xml"
    assert f'"file": "who.xml", "line": {BROKEN_LINE}' in service.log

    with takes_effect("the mended file"):
        service.write_policy("who.xml", PERMITS)
        eventually(lambda: would_be(service) == "Permit", "the mended file is in force", timeout=PATIENCE)
    assert health(service)["status"] == "ok"
    assert health(service)["errors"] == []
    assert provision(service, "afterwards")["state"] == "delivered"
    assert service.process.pid == process
    assert service.process.poll() is None
    names = [user["userName"] for user in scim.users]
    assert ("before" in names, "while-denied" in names, "while-broken" in names, "afterwards" in names) == (
        True, False, False, True,
    )  # fmt: skip


def test_an_edit_in_place_counts_as_much_as_one_that_swaps_the_file(service):
    with takes_effect("a file written in place"), (service.policies / "who.xml").open("r+") as file:
        file.seek(0)
        file.write(DENIES)
        file.truncate()
        file.flush()
        eventually(lambda: would_be(service) == "Deny", "the edit is in force", timeout=PATIENCE)


def test_a_new_file_that_denies_counts_and_so_does_its_removal(service):
    service.write_policy("veto.xml", policy("veto", "Deny"))
    eventually(lambda: would_be(service) == "Deny", "the new file is in force", timeout=PATIENCE)
    (service.policies / "veto.xml").unlink()
    eventually(lambda: would_be(service) == "Permit", "its removal is in force", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("whose.xml", policy("who", "Deny"), "who.xml"),
        ("doctype.xml", f"<!DOCTYPE Policy [<!ENTITY x 'y'>]>{policy('doctype', 'Deny')}", ""),
        ("function.xml", policy("function", "Deny", condition='<Apply FunctionId="urn:example:no-such"/>'), "no-such"),
        ("empty.xml", "", ""),
    ],
)
def test_one_bad_file_keeps_all_as_they_were(service, name, text, says):
    before = service.api.get("/policies")["snapshot"]["hash"]
    service.write_policy(name, text)
    service.write_policy("veto.xml", policy("veto", "Deny"))
    eventually(lambda: health(service)["status"] == "degraded", "the health tells of it", timeout=PATIENCE)
    told = [error for error in health(service)["errors"] if error["file"] == name]
    assert told
    assert told[0]["line"] >= 1
    assert says in told[0]["message"] + told[0]["help"]
    assert service.api.get("/policies")["snapshot"]["hash"] == before
    assert would_be(service) == "Permit"


def test_a_file_written_over_the_api_is_refused_with_its_line_and_nothing_is_written(service):
    reply = service.api.call(
        "PUT", "/policy-files/who.xml", data=BROKEN.encode(), headers={"Content-Type": "application/xml"}
    )
    problem = assert_problem(reply, 422)
    assert (problem["errors"][0]["file"], problem["errors"][0]["line"]) == ("who.xml", BROKEN_LINE)
    assert (service.policies / "who.xml").read_text() == PERMITS
    assert health(service)["status"] == "ok"


def test_a_file_written_over_the_api_decides_from_the_answer_on(service):
    reply = service.api.call(
        "PUT", "/policy-files/who.xml", data=DENIES.encode(), headers={"Content-Type": "application/xml"}
    )
    assert reply.status_code == 200, reply.text
    assert would_be(service) == "Deny"
    assert (service.policies / "who.xml").read_text() == DENIES


def test_the_last_good_policies_outlive_a_restart_with_a_broken_file(service):
    service.write_policy("who.xml", BROKEN)
    eventually(lambda: health(service)["status"] == "degraded", "the health tells of it", timeout=PATIENCE)
    service.restart()
    assert health(service)["status"] == "degraded"
    assert health(service)["errors"][0]["line"] == BROKEN_LINE
    assert would_be(service) == "Permit"


def test_at_a_first_start_with_a_broken_file_nothing_is_permitted_until_it_is_mended(tmp_path, scim):
    with running_service(
        tmp_path, policies={"who.xml": BROKEN}, until="/healthz", SLUICE_BLOCKING_TIMEOUT="1"
    ) as service:
        reply = service.api.call("GET", "/readyz")
        assert reply.status_code == 503
        assert reply.json()["errors"][0]["file"] == "who.xml"
        patience = {"firstRetry": 0.2, "longestRetry": 0.5}
        service.api.identity_provider("acme", "scim2", scim.properties, delivery=patience)
        service.api.service_provider("hr-portal", row("acme", rules=True))
        accepted = service.api.provision("hr-portal", "create", "too-early")
        assert accepted["deliveries"][0]["state"] == "retrying"
        assert not any(b"too-early" in one.body for one in scim.arrived)
        service.write_policy("who.xml", PERMITS)
        assert service.api.settled(accepted["id"])["state"] == "delivered"
        assert service.api.call("GET", "/readyz").json()["status"] == "ok"
