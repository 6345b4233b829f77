"""What each target must hold in the end: computed from what was accepted, and from the policies' recorded outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.evidence import Evidence, Seen, content, marked, whose
from tests.chaos.record import Delivery, Person

GONE = frozenset({"deleted", "already-gone", "nothing-to-do"})
Image = Mapping[str, Any]


def wrong_states(evidence: Evidence) -> Iterator[str]:
    """Accounts and groups that are not as the last delivery of their entity leaves them, and members that are not."""
    lasts = _last_deliveries(evidence)
    for name, seen in evidence.seen.items():
        expected = _expected(evidence, seen)
        for person in evidence.record.people.values():
            wanted = expected.get(person.id)
            found = seen.accounts.get(person.id, [])
            where = f"{person.kind} {person.name} ({person.id}) at {name}"
            if wanted is None or not found:
                if wanted is not None or found:
                    yield f"{where}: {'missing' if wanted is not None else 'should not be there'}"
                continue
            if content(found[0]) != content(wanted):
                yield f"{where}: {content(found[0])}, not {content(wanted)}"
            if person.kind == "group" and lasts[name, person.id].state == "delivered":
                yield from (f"{where}: {what}" for what in _wrong_members(evidence, seen, person, found[0]))


def _expected(evidence: Evidence, seen: Seen) -> dict[str, Image | None]:
    """The image of each entity's account; None where it must have none.

    A delivery that was not confirmed leaves no trace, unless the target's own journal says that it was done: a create
    whose answer was lost, and which the policies refused to repeat.
    """
    done, taken_over = _done(evidence, seen), _taken_over(evidence, seen)
    states: dict[str, Image | None] = {}
    for lane in evidence.record.lanes().values():
        for delivery in lane:
            if delivery.target != seen.name:
                continue
            if delivery.state == "delivered" or delivery.id in done:
                states[delivery.entity_id] = _after(evidence, delivery)
    return states | dict.fromkeys(taken_over)


def _taken_over(evidence: Evidence, seen: Seen) -> set[str]:
    """The deleted entities whose account a later bearer of their name has: its removal was cancelled before.

    A target whose names are unique holds one account of a name, and the service gives it to whoever has the name now.
    """
    people = evidence.record.people
    holders = {str(one["id"]): people.get(str(one.get("externalId"))) for one in seen.resources}
    found = set()
    for change in seen.changes:
        before, holder = people.get(whose(change)), holders.get(str(change["identifier"]))
        if before is None or holder is None or before.id == holder.id or not before.deleted:
            continue
        if (before.kind, before.name.casefold()) == (holder.kind, holder.name.casefold()):
            found.add(before.id)
    return found


def _done(evidence: Evidence, seen: Seen) -> set[str]:
    """The deliveries that the target's journal says were done, whatever the service heard of it."""
    removed = {one["path"] for one in seen.changes if one["method"] == "DELETE"}
    marks = [evidence.delivery(seen.name, marked(one) or "") for one in seen.changes]
    return {one.id for one in marks if one is not None} | {
        one.id
        for one in evidence.record.deliveries
        if one.target == seen.name and any(sent.method == "DELETE" and sent.path in removed for sent in one.exchanges)
    }


def _after(evidence: Evidence, delivery: Delivery) -> Image | None:
    person = evidence.record.people[delivery.entity_id]
    if delivery.operation == "delete" or delivery.outcome in GONE or (delivery.of_now and person.deleted):
        return None
    return person.image if delivery.of_now else delivery.image


def _last_deliveries(evidence: Evidence) -> dict[tuple[str, str], Delivery]:
    """The last delivery of each entity to each target."""
    return {(one.target, one.entity_id): one for lane in evidence.record.lanes().values() for one in lane}


def _wrong_members(evidence: Evidence, seen: Seen, group: Person, found: Image) -> Iterator[str]:
    """All present members that have an account, but for those whose omission is on record.

    A leaver whose removal was refused keeps the account, and with it the membership: nobody was to touch either.
    """
    there = {str(one["value"]) for one in found.get("members") or ()}
    wanted = {seen.accounts[one][0]["id"]: one for one in group.members if one in seen.accounts}
    omitted = evidence.record.omitted.get((seen.name, group.id), frozenset())
    for identifier in wanted.keys() - there:
        if wanted[identifier] not in omitted:
            yield f"the member {evidence.record.people[wanted[identifier]].name} ({identifier}) is missing"
    gone = [one.id for one in evidence.record.people.values() if one.deleted]
    kept = {seen.accounts[one][0]["id"] for one in gone if one in seen.accounts}
    for identifier in there - wanted.keys() - kept:
        yield f"{identifier} should be no member"
