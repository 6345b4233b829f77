"""The policies of the storm: two files by turns, one of which denies the contested department as well."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from tests.support.gate import XACML, is_in
from tests.support.service import Api, Service, eventually

DEPARTMENT = "http://wso2.org/claims/department"
USER = "http://wso2.org/identity/user"
FILE = "storm.xml"
OPEN: tuple[str, ...] = ("forbidden",)
SHUT: tuple[str, ...] = ("forbidden", "contested")


def text(denied: tuple[str, ...], edition: int = 0) -> str:
    """A policy that permits all but these departments. No two editions make the same snapshot."""
    rules = "".join(_deny(department) for department in denied)
    return f"""<Policy {XACML} PolicyId="storm" Version="1.{edition}"
      RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides">
      <Target/>{rules}<Rule RuleId="everybody-else" Effect="Permit"/></Policy>"""


def _deny(department: str) -> str:
    condition = is_in(department, DEPARTMENT, USER)
    return f'<Rule RuleId="not-{department}" Effect="Deny"><Condition>{condition}</Condition></Rule>'


@dataclass(frozen=True, slots=True)
class Reign:
    """That a snapshot was surely in force from `since` until `until` (seconds of the machine's clock).

    No snapshot reigns twice: whatever was decided with it was decided then, or in the moments before and after.
    """

    snapshot: str
    denied: tuple[str, ...]
    since: float
    until: float


class Editor(threading.Thread):
    """Turns Permit into Deny and back until told to stop, and notes what was surely in force when."""

    def __init__(self, service: Service, every: float) -> None:
        super().__init__(name="policy-editor", daemon=True)
        self.reigns: list[Reign] = []
        self.complaints: list[str] = []
        self._service = service
        self._api = Api(service.base)
        self._every = every
        self._denied = OPEN
        self._since = time.time()
        self._snapshot = self._in_force()["hash"]
        self._ending = threading.Event()

    @property
    def denied_by(self) -> dict[str, tuple[str, ...]]:
        """Which departments each snapshot denies."""
        return {reign.snapshot: reign.denied for reign in self.reigns}

    def run(self) -> None:
        """Edit, wait until it is in force, rest."""
        try:
            while not self._ending.wait(self._every):
                self._turn(SHUT if self._denied == OPEN else OPEN)
            self._turn(OPEN)
        except Exception as error:  # noqa: BLE001 - it is told with the other complaints
            self.complaints.append(f"the policies could not be edited: {error!r}")

    def finish(self) -> None:
        """Leave the policy that permits most in force, and end."""
        self._ending.set()
        self.join()
        self._note(time.time())

    def _turn(self, denied: tuple[str, ...]) -> None:
        if denied == self._denied:
            return
        self._note(time.time())
        self._service.write_policy(FILE, text(denied, len(self.reigns)))
        before = self._snapshot
        found = eventually(lambda: self._newer(before), "the edited policy is in force", timeout=120, every=0.1)
        self._denied, self._snapshot, self._since = denied, found, time.time()

    def _note(self, until: float) -> None:
        self.reigns.append(Reign(self._snapshot, self._denied, self._since, until))

    def _newer(self, before: str) -> str | None:
        try:
            found = self._in_force()
        except OSError:  # the service was killed, and comes back
            return None
        return found["hash"] if found["hash"] != before else None

    def _in_force(self) -> Any:
        return self._api.get("/policies")["snapshot"]
