"""Rows written one by one, where the order of the writes is known: a fraction of what the unit of work takes for one.

Statements are built once, with parameters for all that differs between two uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Insert, Update, bindparam, insert, or_, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from service.store.base import Base
from service.store.database import Transaction

AnyRow = TypeVar("AnyRow", bound=Base)


def store(tx: Transaction, row: AnyRow) -> AnyRow:
    """Write a new row now. Afterwards it is one of the transaction's, and what is changed in it is written as usual."""
    statement, columns = _insert(type(row))
    given = row.__dict__
    values = {name: given[name] if name in given else default(None) for name, default in columns}
    tx.execute(statement, values)
    for name, _ in columns:
        if name not in given:
            setattr(row, name, values[name])
    make_transient_to_detached(row)
    tx.add(row)
    return row


@cache
def _insert(kind: type[Base]) -> tuple[Insert, tuple[tuple[str, Any], ...]]:
    """The statement, and each column with what gives its default."""
    table = kind.__table__
    columns = tuple((column.key, _default(column.default)) for column in table.columns)
    return insert(table), columns  # type: ignore[arg-type]


def _default(default: Any) -> Any:
    """A function of one argument that is ignored, as SQLAlchemy calls those of columns."""
    if default is None:
        return _nothing
    return default.arg if default.is_callable else lambda _: default.arg


def _nothing(_: object) -> None:
    return None


def change(tx: Transaction, kind: type[Base], key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write columns of the row with that primary key, and into the object when the transaction has it."""
    tx.execute(update_of(kind, tuple(key)), {f"key_{k}": v for k, v in key.items()} | dict(values))
    known = tx.identity_map.get(tx.identity_key(kind, tuple(key.values())))
    if known is not None:
        mirror(known, values)


def mirror(row: Base, values: Mapping[str, Any]) -> None:
    """Let an object show what was written to its row."""
    for name, value in values.items():
        set_committed_value(row, name, value)


@cache
def update_of(kind: type[Base], key: tuple[str, ...], states: tuple[str, ...] = ()) -> Update:
    """The statement that writes the columns that it is given parameters for, where `key` (parameters `key_…`) is.

    With `states` only in a row that is in one of them.
    """
    columns = kind.__table__.c
    where = [columns[name] == bindparam(f"key_{name}") for name in key]
    if states:
        where.append(or_(*(columns["state"] == state for state in states)))
    return update(kind.__table__).where(*where)  # type: ignore[arg-type]


def count(result: object) -> int:
    """How many rows a statement wrote."""
    assert isinstance(result, CursorResult)
    return result.rowcount
