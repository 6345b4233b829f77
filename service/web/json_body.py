"""Reads JSON strictly (RFC 8259, RFC 7493): what could mean two things to two readers is refused.

Refused are invalid UTF-8, duplicate names, numbers that are not finite, unpaired surrogates, NUL, and nesting deeper
than `DEPTH`.
"""

from __future__ import annotations

import json
import math
from typing import Any

DEPTH = 64


class JsonError(ValueError):
    """The bytes are no JSON that is read here; the message says why, with line and column where there is one."""


def read(data: bytes) -> Any:
    """The value of a JSON text. Raises `JsonError`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"invalid UTF-8 at byte {error.start}") from error
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise JsonError(f"no valid JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}") from error
    except RecursionError as error:
        raise JsonError(f"nested deeper than {DEPTH} levels") from error
    except JsonError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise JsonError("a number is too long") from error
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the name `{twice}` appears twice in one object")
    return found


def _constant(text: str) -> Any:
    raise JsonError(f"`{text}` is no JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"the number `{text[:40]}` is too large")
    return value


def _check(value: Any) -> None:
    """Walk without recursion, level by level."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise JsonError(f"nested deeper than {DEPTH} levels")
        following: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                for name in one:
                    _check_text(name)
                following.extend(one.values())
            elif isinstance(one, list):
                following.extend(one)
            elif isinstance(one, str):
                _check_text(one)
        level = following


def _check_text(text: str) -> None:
    """What no database column of ours, and no target, could hold."""
    if "\0" in text:
        raise JsonError("a string contains the character NUL")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise JsonError("a string contains an unpaired surrogate")
