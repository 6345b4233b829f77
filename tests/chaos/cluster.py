"""The service under the storm: one process on SQLite, or several that share a PostgreSQL; and who kills them."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.store.database import Database
from tests.chaos.rules import FILE, OPEN, text
from tests.support import postgresql
from tests.support.databases import sqlite_url
from tests.support.service import Service, Worker

DatabaseKind = Literal["sqlite", "postgresql"]
SETTINGS = {"SLUICE_BLOCKING_TIMEOUT": "2", "SLUICE_RUNNERS": "8"}


@dataclass
class Cluster:
    """The processes. The first watches the policies folder and is spoken to by administrators; some only deliver."""

    url: str
    services: Sequence[Service]

    @property
    def first(self) -> Service:
        """The process with the policies folder."""
        return self.services[0]

    def addresses(self) -> list[str]:
        """Where clients send to."""
        return [service.base for service in self.services if not isinstance(service, Worker)]

    def logs(self) -> Iterator[tuple[str, str]]:
        """Name and text of each process's log."""
        for service in self.services:
            yield service.folder.name, service.log

    def start(self) -> None:
        """Start every process, and wait until all are ready."""
        for service in self.services:
            service.start()

    def stop(self) -> None:
        """End those that run."""
        for service in self.services:
            if service.process is not None:
                service.stop()


@contextmanager
def cluster(kind: DatabaseKind, folder: Path, processes: int = 3) -> Iterator[Cluster]:
    """The service in a folder, running; on PostgreSQL with so many processes beside it, two thirds of them workers."""
    if kind == "sqlite":
        service = _service(folder / "service", {})
        yield from _running(Cluster(sqlite_url(service.data), [service]))
        return
    with postgresql.server() as url:
        with closing(Database(url)) as database:
            database.migrate()
        shared = {
            "SLUICE_DATABASE_URL": url,
            "SLUICE_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        }
        first = _service(folder / "first", shared)
        shared |= {"SLUICE_POLICIES": ""}
        others = [_service(folder / f"other-{n}", shared) for n in range(processes // 3)]
        workers = [_service(folder / f"worker-{n}", shared, Worker) for n in range(processes - len(others))]
        yield from _running(Cluster(url, [first, *others, *workers]))


def _service(folder: Path, settings: dict[str, str], kind: type[Service] = Service) -> Service:
    folder.mkdir(parents=True)
    service = kind(folder, SETTINGS | settings)
    service.write_policy(FILE, text(OPEN))
    return service


def _running(whole: Cluster) -> Iterator[Cluster]:
    try:
        whole.start()
        yield whole
    finally:
        whole.stop()


class Killer(threading.Thread):
    """Kills a process at random moments, also one that is just starting, and starts it again, until told to stop."""

    def __init__(self, whole: Cluster, seed: str, *, pause: tuple[float, float]) -> None:
        super().__init__(name="killer", daemon=True)
        self.kills = 0
        self.complaints: list[str] = []
        self._whole = whole
        self._pause = pause
        self._source = random.Random(f"{seed}:killer")
        self._ending = threading.Event()

    def run(self) -> None:
        """Kill, start, rest."""
        try:
            while not self._ending.wait(self._source.uniform(*self._pause)):
                self._strike(self._source.choice(self._whole.services))
        except Exception as error:  # noqa: BLE001 - it is told with the other complaints
            self.complaints.append(f"a process could not be started again: {error!r}")

    def finish(self) -> None:
        """End, with every process running."""
        self._ending.set()
        self.join()

    def _strike(self, service: Service) -> None:
        service.kill9()
        self.kills += 1
        if self._source.random() < 0.3:
            service.launch()
            self._ending.wait(self._source.uniform(0.1, 2.5))
            service.kill9()
            self.kills += 1
        service.start()
