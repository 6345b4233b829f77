"""What may go wrong with one request at a target, and how often. Seeded: the n-th request of a seed has its fate."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

Answer = Literal["own", "status", "none", "half", "hang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Whether the target does as asked, and what the caller hears of it.

    `answer`: the target's `own`; a `status` instead; `none`, the connection is closed; `half` of it, then closed; or
    the caller is left to `hang`. `before` and `after` are seconds of delay around the doing. `retry_after` is `seconds`
    or `date`.
    """

    name: str
    applies: bool = True
    answer: Answer = "own"
    status: int = 0
    before: float = 0.0
    after: float = 0.0
    retry_after: Literal["", "seconds", "date"] = ""
    unsafe_only: bool = False

    def headers(self) -> dict[str, str]:
        """How long to leave the target alone, where the fault says so: about a second, as every form of it allows."""
        if self.retry_after == "seconds":
            return {"Retry-After": "1"}
        if self.retry_after == "date":
            return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}
        return {}


def _refusal(status: int, *, retry_after: Literal["", "seconds", "date"] = "", unsafe_only: bool = False) -> Fault:
    name = f"answers {status}{f' with Retry-After ({retry_after})' if retry_after else ''}"
    return Fault(
        name=name, applies=False, answer="status", status=status, retry_after=retry_after, unsafe_only=unsafe_only
    )


WELL = Fault(name="well")

# Shares of a thousand requests. What a target refuses for good is rare: each one is a dead letter.
SHARES: tuple[tuple[int, Fault], ...] = (
    (25, Fault(name="is slow to begin", before=0.6)),
    (25, Fault(name="is slow to answer", after=0.6)),
    (40, Fault(name="applies and drops the connection", answer="none")),
    (20, Fault(name="drops the connection", applies=False, answer="none")),
    (25, Fault(name="applies and closes early", answer="half")),
    (8, Fault(name="applies and hangs", answer="hang")),
    (7, Fault(name="hangs", applies=False, answer="hang")),
    (20, Fault(name="applies and answers 500", answer="status", status=500)),
    (12, _refusal(500)),
    (8, _refusal(502)),
    (10, _refusal(503)),
    (8, _refusal(408)),
    (4, _refusal(425)),
    (12, _refusal(429)),
    (4, _refusal(429, retry_after="seconds")),
    (3, _refusal(429, retry_after="date")),
    (3, _refusal(503, retry_after="seconds")),
    (4, _refusal(409, unsafe_only=True)),
    (2, _refusal(400, unsafe_only=True)),
    (2, _refusal(403, unsafe_only=True)),
    (2, _refusal(422, unsafe_only=True)),
)


def fate(seed: str, number: int, *, safe: bool) -> Fault:
    """What happens to a target's request of that number; `safe`: it only reads."""
    source = random.Random(f"{seed}:{number}")
    drawn = source.randrange(1000)
    for share, fault in SHARES:
        drawn -= share
        if drawn < 0:
            return WELL if safe and fault.unsafe_only else fault
    return WELL
