"""Policy sources, the snapshots made of them, and which snapshot every process decides with.

Written by the process that watches a policies folder, read by all. Rows of sources and snapshots never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, text

from service.store.database import Transaction
from service.store.models import PolicyHealthRow, PolicySourceRow, PublicationRow, SnapshotRow

Kind = Literal["root", "library"]
_HEALTH = 1
_BATCH = 500
_PUBLICATION_LOCK = 0x51C0_0001


@dataclass(frozen=True, slots=True)
class Source:
    """One policy file: `name` is its path in the folder."""

    name: str
    kind: Kind
    content: bytes

    @property
    def hash(self) -> str:
        """The name under which the content is stored."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Publication:
    """That a snapshot is the one to decide with."""

    sequence: int
    snapshot_hash: str
    published_at: datetime
    published_by: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the folder's watcher found wrong, as JSON objects; empty when nothing."""

    errors: tuple[Mapping[str, Any], ...]
    checked_at: datetime


_COLUMNS = PublicationRow.__table__.c
_NEWEST = (
    select(_COLUMNS.sequence, _COLUMNS.snapshot_hash, _COLUMNS.published_at, _COLUMNS.published_by)
    .order_by(_COLUMNS.sequence.desc())
    .limit(1)
)


def newest(tx: Transaction) -> Publication | None:
    """The publication that counts now."""
    row = tx.execute(_NEWEST).first()
    return None if row is None else Publication(*row)


def is_newest(tx: Transaction, sequence: int) -> bool:
    """Whether `sequence` still counts, for the transaction that acts on a decision made with it.

    Until that transaction ends nothing else is published: an act and a publication are always one after the other.
    """
    _lock(tx, "pg_advisory_xact_lock_shared")
    current = newest(tx)
    return current is not None and current.sequence == sequence


def _lock(tx: Transaction, function: str) -> None:
    """Stand in line with publications. PostgreSQL's lock queue is fair; on SQLite whoever writes is alone anyway."""
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"SELECT {function}(:key)"), {"key": _PUBLICATION_LOCK})


def history(tx: Transaction, limit: int = 100) -> tuple[Publication, ...]:
    """The publications, newest first."""
    query = select(PublicationRow).order_by(PublicationRow.sequence.desc()).limit(limit)
    return tuple(_publication(row) for row in tx.scalars(query))


def sources(tx: Transaction, snapshot_hash: str) -> tuple[str, tuple[Source, ...]] | None:
    """Root algorithm and files of a snapshot, None when it is not stored."""
    snapshot = tx.get(SnapshotRow, snapshot_hash)
    if snapshot is None:
        return None
    content: dict[str, bytes] = {}
    for some in _batched({entry["hash"] for entry in snapshot.listing}):
        rows = tx.execute(select(PolicySourceRow.hash, PolicySourceRow.content).where(PolicySourceRow.hash.in_(some)))
        content.update((row.hash, row.content) for row in rows)
    files = (Source(entry["name"], entry["kind"], content[entry["hash"]]) for entry in snapshot.listing)
    return snapshot.root_algorithm, tuple(files)


def publish(
    tx: Transaction, snapshot_hash: str, root_algorithm: str, files: Sequence[Source], *, now: datetime, by: str
) -> Publication:
    """Make this snapshot the one that counts, unless it is already; what is stored of it is not stored again."""
    _lock(tx, "pg_advisory_xact_lock")
    current = newest(tx)
    if current is not None and current.snapshot_hash == snapshot_hash:
        return current
    if tx.get(SnapshotRow, snapshot_hash) is None:
        _store(tx, snapshot_hash, root_algorithm, files, now)
    row = PublicationRow(snapshot_hash=snapshot_hash, published_at=now, published_by=by)
    tx.add(row)
    tx.flush()
    return _publication(row)


def _store(tx: Transaction, snapshot_hash: str, root_algorithm: str, files: Sequence[Source], now: datetime) -> None:
    """A snapshot and those of its sources that no earlier snapshot had."""
    content = {file.hash: file.content for file in files}
    stored: set[str] = set()
    for some in _batched(content):
        stored.update(tx.scalars(select(PolicySourceRow.hash).where(PolicySourceRow.hash.in_(some))))
    tx.add_all(PolicySourceRow(hash=hash_, content=content[hash_]) for hash_ in content.keys() - stored)
    listing = [{"name": file.name, "kind": file.kind, "hash": file.hash} for file in files]
    tx.add(SnapshotRow(hash=snapshot_hash, root_algorithm=root_algorithm, listing=listing, created_at=now))
    tx.flush()


def _batched(hashes: Iterable[str]) -> Iterator[list[str]]:
    """As many at a time as every database takes in one statement."""
    every = sorted(hashes)
    for start in range(0, len(every), _BATCH):
        yield every[start : start + _BATCH]


def health(tx: Transaction) -> Health | None:
    """What the folder's watcher found last, None when no folder was ever watched."""
    row = tx.get(PolicyHealthRow, _HEALTH)
    return None if row is None else Health(tuple(row.errors), row.checked_at)


def record_health(tx: Transaction, errors: Iterable[Mapping[str, Any]], *, now: datetime) -> None:
    """Keep what the folder's watcher found."""
    row = tx.get(PolicyHealthRow, _HEALTH)
    if row is None:
        tx.add(PolicyHealthRow(id=_HEALTH, errors=[dict(one) for one in errors], checked_at=now))
    else:
        row.errors, row.checked_at = [dict(one) for one in errors], now


def _publication(row: PublicationRow) -> Publication:
    """A row as others see it."""
    return Publication(row.sequence, row.snapshot_hash, row.published_at, row.published_by)
