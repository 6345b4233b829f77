"""The values of a multi-valued attribute while a patch changes them (RFC 7644, section 3.5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.image.errors import Findings
from service.image.values import check_primary, identity


def merged(values: Sequence[Any], new: Sequence[Any], at: str) -> list[Any]:
    """`values` with the new ones added; what is there already is not added again (section 3.5.2.1).

    A value with the same `value` and `type` is the same one (RFC 7643, section 2.4): it takes over the sub-attributes
    of the new one.
    """
    result, primaries = list(values), set[int]()
    places = {_key(one): index for index, one in reversed(list(enumerate(values)))}
    for one in new:
        index = places.setdefault(_key(one), len(result))
        result[index : index + 1] = [{**result[index], **one} if index < len(result) else one]
        if _is_primary(one):
            primaries.add(index)
    return settled(result, primaries, at)


def appended(values: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """A list in an extension that we do not know, with the new values that it does not have yet; else as it is."""
    present = set(map(identity, values))
    added = {identity(one): one for one in new if identity(one) not in present}
    return [*values, *added.values()]


def changed(values: Sequence[Any], chosen: Sequence[int], change: Callable[[Any], Any], at: str) -> list[Any]:
    """`values` with those at the indexes `chosen` changed; a value that became empty or None is gone."""
    result = list(values)
    for index in chosen:
        result[index] = change(result[index])
    return settled(result, {index for index in chosen if _is_primary(result[index])}, at)


def without(values: Sequence[Any], unwanted: Sequence[Any]) -> list[Any]:
    """`values` without those that have all the sub-attributes of an unwanted one."""
    return [one for one in values if not any(_contains(one, other) for other in unwanted)]


def settled(values: list[Any], primaries: set[int], at: str) -> list[Any]:
    """The values after a change: at most one primary; none empty, none twice.

    Section 3.5.2: a value that becomes primary takes that from the others. `primaries` are the indexes of those that
    the change made or left primary. Raises `ImageErrors` when they are several.
    """
    findings = Findings()
    check_primary([values[index] for index in primaries], at, findings)
    findings.raise_any()
    if primaries:
        values = [
            {**one, "primary": False} if _is_primary(one) and index not in primaries else one
            for index, one in enumerate(values)
        ]
    found: dict[object, Any] = {}
    for one in values:
        if one not in (None, {}):
            found.setdefault(identity(one), one)
    return list(found.values())


def _is_primary(value: Any) -> bool:
    return isinstance(value, dict) and value.get("primary") is True


def _key(value: Mapping[str, Any]) -> object:
    """What tells one complex value from another: `value` and `type`, else all but `primary`."""
    if "value" in value:
        return value["value"], str(value.get("type", "")).casefold()
    return identity({name: inner for name, inner in value.items() if name != "primary"})


def _contains(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return bool(other) and all(one.get(name) == inner for name, inner in other.items())
    return bool(one == other)
