"""Facts about the database itself."""

from __future__ import annotations

from service.store.database import Transaction
from service.store.models import Meta


def put_if_absent(tx: Transaction, key: str, value: str) -> str:
    """The stored value of a key, which is `value` from now on if there was none."""
    row = tx.get(Meta, key)
    if row is None:
        tx.add(Meta(key=key, value=value))
        tx.flush()
        return value
    return row.value
