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

ADMIN = "admin"
ROLES = ("admin", "viewer")
LONGEST_PASSWORD = 1024

_hasher = PasswordHasher()  # argon2-cffi's defaults follow RFC 9106, section 4, second recommendation


class UnknownUser(Exception):
    """There is no console user of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUser:
    """Someone who may sign in; `role` is one of `ROLES`."""

    name: str
    role: str
    password_hash: str


def find(tx: Transaction, name: str) -> ConsoleUser | None:
    """The user of that name, in any case."""
    row = tx.get(ConsoleUserRow, key(name))
    return None if row is None else ConsoleUser(name=row.name, role=row.role, password_hash=row.password_hash)


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
    """A new user, whose name is kept in small letters."""
    tx.add(ConsoleUserRow(name=key(name), password_hash=password_hash, role=role, created_at=now, updated_at=now))
    tx.flush()


def set_password(tx: Transaction, name: str, password_hash: str, now: datetime) -> None:
    """Give a user another password. Raises `UnknownUser`."""
    row = tx.get(ConsoleUserRow, key(name), with_for_update=True)
    if row is None:
        raise UnknownUser(f"there is no user `{name}`")
    row.password_hash, row.updated_at = password_hash, now
    tx.flush()


def ensure_admin(tx: Transaction, settings: Settings, clock: Callable[[], datetime]) -> str | None:
    """Make the administrator when there is no user yet; answers a password that was made up, to be shown once."""
    if tx.scalar(select(func.count()).select_from(ConsoleUserRow)):
        return None
    made_up = None if settings.admin_password else secrets.token_urlsafe(18)
    create(tx, ADMIN, hash_password(settings.admin_password or made_up or ""), "admin", clock())
    return made_up
