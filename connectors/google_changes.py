"""The difference between two states of a user or group, as the body of an update.

Google's updates leave out what does not change and clear with null; a list is replaced whole. `users.patch` cannot
clear a list, which its documentation leaves to `users.update` (a PUT that merges as well).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What turns `before` into `after`; empty when there is nothing to do."""
    body: dict[str, Any] = {}
    for key in [*after, *(key for key in before if key not in after)]:
        old, new = before.get(key), after.get(key)
        if _same(old, new):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            body[key] = difference(old, new)
        else:
            body[key] = new
    return body


def clears_list(body: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the body clears a list, so that a PATCH would not do it."""
    return any(value is None and isinstance(before.get(key), list) for key, value in body.items())


def relevant(found: Mapping[str, Any], after: Mapping[str, Any], managed: Iterable[str]) -> dict[str, Any]:
    """What was read, less what is none of our business: fields that neither `after` has nor were delivered before."""
    kept: dict[str, Any] = {}
    ours = {*after, *managed}
    for key, value in found.items():
        wanted = after.get(key)
        if key not in ours:
            continue
        if isinstance(value, Mapping) and isinstance(wanted, Mapping):
            kept[key] = relevant(value, wanted, ())
        else:
            kept[key] = value
    return kept


def with_strangers(ours: Iterable[Mapping[str, Any]], before: Iterable[Any], found: Any) -> list[Any]:
    """Our external ids, and those at the target that others have set: of other types, and never delivered by us."""
    own = list(ours)
    managed = [_kind(one) for one in (*own, *before)]
    listed = found if isinstance(found, list) else []
    return [*(one for one in listed if isinstance(one, Mapping) and _kind(one) not in managed), *own]


def _kind(one: Mapping[str, Any]) -> tuple[Any, Any]:
    return one.get("type"), one.get("customType")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(_canonical, one)) == sorted(map(_canonical, other))
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
