"""What delivery is handed by the composition root, so that it builds nothing itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.connector import Connector, Reply, Request
from service.metrics import Metrics
from service.pap import CurrentSnapshot
from service.store.database import Database
from service.store.secrets import Vault

Send = Callable[[Request, timedelta], Reply]
"""Sends one request within a time; raises `connectors.pinning.NoReply`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts that delivery works with; all are safe to share between threads.

    `zone` is the one in which policies read the clock.
    """

    database: Database
    vault: Vault
    policies: Callable[[], CurrentSnapshot]
    refresh_policies: Callable[[], None]
    connector: Callable[[str], Connector]
    send: Send
    clock: Callable[[], datetime]
    zone: ZoneInfo
    random: random.Random
    tenant: str
    blocking_timeout: timedelta
    web_threads: int
    metrics: Metrics
