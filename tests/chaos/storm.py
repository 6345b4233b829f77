"""A storm from its beginning to its end: `storm(plan, folder)` answers the evidence."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import record
from tests.chaos.administrator import Administrator
from tests.chaos.clients import Accepted, Client, Ledger
from tests.chaos.cluster import Cluster, DatabaseKind, Killer, cluster
from tests.chaos.evidence import Evidence, Seen
from tests.chaos.people import Entity, Household
from tests.chaos.record import Record
from tests.chaos.rules import Editor
from tests.chaos.target import Target, target
from tests.support.service import Api, eventually, row

PATIENCE = {
    "firstRetry": 0.1,
    "longestRetry": 1.0,
    "giveUpAfter": 86400,
    "exchangeTimeout": 2,
    "deleteLinkedAccounts": True,
}
CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the storm is. `pace` is the longest rest of a client between two operations, in seconds.

    `pause` is how long the killer rests, at least and at most; `edit_every` how long a policy is in force and
    `steer_every` how long an administrator rests. `drain` is the longest wait for what is under way after the storm.
    """

    seed: str
    database: DatabaseKind
    operations: int
    clients: int = 4
    shared: int = 6
    pace: float = 0.3
    pause: tuple[float, float] = (2.0, 5.0)
    edit_every: float = 2.0
    steer_every: float = 0.4
    drain: float = 120.0
    most_users: int = 40


@dataclass(frozen=True)
class Aftermath:
    """What came of it; `kills` is how many processes were killed, `seconds` how long the storm blew."""

    evidence: Evidence
    kills: int
    edits: int
    seconds: float
    ledger: Ledger


def storm(plan: Plan, folder: Path) -> Aftermath:
    """Set everything up, let it storm, calm down, try the dead letters again, and collect the evidence."""
    with ExitStack() as stack:
        targets = [
            stack.enter_context(target("strict", f"{plan.seed}:strict")),
            stack.enter_context(target("lax", f"{plan.seed}:lax", lax=True)),
        ]
        whole = stack.enter_context(cluster(plan.database, folder))
        return _Storm(plan, whole, targets).blow()


class _Storm:
    def __init__(self, plan: Plan, whole: Cluster, targets: Sequence[Target]) -> None:
        self._plan = plan
        self._whole = whole
        self._targets = targets
        self._api = Api(whole.first.base)
        self._ledger = Ledger()
        self._numbers = itertools.count(1)
        self._households: list[Household] = []

    def blow(self) -> Aftermath:
        """The storm, the calm after it, and the evidence."""
        self._set_up()
        editor = Editor(self._whole.first, self._plan.edit_every)
        killer = Killer(self._whole, self._plan.seed, pause=self._plan.pause)
        administrator = Administrator(self._any_address, self._plan.seed, every=self._plan.steer_every)
        began = time.monotonic()
        self._tell("storm")
        self._rage(editor, killer, administrator)
        self._tell("calm")
        seconds = time.monotonic() - began
        self._drain()
        storm, seen_in_storm = record.read(self._whole.url), self._look()
        self._retry_dead_letters(storm)
        self._drain()
        evidence = Evidence(
            accepted=self._ledger.accepted,
            entities=[one for household in self._households for one in household.entities],
            complaints=[*self._ledger.complaints, *editor.complaints, *killer.complaints, *administrator.complaints],
            reigns=editor.reigns,
            cancelled=frozenset(administrator.cancelled),
            storm=storm,
            record=record.read(self._whole.url),
            seen_in_storm=seen_in_storm,
            seen=self._look(),
            logs=list(self._whole.logs()),
        )
        return Aftermath(evidence, killer.kills, len(editor.reigns) - 1, seconds, self._ledger)

    # -- before -------------------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        """Providers, accounts that others made at the strict target, and the users whom all clients change."""
        for one in self._targets:
            self._api.identity_provider(one.name, "scim2", one.properties, delivery=PATIENCE)
        rows = [row(one.name, blocking=False, rules=True) for one in self._targets]
        self._api.service_provider("in-background", *rows)
        self._api.service_provider("blocking", *({**one, "blocking": True} for one in rows))
        strict = self._targets[0]
        for client in range(self._plan.clients):
            for number in (2, 5, 9):
                foreign = {"schemas": [CORE_USER], "userName": f"c{client}-user-{number}", "title": "set by others"}
                strict.tell("accounts", foreign)
        shared = self._shared()
        self._households = [self._household(f"c{number}", shared) for number in range(self._plan.clients)]

    def _household(self, names: str, shared: tuple[Entity, ...]) -> Household:
        return Household(
            names,
            random.Random(f"{self._plan.seed}:{names}"),
            self._numbers,
            providers=("in-background", "blocking"),
            shared=shared,
            most_users=self._plan.most_users,
        )

    def _shared(self) -> tuple[Entity, ...]:
        """Users who exist before the storm, and whom it will change from all sides."""
        household = self._household("all", ())
        for number in range(self._plan.shared):
            operation = household.create("user", f"all-user-{number}")
            operation.body["serviceProvider"] = "in-background"
            taken = self._api.post("/provisioning-requests", operation.body)
            household.accepted(operation, taken["entity"]["id"])
            self._ledger.accepted.append(
                Accepted(
                    operation=operation,
                    request_id=taken["id"],
                    entity_id=taken["entity"]["id"],
                    shared=True,
                    order=number,
                )
            )
        return tuple(household.entities)

    # -- during -------------------------------------------------------------------------------------------------------

    def _rage(self, editor: Editor, killer: Killer, administrator: Administrator) -> None:
        """Let the clients send, the others edit, kill and steer, until every operation was sent."""
        count = self._plan.operations // self._plan.clients
        clients = [
            Client(
                household,
                self._ledger,
                count,
                seed=self._plan.seed,
                addresses=self._whole.addresses,
                pace=self._plan.pace,
            )
            for household in self._households
        ]
        for thread in (*clients, editor, killer, administrator):
            thread.start()
        for client in clients:
            client.join()
        for other in (administrator, killer, editor):
            other.finish()

    def _any_address(self) -> str:
        return random.choice(self._whole.addresses())

    def _tell(self, what: str) -> None:
        for one in self._targets:
            one.tell(what)

    # -- after --------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Wait until every delivery has its outcome; what has none by then is found by the checks."""
        try:
            eventually(
                lambda: record.open_count(self._whole.url) == 0,
                "nothing is under way",
                timeout=self._plan.drain,
                every=0.5,
            )
        except AssertionError:
            self._ledger.complaints.append(f"deliveries were under way {self._plan.drain:.0f} s after the storm")

    def _look(self) -> Mapping[str, Seen]:
        told = {one: one.tell("everything") for one in self._targets}
        return {one.name: Seen(one.name, one.lax, it["resources"], it["journal"]) for one, it in told.items()}

    def _retry_dead_letters(self, storm: Record) -> None:
        """As an administrator does once the target is well again."""
        for delivery in storm.deliveries:
            if delivery.state == "failed":
                self._api.post(f"/deliveries/{delivery.id}/retry")
