"""The difference between two states of a resource, as PATCH operations (RFC 7644 section 3.5.2).

A multi-valued attribute is replaced whole: a filter on its elements is not safe while values may occur twice or the
target may have changed them. Sub-attributes of a complex attribute and of an extension are changed one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.profile import Patch

PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

Operation = dict[str, Any]
_NO_CHANGE = frozenset({"schemas", "id", "meta", "members", "password"})


def patch_message(operations: Sequence[Operation], ways: Patch) -> dict[str, Any]:
    """The body of a PATCH, spelled as the target reads it."""
    spelled = [_spelled(operation, ways) for operation in operations]
    return {"schemas": [PATCH_SCHEMA], "Operations": spelled}


def pathless(operations: Sequence[Operation], after: Mapping[str, Any]) -> list[Operation]:
    """The same changes without paths: one `replace` with an object, and the removals, which need one.

    RFC 7644 section 3.5.2.3: the attributes in the object are replaced, so complex ones are given whole.
    """
    values: dict[str, Any] = {}
    for operation in operations:
        if operation["op"] == "remove":
            continue
        schema, _, attribute = operation["path"].rpartition(":")
        name = attribute.partition(".")[0]
        if schema:
            values.setdefault(schema, {})[name] = after[schema][name]
        else:
            values[name] = after.get(name, operation["value"])
    removals = [operation for operation in operations if operation["op"] == "remove"]
    return [*([{"op": "replace", "value": values}] if values else []), *removals]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Operation]:
    """The operations that turn `before` into `after`; empty when there is nothing to do."""
    operations: list[Operation] = []
    for key in [*after, *(key for key in before if key not in after)]:
        if key not in _NO_CHANGE:
            operations += _changed(key, before.get(key), after.get(key))
    return operations


def everything(after: Mapping[str, Any]) -> list[Operation]:
    """The operations that write `after` over a state that nobody knows: `add` would merge, so all are `replace`."""
    return [{**operation, "op": "replace"} for operation in changes({}, after)]


def relevant(read: Mapping[str, Any], after: Mapping[str, Any], managed: Iterable[str]) -> dict[str, Any]:
    """What was read of a resource, less what is none of our business.

    Ours are the attributes of `after` and those of `managed` (attribute names and paths that were delivered or touched
    before); the rest was set at the target by others and stays.
    """
    ours = set(managed)
    kept: dict[str, Any] = {}
    for key, value in read.items():
        wanted = after.get(key)
        if isinstance(value, Mapping):
            inner = wanted if isinstance(wanted, Mapping) else {}
            part = {sub: item for sub, item in value.items() if sub in inner or key in ours or _path(key, sub) in ours}
            kept |= {key: part} if part else {}
        elif key in after or key in ours:
            kept[key] = value
    return kept


def paths(resource: Mapping[str, Any]) -> Iterator[str]:
    """The paths of everything in a resource, complex attributes by their parts."""
    for key, value in resource.items():
        if isinstance(value, Mapping):
            yield from (_path(key, sub) for sub in value)
        else:
            yield key


def touched(patch: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The paths that the operations of an inbound PATCH name, a value filter cut off."""
    for operation in patch:
        path = operation.get("path")
        if isinstance(path, str) and path:
            yield path.partition("[")[0]
        elif isinstance(operation.get("value"), Mapping):
            yield from paths(operation["value"])


def batches(operations: Sequence[Operation], size: int) -> Iterator[list[Operation]]:
    """The operations in order, at most `size` at a time."""
    for start in range(0, len(operations), size):
        yield list(operations[start : start + size])


def _spelled(operation: Operation, ways: Patch) -> Operation:
    spelled = dict(operation)
    if ways.capitals:
        spelled["op"] = operation["op"].capitalize()
    if ways.boolean_words and "value" in operation:
        spelled["value"] = _words(operation["value"])
    return spelled


def _words(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _words(item) for key, item in value.items()}
    return [_words(item) for item in value] if isinstance(value, list) else value


def _changed(path: str, before: Any, after: Any, joint: str = "") -> Iterator[Operation]:
    if same(before, after):
        return
    if not joint and path.startswith("urn:"):
        yield from _changed_parts(path, before or {}, after or {}, ":")
    elif after is None:
        yield {"op": "remove", "path": path}
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _changed_parts(path, before, after, ".")
    else:
        yield {"op": "add" if before is None else "replace", "path": path, "value": after}


def _changed_parts(path: str, before: Mapping[str, Any], after: Mapping[str, Any], joint: str) -> Iterator[Operation]:
    for sub in [*after, *(sub for sub in before if sub not in after)]:
        yield from _changed(f"{path}{joint}{sub}", before.get(sub), after.get(sub), joint)


def _path(key: str, sub: str) -> str:
    """RFC 7644 section 3.10: a colon after a schema's URN, a dot after an attribute."""
    return f"{key}:{sub}" if key.startswith("urn:") else f"{key}.{sub}"


def same(one: Any, other: Any) -> bool:
    """Equal, where the order of the values of a multi-valued attribute says nothing (RFC 7643 section 2.4)."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(_canonical, one)) == sorted(map(_canonical, other))
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
