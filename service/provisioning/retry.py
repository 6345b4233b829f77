"""What an attempt that went wrong leads to. Pure: the clock and the randomness come in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import ConnectorError, CredentialsRejected, TargetThrottled, TargetUnavailable
from connectors.pinning import NoReply
from service.providers import DeliverySettings

LONGEST_PATIENCE = timedelta(days=1)
"""No target may ask for more."""

LATER = (TargetUnavailable, TargetThrottled, CredentialsRejected, NoReply)


@dataclass(frozen=True, slots=True)
class Later:
    """Try again at `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Never:
    """A dead letter."""


def after(
    error: Exception,
    *,
    attempts: int,
    tried_since: datetime,
    now: datetime,
    settings: DeliverySettings,
    source: random.Random,
) -> Later | Never:
    """Whether and when to try again after the error of attempt number `attempts`."""
    if not isinstance(error, LATER):
        return Never()
    delay = backoff(attempts, settings, source)
    if isinstance(error, TargetThrottled) and (asked := patience(error, settings)) is not None:
        delay = max(delay, asked)
    return Never() if now + delay > tried_since + settings.give_up_after else Later(now + delay)


def patience(error: TargetThrottled, settings: DeliverySettings) -> timedelta | None:
    """How long the target asks to be left alone: it knows best, within reason. None when it did not say."""
    if error.retry_after is None:
        return None
    return min(timedelta(seconds=error.retry_after), max(LONGEST_PATIENCE, settings.longest_retry))


def backoff(attempts: int, settings: DeliverySettings, source: random.Random) -> timedelta:
    """Exponential backoff with full jitter: uniform between zero and `first_retry * 2 ** (attempts - 1)`."""
    doubled = settings.first_retry * float(2 ** min(attempts - 1, 32))
    return min(doubled, settings.longest_retry) * source.random()


def describe(error: Exception) -> dict[str, Any]:
    """The error as it is recorded: what kind, what happened, and what the target said."""
    if isinstance(error, ConnectorError):
        recorded = {"kind": error.kind, "message": error.message, "status": error.status, "detail": error.detail}
        return {k: v for k, v in recorded.items() if v is not None}
    if isinstance(error, NoReply):
        return {"kind": "no-reply", "message": str(error)}
    return {"kind": "fault", "message": f"the connector failed: {type(error).__name__}"}
