"""Nothing leaves after a Deny: every exchange against the decision before it, every decision against the policies."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, marked
from tests.support.gate import ENTERPRISE


def exchanges_after_a_deny(evidence: Evidence) -> Iterator[str]:
    """A refused delivery was sent after its refusal, or a target heard of one that was refused before it was tried."""
    for delivery in evidence.storm.deliveries:
        if delivery.state != "refused":
            continue
        refused_at = max(one.decided_at for one in delivery.decisions)
        late = [one for one in delivery.exchanges if one.sent_at > refused_at]
        if late or delivery.decisions[-1].gate != "refused":
            yield f"delivery {delivery.id} to {delivery.target}: {len(late)} exchanges after its refusal"
    for target, seen in evidence.seen_in_storm.items():
        for entry in seen.journal:
            delivery_of = evidence.delivery(target, marked(entry) or "")
            if delivery_of is not None and not delivery_of.tries:
                yield f"{target} heard of delivery {delivery_of.id}, which was never tried: it is {delivery_of.state}"


def exchanges_without_a_permit(evidence: Evidence) -> Iterator[str]:
    """An attempt that sent something, and whose own decision did not open the gate."""
    for delivery in evidence.record.deliveries:
        for one in delivery.tries:
            if one.exchanges and (one.gate != "open" or one.snapshot is None):
                yield f"delivery {delivery.id}, attempt {one.number}: the gate was {one.gate}"


def snapshots_out_of_force(evidence: Evidence) -> Iterator[str]:
    """An attempt was decided with an older snapshot than the one that was surely in force when it began.

    A newer one is right: who waits for the database meanwhile decides with what is in force then.
    """
    numbers = {reign.snapshot: number for number, reign in enumerate(evidence.reigns)}
    for delivery in evidence.record.deliveries:
        for one in delivery.tries:
            surely = [number for number, reign in enumerate(evidence.reigns) if reign.since < one.started_at]
            if numbers.get(one.snapshot or "", -1) < max(surely, default=-1):
                yield f"delivery {delivery.id}, attempt {one.number}: decided with {one.snapshot}"


def decisions_against_the_snapshot(evidence: Evidence) -> Iterator[str]:
    """A decision is not what the policies of its snapshot say about the department."""
    for delivery in evidence.storm.deliveries:
        department = delivery.image.get(ENTERPRISE, {}).get("department")
        for one in delivery.decisions:
            denied = evidence.denied_by.get(one.snapshot or "")
            if denied is None:
                yield f"delivery {delivery.id}: decided with the unknown snapshot {one.snapshot}"
            elif one.gate != ("refused" if department in denied else "open"):
                yield f"delivery {delivery.id}: {one.gate} for {department} by {one.snapshot}"


def certain_refusals(evidence: Evidence) -> Iterator[str]:
    """A create was refused after the target had done it, and nothing says that this may be so.

    Where the account was found before the refusal, or the target had confirmed it, there is a link to say so.
    """
    for target, seen in evidence.seen_in_storm.items():
        for change in seen.changes:
            delivery = evidence.delivery(target, marked(change) or "") if change["method"] == "POST" else None
            if delivery is None or delivery.state != "refused" or delivery.uncertain:
                continue
            if not any(sent.method != "GET" and (sent.method != "POST" or sent.good) for sent in delivery.exchanges):
                yield f"delivery {delivery.id} to {target} was refused, and is said not to have created anything"
