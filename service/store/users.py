"""Users of the console: names, roles and passwords, hashed with argon2id (RFC 9106)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import func, select

from service.config import Settings
from service.store.database import Transaction
from service.store.entities import key
from service.store.models import ConsoleUserRow

ADMIN = ADMIN_ROLE = "admin"
ROLES = ("admin", "policy-editor", "operator", "viewer")
LONGEST_PASSWORD = 1024

_hasher = PasswordHasher()  # argon2-cffi's defaults follow RFC 9106, section 4, second recommendation


class UnknownUser(Exception):
    """There is no console user of that name."""


class LastAdministrator(Exception):
    """Without this one there would be no administrator: make another one first."""

    def __init__(self) -> None:
        super().__init__("there must be an administrator: make somebody else one first")


class UserExists(Exception):
    """There is a console user of that name already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUser:
    """Someone who may sign in; `role` is one of `ROLES`."""

    name: str
    role: str
    password_hash: str
    created_at: datetime


def find(tx: Transaction, name: str) -> ConsoleUser | None:
    """The user of that name, in any case."""
    row = tx.get(ConsoleUserRow, key(name))
    return None if row is None else _user(row)


def every(tx: Transaction) -> list[ConsoleUser]:
    """All users by their names."""
    return [_user(row) for row in tx.scalars(select(ConsoleUserRow).order_by(ConsoleUserRow.name))]


def _user(row: ConsoleUserRow) -> ConsoleUser:
    return ConsoleUser(name=row.name, role=row.role, password_hash=row.password_hash, created_at=row.created_at)


def matches(password_hash: str, password: str) -> bool:
    """Whether a password is the hashed one; takes some 50 ms and 64 MiB."""
    try:
        return _hasher.verify(password_hash, password)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        raise RuntimeError("a stored password hash cannot be read: set the password anew") from error


def hash_password(password: str) -> str:
    """A salted hash of a password. Raises `ValueError` when it is empty or longer than `LONGEST_PASSWORD`."""
    if not 1 <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has 1 to {LONGEST_PASSWORD} characters")
    return _hasher.hash(password)


def create(tx: Transaction, name: str, password_hash: str, role: str, now: datetime) -> None:
    """A new user, whose name is kept in small letters. Raises `UserExists`."""
    if tx.get(ConsoleUserRow, key(name)) is not None:
        raise UserExists(f"there is a user `{key(name)}` already")
    tx.add(ConsoleUserRow(name=key(name), password_hash=password_hash, role=role, created_at=now, updated_at=now))
    tx.flush()


def set_password(tx: Transaction, name: str, password_hash: str, now: datetime) -> None:
    """Give a user another password. Raises `UnknownUser`."""
    row = _row(tx, name)
    row.password_hash, row.updated_at = password_hash, now
    tx.flush()


def set_role(tx: Transaction, name: str, role: str, now: datetime) -> None:
    """Give a user another role. Raises `UnknownUser` or `LastAdministrator`."""
    row = _row(tx, name)
    if role != ADMIN_ROLE:
        _leave_an_administrator(tx, row)
    row.role, row.updated_at = role, now
    tx.flush()


def remove(tx: Transaction, name: str) -> None:
    """Remove a user with their sessions. Raises `UnknownUser` or `LastAdministrator`."""
    row = _row(tx, name)
    _leave_an_administrator(tx, row)
    tx.delete(row)
    tx.flush()


def _row(tx: Transaction, name: str) -> ConsoleUserRow:
    row = tx.get(ConsoleUserRow, key(name), with_for_update=True)
    if row is None:
        raise UnknownUser(f"there is no user `{name}`")
    return row


def _leave_an_administrator(tx: Transaction, leaving: ConsoleUserRow) -> None:
    """Locks all administrators, so that the last two cannot take each other's role at the same time."""
    query = select(ConsoleUserRow).where(ConsoleUserRow.role == ADMIN_ROLE).order_by(ConsoleUserRow.name)
    locked = query.with_for_update().execution_options(populate_existing=True)
    if {row.name for row in tx.scalars(locked)} == {leaving.name}:
        raise LastAdministrator


def ensure_admin(tx: Transaction, settings: Settings, clock: Callable[[], datetime]) -> str | None:
    """Make the administrator when there is no user yet; answers a password that was made up, to be shown once."""
    if tx.scalar(select(func.count()).select_from(ConsoleUserRow)):
        return None
    made_up = None if settings.admin_password else secrets.token_urlsafe(18)
    create(tx, ADMIN, hash_password(settings.admin_password or made_up or ""), "admin", clock())
    return made_up
