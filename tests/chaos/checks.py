"""The promises, checked exactly. Each check answers the violations that it found, as sentences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Seen, marked, whose
from tests.chaos.final_state import wrong_states
from tests.chaos.gate_checks import (
    certain_refusals,
    decisions_against_the_snapshot,
    exchanges_after_a_deny,
    exchanges_without_a_permit,
    snapshots_out_of_force,
)

FINAL = frozenset({"delivered", "refused", "failed", "cancelled"})
REFUSED_FOR_GOOD = frozenset({400, 403, 409, 422})
BUGS = ("unexpected error", "runner stumbled", "connector failed", "the policies could not be asked", "panicked")


def complaints(evidence: Evidence) -> Iterator[str]:
    """What clients, editor and killer had to complain of, and what the service itself logged as its fault."""
    yield from evidence.complaints
    for name, text in evidence.logs:
        yield from (f"{name}: {line[:4000]}" for line in text.splitlines() if any(bug in line for bug in BUGS))


def lost(evidence: Evidence) -> Iterator[str]:
    """Accepted, and without a final outcome."""
    for one in evidence.accepted:
        state = evidence.record.requests.get(one.request_id)
        if state in {None, "pending"}:
            yield f"operation {one.operation.number}, request {one.request_id}: {state or 'is not there'}"
    for record in (evidence.storm, evidence.record):
        for delivery in record.deliveries:
            if delivery.state not in FINAL:
                yield f"delivery {delivery.id} to {delivery.target} is {delivery.state}"


def twice_accepted(evidence: Evidence) -> Iterator[str]:
    """Requests on record that no client asked for, or asked for once."""
    known = Counter(one.request_id for one in evidence.accepted)
    yield from (f"request {one} answers {count} operations" for one, count in known.items() if count > 1)
    asked = evidence.record.requests.keys() - evidence.record.own
    yield from (f"request {one} answers no operation" for one in sorted(asked) if one not in known)


def accounts_twice(evidence: Evidence) -> Iterator[str]:
    """More than one account of an entity at a target, now or ever."""
    for target, seen in evidence.seen.items():
        for entity, accounts in seen.accounts.items():
            if entity and len(accounts) > 1:
                yield f"{entity} has {len(accounts)} accounts at {target}"
        made = Counter(whose(one) for one in seen.changes if one["method"] == "POST")
        yield from (f"{entity} was created {count} times at {target}" for entity, count in made.items() if count > 1)


def strangers(evidence: Evidence) -> Iterator[str]:
    """Accounts that carry the id of no entity, and those of others that were touched without need."""
    for target, seen in evidence.seen.items():
        for entity in seen.accounts:
            if entity and entity not in evidence.record.people:
                yield f"{target} has an account of the unknown entity {entity}"


def order(evidence: Evidence) -> Iterator[str]:
    """A target saw an operation of a lane after a later one, or on another entity's account."""
    for target, seen in evidence.seen_in_storm.items():
        yield from _order_at(evidence, target, seen)


def _order_at(evidence: Evidence, target: str, seen: Seen) -> Iterator[str]:
    removals = {
        sent.path: delivery
        for delivery in evidence.storm.deliveries
        for sent in delivery.exchanges
        if delivery.target == target and sent.method == "DELETE"
    }
    owners: dict[str, str] = {}
    last: dict[str, int] = {}
    for change in seen.changes:
        owner = owners[change["identifier"]] = whose(change) or owners.get(change["identifier"], "")
        label = marked(change)
        removes = change["method"] == "DELETE"
        delivery = removals.get(change["path"]) if removes else evidence.delivery(target, label or "")
        if delivery is None:
            if removes or label is not None:
                yield f"{target}: {change['method']} {change['path']} (change {change['applied']}) has no delivery"
            continue
        # An account that others made is linked before it is ours; it may go before it was written.
        if owner != delivery.entity_id and not (removes and owner == ""):
            yield f"{target}: change {change['applied']} of {delivery.entity_id} went to the account of {owner}"
        if delivery.sequence < last.get(delivery.lane, 0):
            yield f"{target}: number {delivery.sequence} of lane {delivery.lane} came after {last[delivery.lane]}"
        last[delivery.lane] = max(delivery.sequence, last.get(delivery.lane, 0))


def order_of_acceptance(evidence: Evidence) -> Iterator[str]:
    """A client's later operation on an entity has an earlier place in a lane."""
    orders = {one.request_id: one.order for one in evidence.accepted if not one.shared}
    for lane, deliveries in evidence.storm.lanes().items():
        mine = [orders[one.request_id] for one in deliveries if one.request_id in orders]
        if mine != sorted(mine):
            yield f"lane {lane} is not in the order in which its operations were accepted: {mine}"


def unexplained_failures(evidence: Evidence) -> Iterator[str]:
    """Dead letters that no target asked for; and any that are left once the targets are calm."""
    for one in evidence.storm.deliveries:
        if one.state == "failed" and one.error.get("status") not in REFUSED_FOR_GOOD:
            yield f"delivery {one.id} to {one.target} failed: {one.error}"
    for one in evidence.record.deliveries:
        if one.state == "failed" or (one.state == "cancelled" and one.id not in evidence.cancelled):
            yield f"delivery {one.id} to {one.target} is {one.state} in the end: {one.error}"


def unrecorded(evidence: Evidence) -> Iterator[str]:
    """Requests at a target that were not on record before they were sent."""
    recorded = Counter(
        (delivery.target, sent.method, sent.path, sent.query)
        for delivery in evidence.record.deliveries
        for sent in delivery.exchanges
    )
    for target, seen in evidence.seen.items():
        received = Counter((target, one["method"], one["path"], one["query"]) for one in seen.journal)
        for request, count in received.items():
            if count > recorded[request]:
                yield f"{' '.join(request)}: received {count} times, on record {recorded[request]} times"


def images(evidence: Evidence) -> Iterator[str]:
    """The service has another image, or other members, of an entity than its client."""
    for entity in evidence.entities:
        known = evidence.record.people.get(entity.id)
        if known is None:
            yield f"{entity.kind} {entity.name} is not known"
        elif known.deleted == entity.alive:
            yield f"{entity.kind} {entity.name} is {'deleted' if known.deleted else 'alive'}"
        elif any(known.image.get(key) != value for key, value in entity.image.items()):
            yield f"{entity.kind} {entity.name} is {dict(known.image)}, not {entity.image}"
        elif entity.alive and known.members != entity.members:
            yield f"group {entity.name} has the members {sorted(known.members)}, not {sorted(entity.members)}"


CHECKS = {
    "complaints": complaints,
    "lost": lost,
    "accepted twice": twice_accepted,
    "accounts twice": accounts_twice,
    "accounts of strangers": strangers,
    "order violations": order,
    "order of acceptance": order_of_acceptance,
    "exchanges after a Deny": exchanges_after_a_deny,
    "exchanges without a Permit": exchanges_without_a_permit,
    "decisions with a snapshot out of force": snapshots_out_of_force,
    "decisions against their snapshot": decisions_against_the_snapshot,
    "refusals that are not certain": certain_refusals,
    "unexplained failures": unexplained_failures,
    "exchanges not on record": unrecorded,
    "wrong images": images,
    "wrong final states": wrong_states,
}


def violations(evidence: Evidence) -> dict[str, list[str]]:
    """What each check found."""
    return {name: list(check(evidence)) for name, check in CHECKS.items()}
