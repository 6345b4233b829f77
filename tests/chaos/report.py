"""What a storm counted, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.chaos.evidence import tally
from tests.chaos.storm import Aftermath, Plan

SHOWN = 12


def report(plan: Plan, after: Aftermath, found: Mapping[str, list[str]]) -> str:
    """Seed, counts and violations as lines of text."""
    return "\n".join([*_counts(plan, after), *_violations(found)])


def _counts(plan: Plan, after: Aftermath) -> Iterator[str]:
    evidence = after.evidence
    people = evidence.record.people.values()
    tries = [one for delivery in evidence.record.deliveries for one in delivery.tries]
    yield f"chaos on {plan.database}: seed {plan.seed}, {after.seconds:.0f} s, {after.kills} kills, {after.edits} edits"
    yield (
        f"  {len(evidence.accepted)} operations accepted on {len(people)} entities"
        f" ({after.ledger.sent} sent, {after.ledger.sent_again} of them again)"
    )
    yield f"  operations: {_words(tally(one.operation.what for one in evidence.accepted))}"
    yield f"  deliveries after the storm: {_words(tally(one.state for one in evidence.storm.deliveries))}"
    yield f"  outcomes in the end: {_words(tally(str(one.outcome or one.state) for one in evidence.record.deliveries))}"
    exchanges = sum(len(one.exchanges) for one in tries)
    yield f"  {len(tries)} attempts, {exchanges} exchanges, {_ambiguous(after)} of them ambiguous"
    for name, seen in evidence.seen.items():
        yield f"  {name}: {len(seen.journal)} requests, {len(seen.changes)} changes, {len(seen.resources)} resources"
        faults = tally(one["fault"] for one in seen.journal if one["fault"] != "well")
        yield f"    faults: {_words(faults)}"


def _ambiguous(after: Aftermath) -> int:
    """How many unsafe exchanges were left without an answer, or with one that says nothing."""
    exchanges = (sent for one in after.evidence.record.deliveries for sent in one.exchanges)
    return sum(not sent.safe and (sent.status is None or sent.status >= 500) for sent in exchanges)


def _violations(found: Mapping[str, list[str]]) -> Iterator[str]:
    for name, lines in found.items():
        yield f"  {len(lines)} {name}"
        yield from (f"    {line}" for line in lines[:SHOWN])


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
