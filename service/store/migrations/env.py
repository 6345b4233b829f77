"""Runs the migrations on the connection that `Database.migrate` hands over."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import JSON

from service.store import models  # noqa: F401 - fills the metadata
from service.store.base import Base, UtcDateTime


def render(kind: str, item: Any, _autogen: Any) -> Any:
    """Write our own column types by their names in generated migrations."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    return "Json" if kind == "type" and isinstance(item, JSON) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
