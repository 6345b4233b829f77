"""A Google API as its published discovery document describes it: which methods there are, and what fits a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import unquote

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True)
class Method:
    """One method: its entry in the document, and the path's values."""

    id: str
    entry: Mapping[str, Any]
    path: Mapping[str, str]


class Discovery:
    """The document that Google's own client ships, such as `admin.directory_v1`."""

    def __init__(self, name: str) -> None:
        folder = resources.files("googleapiclient.discovery_cache") / "documents"
        self.document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        self._methods = list(self._all(self.document))

    def match(self, verb: str, path: str) -> Method | None:
        """The method of a verb and a path, as received."""
        for entry, pattern in self._methods:
            found = pattern.fullmatch(path)
            if found and entry["httpMethod"] == verb:
                return Method(entry["id"], entry, {name: unquote(value) for name, value in found.groupdict().items()})
        return None

    def query_problems(self, method: Method, query: Mapping[str, list[str]]) -> Iterator[str]:
        """What is wrong with the parameters in the query."""
        own = {name: one for name, one in method.entry.get("parameters", {}).items() if one["location"] == "query"}
        for name, values in query.items():
            known = own.get(name) or self.document["parameters"].get(name)
            if known is None:
                yield f"{method.id}: there is no parameter `{name}`"
            elif len(values) > 1 and not known.get("repeated"):
                yield f"{method.id}: `{name}` is given twice"
            else:
                yield from (f"{method.id}: {name}: {one}" for one in _parameter_problems(known, values[0]))
        yield from (
            f"{method.id}: `{name}` is missing" for name in own if own[name].get("required") and name not in query
        )

    def problems(self, schema: Mapping[str, Any], value: Any, where: str, *, sent_to: str = "") -> Iterator[str]:
        """What does not fit a schema. `sent_to` is the id of the method that a body goes to, blank for an answer."""
        if "$ref" in schema:
            named = schema["$ref"]
            yield from self.problems(self.document["schemas"][named], value, f"{where} ({named})", sent_to=sent_to)
            return
        if sent_to and schema.get("readOnly"):
            yield f"{where} is read-only"
        kind = schema.get("type", "any")
        if kind == "any" or (value is None and sent_to):
            return
        expected = _TYPES[kind]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            yield f"{where} is {json.dumps(value)}, no {kind}"
        elif kind == "array":
            for index, one in enumerate(value):
                yield from self.problems(schema["items"], one, f"{where}[{index}]", sent_to=sent_to)
        elif kind == "object":
            yield from self._object_problems(schema, value, where, sent_to)

    def _object_problems(
        self, schema: Mapping[str, Any], value: Mapping[str, Any], where: str, sent_to: str
    ) -> Iterator[str]:
        known = schema.get("properties", {})
        for key, item in value.items():
            inner = known.get(key) or schema.get("additionalProperties")
            if inner is None:
                yield f"{where}.{key} is unknown"
            else:
                yield from self.problems(inner, item, f"{where}.{key}", sent_to=sent_to)
        for key, one in known.items():
            if sent_to in one.get("annotations", {}).get("required", ()) and value.get(key) in (None, ""):
                yield f"{where}.{key} is required"

    def _all(self, level: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], re.Pattern[str]]]:
        for entry in level.get("methods", {}).values():
            parts = re.split(r"\{(\w+)\}", entry["path"])
            pattern = "".join(f"(?P<{one}>[^/]+)" if index % 2 else re.escape(one) for index, one in enumerate(parts))
            yield entry, re.compile("/" + self.document["servicePath"] + pattern)
        for inner in level.get("resources", {}).values():
            yield from self._all(inner)


def _parameter_problems(known: Mapping[str, Any], value: str) -> Iterator[str]:
    kind = known["type"]
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", value):
            yield f"`{value}` is no integer"
        elif not int(known.get("minimum", value)) <= int(value) <= int(known.get("maximum", value)):
            yield f"{value} is out of range"
    elif kind == "boolean" and value not in {"true", "false"}:
        yield f"`{value}` is no boolean"
    if "enum" in known and value not in known["enum"]:
        yield f"`{value}` is none of {known['enum']}"
