"""What is known after a storm, put side by side: what clients were told, what the service wrote, what targets saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.chaos.clients import Accepted
from tests.chaos.people import Entity, mark, mark_in
from tests.chaos.record import Delivery, Record
from tests.chaos.rules import Reign

NOT_CONTENT = frozenset({"id", "meta", "schemas", "externalId", "members"})


@dataclass(frozen=True)
class Seen:
    """What one target holds and what it received; `Entry` of `accounts` as JSON, in order."""

    name: str
    lax: bool
    resources: Sequence[Mapping[str, Any]]
    journal: Sequence[Mapping[str, Any]]

    @cached_property
    def changes(self) -> list[Mapping[str, Any]]:
        """The requests that changed something, in the order in which they did."""
        return sorted((one for one in self.journal if one["applied"] is not None), key=lambda one: one["applied"])

    @cached_property
    def accounts(self) -> dict[str, list[Mapping[str, Any]]]:
        """The resources of each entity, by externalId; those of nobody under an empty one."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for resource in self.resources:
            found.setdefault(str(resource.get("externalId") or ""), []).append(resource)
        return found


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything. `storm` and `seen_in_storm` are from before the dead letters were tried again, the others from after.

    `entities` are those of the clients that nobody else changed, `cancelled` the deliveries that somebody wanted to
    cancel.
    """

    accepted: Sequence[Accepted]
    entities: Sequence[Entity]
    complaints: Sequence[str]
    reigns: Sequence[Reign]
    cancelled: frozenset[str]
    storm: Record
    record: Record
    seen_in_storm: Mapping[str, Seen]
    seen: Mapping[str, Seen]
    logs: Sequence[tuple[str, str]]

    @cached_property
    def request_of(self) -> dict[str, str]:
        """The request of each mark."""
        return {mark(one.operation.number): one.request_id for one in self.accepted}

    @cached_property
    def _deliveries(self) -> dict[tuple[str, str], Delivery]:
        return {(one.request_id, one.target): one for one in self.storm.deliveries}

    def delivery(self, target: str, marked: str) -> Delivery | None:
        """The delivery to a target that a mark belongs to, as it was after the storm."""
        return self._deliveries.get((self.request_of.get(marked, ""), target))

    @cached_property
    def denied_by(self) -> dict[str, tuple[str, ...]]:
        """Which departments each snapshot denies."""
        return {reign.snapshot: reign.denied for reign in self.reigns}


def whose(change: Mapping[str, Any]) -> str:
    """The externalId that a request of the journal gives its resource; empty when it says nothing of it."""
    body = change["body"] or {}
    if "Operations" in body:
        named = [one["value"] for one in body["Operations"] if one.get("path") == "externalId"]
        return str(named[-1]) if named else ""
    return str(body.get("externalId") or "")


def marked(change: Mapping[str, Any]) -> str | None:
    """The mark that a request of the journal carries."""
    return mark_in(change["body"]) if change["body"] else None


def content(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what a target adds, and without members."""
    return {key: value for key, value in resource.items() if key not in NOT_CONTENT and value not in (None, [], {})}


def tally(values: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
