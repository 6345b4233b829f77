"""One action on many deliveries: each in a transaction of its own, so that nothing waits for the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from service.provisioning.steering import Steering
from service.provisioning.submission import RequestRefused
from service.store import ledger, transitions
from service.store.database import Database

Action = Literal["retry", "cancel", "approve", "reject"]

STATES: Mapping[Action, tuple[str, ...]] = {
    "retry": ("failed", "retrying"),
    "cancel": transitions.WAITING,
    "approve": ("awaiting-approval",),
    "reject": ("awaiting-approval",),
}
"""What an action can be done to."""

AT_ONCE = 500
"""Deliveries in one call; its answer says where to go on."""


@dataclass(slots=True)
class Outcome:
    """What one call came to. `matched` counts all that the filter means from here on; `next`: where to go on after."""

    matched: int = 0
    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    next: str | None = None


class Bulk:
    """Does an action to the deliveries that a filter of the listing means, those among them that it can be done to."""

    def __init__(self, database: Database, steering: Steering) -> None:
        self._database = database
        self._steering = steering

    def count(self, action: Action, filters: Mapping[str, Any]) -> Outcome:
        """How many it would be; nothing is done."""
        with self._database.read() as tx:
            return Outcome(matched=ledger.count_matching(tx, filters, STATES[action]))

    def run(self, action: Action, filters: Mapping[str, Any], *, after: str, principal: str, comment: str) -> Outcome:
        """Do it to the next `AT_ONCE` after that id, the oldest first."""
        with self._database.read() as tx:
            matched = ledger.count_matching(tx, filters, STATES[action], after)
            ids = ledger.matching(tx, filters, STATES[action], after, AT_ONCE)
        outcome = self.each(action, ids, principal=principal, comment=comment)
        outcome.matched, outcome.next = matched, ids[-1] if matched > len(ids) else None
        return outcome

    def each(self, action: Action, ids: Sequence[str], *, principal: str, comment: str = "") -> Outcome:
        """Do it to these deliveries, in this order."""
        outcome = Outcome(matched=len(ids))
        act = self._act(action, principal, comment)
        for one in ids:
            try:
                act(one)
            except RequestRefused as refused:
                outcome.refused.append((one, "; ".join(message for _, message in refused.problems)))
            else:
                outcome.done += 1
        return outcome

    def _act(self, action: Action, principal: str, comment: str) -> Callable[[str], None]:
        if action == "retry":
            return self._steering.retry
        if action == "cancel":
            return lambda one: self._steering.cancel(one, principal)
        change = self._steering.approve if action == "approve" else self._steering.reject
        return lambda one: change(one, principal, comment)
