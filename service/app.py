"""The composition root: the one place that knows every room and puts them together."""

from __future__ import annotations

import multiprocessing.util
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from flask import Flask

from connectors import catalog
from connectors.connector import Reply, Request
from connectors.http import Sender, Transport
from service import config, logs
from service.config import Settings
from service.housekeeping import Housekeeping
from service.metrics import Metrics
from service.pap import PolicyAdministration
from service.provisioning.context import Context
from service.provisioning.desk import Desk
from service.provisioning.lanes import Lanes
from service.provisioning.runner import Runner
from service.store import configuration, idempotency, meta, users
from service.store.database import Database
from service.store.occupancy import Occupancy
from service.store.secrets import SecretKeyError, Vault, decode_key, load_or_make_key
from service.web.app import create_app, create_worker_app
from service.web.services import Services
from service.web.side_server import SideServer

log = structlog.get_logger(__name__)

PATIENCE = 5.0
"""Seconds that a predecessor has to end: a worker notices within half a second that its supervisor is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The assembled service. Nothing runs before `start`."""

    settings: Settings
    database: Database
    vault: Vault
    policies: PolicyAdministration
    lanes: Lanes
    runner: Runner
    desk: Desk
    web: Flask
    occupancy: Occupancy | None
    housekeeping: Housekeeping | None

    def start(self) -> None:
        """Load the policies, watch them, and begin to deliver. Raises `Occupied`."""
        if self.occupancy is not None:
            self.occupancy.take(PATIENCE)
            with self.database.transaction() as tx:
                idempotency.all_answered(tx)  # by nobody: a predecessor's calls ended with it
        self.policies.start()
        self.runner.start()
        if self.housekeeping is not None:
            self.housekeeping.start()

    def stop(self) -> None:
        """Finish what is being sent, hand the rest back, and let go of everything."""
        if self.housekeeping is not None:
            self.housekeeping.stop()
        self.runner.stop()
        self.policies.stop()
        self.database.close()
        if self.occupancy is not None:
            self.occupancy.leave()


def utc_now() -> datetime:
    """The clock of the whole service."""
    return datetime.now(UTC)


def open_store(settings: Settings) -> tuple[Database, Vault]:
    """The database, migrated when it is ours alone, and the vault whose key belongs to it.

    Raises `SchemaError`, `SecretKeyError` and what the driver raises.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.url)
    if database.is_sqlite:
        database.migrate()
    else:
        database.check_schema()
    vault = Vault(_key(settings), [decode_key(text) for text in settings.old_secret_keys])
    with database.transaction() as tx:
        stored = meta.put_if_absent(tx, "secret-key-check", vault.check_value)
        if not vault.knows(stored):
            raise SecretKeyError("the secret key is not the one that this database was written with")
    return database, vault


def _key(settings: Settings) -> bytes:
    if settings.secret_key is not None:
        return decode_key(settings.secret_key)
    return load_or_make_key(settings.data / "secret.key")


def assemble(settings: Settings, clock: Callable[[], datetime] = utc_now, owner: str | None = None) -> Application:
    """Build the service from its settings. The service's first start makes its administrator.

    `owner` names who holds leases, where that is not the service's own process.
    """
    database, vault = open_store(settings)
    with database.transaction() as tx:
        configuration.ensure_resident(tx, clock())
    if owner is None:  # who tells nobody a password must not make one
        _ensure_admin(database, settings, clock)
    for name, reason in _broken_plugins():
        log.warning("plug-in cannot be used", plugin=name, reason=reason)
    policies = PolicyAdministration(
        folder=settings.policies,
        root_algorithm=settings.root_algorithm,
        database=database,
        clock=clock,
        shipped_templates=shipped_policies() / "templates",
    )
    metrics = Metrics()
    context = Context(
        database=database,
        vault=vault,
        policies=policies.current,
        refresh_policies=policies.follow,
        connector=catalog.connector,
        send=_sender(settings),
        clock=clock,
        zone=settings.zone,
        random=random.SystemRandom(),
        tenant=settings.tenant,
        blocking_timeout=settings.blocking_timeout,
        web_threads=settings.threads,
        metrics=metrics,
    )
    lanes = Lanes(context, settings.runners, owner)
    runner = Runner(context, lanes, settings.runners)
    desk = Desk(context, lanes, runner)
    services = Services(
        database=database,
        vault=vault,
        settings=settings,
        clock=clock,
        connectors=catalog.connectors,
        broken_plugins=_broken_plugins,
        connector=catalog.connector,
        outbound=desk,
        policies=policies,
        metrics=metrics,
    )
    return Application(
        settings=settings,
        database=database,
        vault=vault,
        policies=policies,
        lanes=lanes,
        runner=runner,
        desk=desk,
        web=create_app(services) if owner is None else create_worker_app(services),
        occupancy=occupancy(database),
        housekeeping=_housekeeping(settings, database, clock) if owner is None else None,
    )


def _housekeeping(settings: Settings, database: Database, clock: Callable[[], datetime]) -> Housekeeping | None:
    days = settings.retention_days
    return None if days is None else Housekeeping(database, clock, timedelta(days=days))


def occupancy(database: Database) -> Occupancy | None:
    """The right to an embedded database; None for one that is shared."""
    name = database.url.database
    return Occupancy(Path(name)) if database.is_sqlite and name and name != ":memory:" else None


def check_free(settings: Settings) -> None:
    """Open the store once, and leave it. Raises `Occupied`, and what `open_store` raises."""
    database, _ = open_store(settings)
    database.close()
    held = occupancy(database)
    if held is not None:
        held.take(PATIENCE)
        held.leave()


def _ensure_admin(database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
    with database.transaction() as tx:
        password = users.ensure_admin(tx, settings, clock)
    if password is not None:
        # Shown this once, and to the terminal alone: it is no log line.
        sys.stderr.write(f"made the administrator `admin` with the password {password}\n")
        sys.stderr.flush()


def shipped_policies() -> Path:
    """The policies that come with Sluice: in the package when it is installed, beside it in a checkout."""
    installed = Path(__file__).parent / "shipped_policies"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "policies"


def _broken_plugins() -> list[tuple[str, str]]:
    return [(one.name, one.message) for one in catalog.catalog().broken]


def _sender(settings: Settings) -> Callable[[Request, timedelta], Reply]:
    sender = Sender()
    allow = tuple(str(network) for network in settings.allow_targets)

    def send(request: Request, timeout: timedelta) -> Reply:
        return sender.send(request, transport=Transport(deadline=timeout.total_seconds(), allow=allow))

    return send


def wsgi() -> Flask:
    """What the web server's worker process runs: the service with its embedded runner."""
    logs.configure()
    application = assemble(config.load())
    application.start()
    # A worker process runs no atexit handlers, only the finalizers of multiprocessing.
    multiprocessing.util.Finalize(None, application.stop, exitpriority=10)
    _end_with_parent()
    return application.web


def work(settings: Settings) -> None:
    """Deliver until the process is told to end (SIGTERM or SIGINT), and serve nothing but `SLUICE_WORKER_METRICS`.

    Raises `AddressTaken`, and what `assemble` does.
    """
    application = assemble(settings, owner=f"worker:{socket.gethostname()}:{os.getpid()}")
    ending = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ending.set())
    side = SideServer(application.web, settings.worker_metrics) if settings.worker_metrics else None
    application.start()
    if side is not None:
        side.start()
    log.info("delivers", threads=settings.runners)
    ending.wait()
    log.info("ending: finishes what is being sent and hands back the rest")
    application.stop()
    if side is not None:
        side.stop()


def _end_with_parent() -> None:
    """A worker whose supervisor was killed must not go on delivering beside its successor."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        log.error("the supervising process is gone: ending")
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
