"""Half of a surrogate pair is no character: no encoding can write it (RFC 3629 section 3), and so no request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.connector import Task
from connectors.errors import TargetRefused

_HALF = re.compile("[\ud800-\udfff]")


def refuse_halves(task: Task) -> None:
    """Raise TargetRefused when a value of the task holds half of a character; the message names the attribute.

    The password's message tells nothing but that. A delete by identifier sends no value, and passes.
    """
    if task.operation == "delete" and task.link is not None:
        return
    if task.password and _HALF.search(task.password):
        raise TargetRefused("the password holds half of a character, which cannot be sent")
    found = next(_halves(task.attributes, ""), None)
    if found is None and _HALF.search(task.name):
        found = ("name", task.name)
    if found is not None:
        path, text = found
        half = _HALF.search(text)
        assert half is not None
        raise TargetRefused(
            f"attribute `{path}`: U+{ord(half[0]):04X} at position {half.start() + 1} is half of a character, "
            "which cannot be sent"
        )


def _halves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The texts with a half, and their paths."""
    if isinstance(value, str):
        if _HALF.search(value):
            yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _halves(item, f"{path}{'.' if path else ''}{_shown(key)}")
            if _HALF.search(key):
                yield _shown(key), key
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _halves(item, path)


def _shown(key: str) -> str:
    return _HALF.sub("\ufffd", key)
