"""What can be wrong with a change of the configuration.

ConfigurationError
├── UnknownProvider     there is none with that name: name another
├── NameTaken           choose another name
├── InUse               remove the rows that name it first
├── BuiltIn             the resident service provider stays
└── Invalid             correct the named fields
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError

from service.store.database import Transaction

Problem = tuple[str, str]
"""A field as a path of the HTTP contract (`outboundProvisioning[0].connector`), and what is wrong with it."""


class ConfigurationError(Exception):
    """A change of the configuration that cannot be made; nothing was changed."""


class UnknownProvider(ConfigurationError):
    """There is no service or identity provider with that name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} `{name}`")


class NameTaken(ConfigurationError):
    """Another provider of the same kind has that name; names compare without case."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} `{name}` exists already: names compare without case")


class InUse(ConfigurationError):
    """Service providers name what would go away; `users` are their names."""

    def __init__(self, what: str, users: Sequence[str]) -> None:
        super().__init__(f"{what} is used by {', '.join(f'`{u}`' for u in users)}: remove their rows first")
        self.users = tuple(users)


class BuiltIn(ConfigurationError):
    """The resident service provider can be neither deleted nor renamed."""


class Invalid(ConfigurationError):
    """One or more fields cannot be stored as they are."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = tuple(problems)


def flush(tx: Transaction, taken: NameTaken) -> None:
    """Send the rows to the database, whose unique names decide between two that come at once."""
    try:
        tx.flush()
    except IntegrityError as error:
        raise taken from error


def locked(query: Select[Any]) -> Select[Any]:
    """The rows locked until the commit, and as they are now: another transaction may just have written them."""
    return query.with_for_update().execution_options(populate_existing=True)
