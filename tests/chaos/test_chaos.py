"""A small storm on each database: targets misbehave, processes are killed, policies change. Nothing is lost or doubled.

`CHAOS_SEED` repeats a storm's draws. The checks are proved as well: what a record would look like that broke a promise
is made from a true one, and must be found.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checks import CHECKS, violations
from tests.chaos.evidence import Evidence, Seen
from tests.chaos.report import report
from tests.chaos.storm import Aftermath, Plan, storm

pytestmark = pytest.mark.xdist_group("chaos")


def aftermath(database: Any, folder: Any) -> Aftermath:
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    plan = Plan(seed=seed, database=database, operations=240, pause=(3, 7))
    after = storm(plan, folder)
    print(report(plan, after, violations(after.evidence)))
    return after


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory) -> Aftermath:
    return aftermath("sqlite", tmp_path_factory.mktemp("chaos"))


@pytest.fixture(scope="module")
def evidence(sqlite) -> Evidence:
    return sqlite.evidence


def assert_kept(after: Aftermath) -> None:
    found = violations(after.evidence)
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert len(after.evidence.accepted) > 200
    assert after.kills > 0


def test_on_sqlite_nothing_is_lost_doubled_out_of_order_or_sent_after_a_deny(sqlite):
    assert_kept(sqlite)


def test_on_postgresql_with_many_processes_nothing_is_lost_doubled_out_of_order_or_sent_after_a_deny(tmp_path):
    assert_kept(aftermath("postgresql", tmp_path))


# -- the checks find what they are for ---------------------------------------------------------------------------------


def with_deliveries(evidence: Evidence, change: Callable[[Any], Any]) -> Evidence:
    """The same, but for deliveries of the record (before and after alike)."""

    def changed(record: Any) -> Any:
        return replace(record, deliveries=tuple(change(one) for one in record.deliveries))

    return replace(evidence, storm=changed(evidence.storm), record=changed(evidence.record))


def with_seen(evidence: Evidence, change: Callable[[Seen], Seen]) -> Evidence:
    """The same, but for what the targets saw."""
    return replace(
        evidence,
        seen={name: change(seen) for name, seen in evidence.seen.items()},
        seen_in_storm={name: change(seen) for name, seen in evidence.seen_in_storm.items()},
    )


def delivered(evidence: Evidence) -> Any:
    """A delivery that changed something at its target, and left an account there."""
    return next(
        one
        for one in evidence.storm.deliveries
        if one.outcome == "created"
        and one.entity_id in evidence.seen[one.target].accounts
        and [sent.method for sent in one.exchanges] == ["POST"]
    )


def without_a_request(evidence):
    gone = evidence.accepted[0].request_id
    record = evidence.record
    return replace(evidence, record=replace(record, requests={k: v for k, v in record.requests.items() if k != gone}))


def stuck(evidence):
    chosen = delivered(evidence).id
    return with_deliveries(evidence, lambda one: replace(one, state="retrying") if one.id == chosen else one)


def one_request_more(evidence):
    return replace(evidence, record=replace(evidence.record, requests={**evidence.record.requests, "x": "delivered"}))


def doubled_account(evidence):
    def twice(seen):
        known = next(one for one in seen.resources if one.get("externalId"))
        return replace(seen, resources=[*seen.resources, {**known, "id": "another"}])

    return with_seen(evidence, twice)


def unknown_account(evidence):
    return with_seen(evidence, lambda seen: replace(seen, resources=[*seen.resources, {"externalId": "nobody"}]))


def turned_around(evidence):
    """The journal's changes happened in the opposite order."""

    def turned(seen):
        most = len(seen.journal) + 1
        journal = [
            {**one, "applied": None if one["applied"] is None else most - one["applied"]} for one in seen.journal
        ]
        return replace(seen, journal=journal)

    return with_seen(evidence, turned)


def swapped_sequences(evidence):
    return with_deliveries(evidence, lambda one: replace(one, sequence=-one.sequence))


def refused_after_all(evidence):
    """A delivery whose refusal is said to have come before its exchanges."""
    chosen = delivered(evidence)

    def refused(one):
        if one.id != chosen.id:
            return one
        early = [replace(decision, gate="refused", decided_at=0.0) for decision in one.decisions]
        return replace(one, state="refused", decisions=tuple(early))

    return with_deliveries(evidence, refused)


def heard_of_untried(evidence):
    chosen = delivered(evidence).id
    return with_deliveries(evidence, lambda one: replace(one, tries=()) if one.id == chosen else one)


def ungated(evidence):
    def opened(one):
        return replace(one, tries=tuple(replace(attempt, gate="off", snapshot=None) for attempt in one.tries))

    return with_deliveries(evidence, opened)


def older_snapshot(evidence):
    """Attempts in the middle of a reign, with the snapshot that had reigned before."""
    before, reign = evidence.reigns[0], evidence.reigns[1]
    middle = (reign.since + reign.until) / 2

    def moved(one):
        tries = [replace(attempt, started_at=middle, snapshot=before.snapshot) for attempt in one.tries]
        return replace(one, tries=tuple(tries))

    return with_deliveries(evidence, moved)


def other_decision(evidence):
    def other(one):
        return replace(one, decisions=tuple(replace(decision, gate="refused") for decision in one.decisions))

    return with_deliveries(evidence, other)


def certainly_refused(evidence):
    chosen = delivered(evidence).id

    def refused(one):
        if one.id != chosen:
            return one
        tries = [
            replace(attempt, exchanges=tuple(replace(sent, status=None) for sent in attempt.exchanges))
            for attempt in one.tries
        ]
        return replace(one, state="refused", tries=tuple(tries))

    return with_deliveries(evidence, refused)


def failed_for_no_reason(evidence):
    chosen = delivered(evidence).id
    return with_deliveries(evidence, lambda one: replace(one, state="failed", error={}) if one.id == chosen else one)


def forgotten_exchanges(evidence):
    return with_deliveries(evidence, lambda one: replace(one, tries=()))


def other_image(evidence):
    entity = next(one for one in evidence.entities if one.alive and one.kind == "user")
    changed = replace(entity, image={**entity.image, "title": "something else"})
    return replace(evidence, entities=[changed if one is entity else one for one in evidence.entities])


def lost_account(evidence):
    return with_seen(evidence, lambda seen: replace(seen, resources=seen.resources[:-1]))


def lost_change(evidence):
    """The last written state of an account did not stay."""

    def stale(seen):
        changed = [{**one, "title": "an older one"} if one.get("externalId") else one for one in seen.resources]
        return replace(seen, resources=changed)

    return with_seen(evidence, stale)


def lost_members(evidence):
    def alone(seen):
        return replace(seen, resources=[{**one, "members": []} for one in seen.resources])

    return with_seen(evidence, alone)


def said_something(evidence):
    return replace(evidence, logs=[("service", "… runner stumbled …")])


BROKEN = [
    ("complaints", said_something),
    ("lost", without_a_request),
    ("lost", stuck),
    ("accepted twice", one_request_more),
    ("accounts twice", doubled_account),
    ("accounts of strangers", unknown_account),
    ("order violations", turned_around),
    ("order of acceptance", swapped_sequences),
    ("exchanges after a Deny", refused_after_all),
    ("exchanges after a Deny", heard_of_untried),
    ("exchanges without a Permit", ungated),
    ("decisions with a snapshot out of force", older_snapshot),
    ("decisions against their snapshot", other_decision),
    ("refusals that are not certain", certainly_refused),
    ("unexplained failures", failed_for_no_reason),
    ("exchanges not on record", forgotten_exchanges),
    ("wrong images", other_image),
    ("wrong final states", lost_account),
    ("wrong final states", lost_change),
    ("wrong final states", lost_members),
]


@pytest.mark.parametrize(("check", "breaks"), BROKEN, ids=lambda one: getattr(one, "__name__", one))
def test_a_broken_promise_is_found(evidence, check, breaks):
    assert list(CHECKS[check](breaks(evidence))) != []


@pytest.mark.parametrize("deleted", [True, False])
def test_only_a_deleted_entity_may_lose_its_account_to_another_of_its_name(evidence, deleted):
    lost = delivered(evidence)
    person = evidence.record.people[lost.entity_id]
    people = {**evidence.record.people, person.id: replace(person, deleted=deleted), "heir": replace(person, id="heir")}

    def inherited(seen):
        resources = [
            {**one, "externalId": "heir"} if one.get("externalId") == person.id else one for one in seen.resources
        ]
        return replace(seen, resources=resources)

    changed = replace(with_seen(evidence, inherited), record=replace(evidence.record, people=people))
    missing = [line for line in CHECKS["wrong final states"](changed) if person.id in line and "missing" in line]
    assert (missing == []) is deleted


def test_every_check_is_proved():
    assert {check for check, _ in BROKEN} == set(CHECKS)
