"""Sessions of console users, kept here so that they can be ended at once and everywhere.

The cookie holds 256 random bits, the table only their hash. A session ends when it is not used for `IDLE`, at the
latest after `LONGEST`, by signing out, and when its user's password changes, wherever that is done.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.engine import CursorResult

from service.store.database import Transaction
from service.store.entities import key
from service.store.models import ConsoleSessionRow, ConsoleUserRow

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)

SEEN_AFRESH = timedelta(minutes=1)
"""How exact `seen_at` is: a commit for every page would cost more than the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that may be used; `role` is what its user has now."""

    user: str
    role: str
    started_at: datetime
    seen_at: datetime


def start(tx: Transaction, user: str, *, address: str, now: datetime) -> str:
    """A new session; answers the text of its cookie, which is not kept. What has ended is cleared away."""
    tx.execute(delete(ConsoleSessionRow).where(_ended(now)))
    owner = tx.get_one(ConsoleUserRow, key(user))
    text = secrets.token_urlsafe(32)
    tx.add(
        ConsoleSessionRow(
            hash=_hash(text),
            user=owner.name,
            password_mark=_hash(owner.password_hash),
            address=address,
            started_at=now,
            seen_at=now,
        )
    )
    tx.flush()
    return text


def find(tx: Transaction, text: str, now: datetime) -> Session | None:
    """The session of a cookie; None when there is none, or it has ended."""
    query = select(ConsoleSessionRow, ConsoleUserRow).join(
        ConsoleUserRow, ConsoleUserRow.name == ConsoleSessionRow.user
    )
    found = tx.execute(query.where(ConsoleSessionRow.hash == _hash(text), ~_ended(now))).one_or_none()
    if found is None or found[0].password_mark != _hash(found[1].password_hash):
        return None
    session, user = found
    return Session(user=user.name, role=user.role, started_at=session.started_at, seen_at=session.seen_at)


def needs_mark(session: Session, now: datetime) -> bool:
    """Whether the use of a session is worth a write."""
    return now - session.seen_at >= SEEN_AFRESH


def mark_seen(tx: Transaction, text: str, now: datetime) -> None:
    """Remember that a session was used, to within `SEEN_AFRESH`."""
    tx.execute(update(ConsoleSessionRow).where(ConsoleSessionRow.hash == _hash(text)).values(seen_at=now))


def end(tx: Transaction, text: str) -> None:
    """End a session at once."""
    tx.execute(delete(ConsoleSessionRow).where(ConsoleSessionRow.hash == _hash(text)))


def end_all(tx: Transaction, user: str) -> int:
    """End every session of a user; answers how many there were."""
    result = tx.execute(delete(ConsoleSessionRow).where(ConsoleSessionRow.user == key(user)))
    return cast("CursorResult[None]", result).rowcount


def count(tx: Transaction, user: str, now: datetime) -> int:
    """How many sessions of a user may be used."""
    query = select(func.count()).select_from(ConsoleSessionRow)
    return tx.scalar(query.where(ConsoleSessionRow.user == key(user), ~_ended(now))) or 0


def counts(tx: Transaction, now: datetime) -> dict[str, int]:
    """How many sessions may be used, by user; a user without one is left out."""
    query = select(ConsoleSessionRow.user, func.count()).where(~_ended(now)).group_by(ConsoleSessionRow.user)
    return {user: number for user, number in tx.execute(query)}  # noqa: C416 - rows are no pairs to the type checker


def _ended(now: datetime) -> ColumnElement[bool]:
    return (ConsoleSessionRow.seen_at <= now - IDLE) | (ConsoleSessionRow.started_at <= now - LONGEST)


def _hash(text: str) -> str:
    """A plain hash is enough for 256 random bits, and for what is a salted hash already."""
    return hashlib.sha256(text.encode()).hexdigest()
