"""What delivery is handed by the composition root, so that it builds nothing itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from connectors.connector import Connector, Reply, Request
from service.pap import CurrentSnapshot
from service.store.database import Database
from service.store.secrets import Vault


class Send(Protocol):
    """Sends one request within `timeout`; raises `connectors.pinning.NoReply`."""

    def __call__(self, request: Request, timeout: timedelta) -> Reply:
        """The target's answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts that delivery works with; all are safe to share between threads."""

    database: Database
    vault: Vault
    policies: Callable[[], CurrentSnapshot]
    refresh_policies: Callable[[], None]
    connector: Callable[[str], Connector]
    send: Send
    clock: Callable[[], datetime]
    random: random.Random
    tenant: str
    blocking_timeout: timedelta
    web_threads: int
