"""Finding an account or group that exists at a SCIM target already, by filter (RFC 7644 section 3.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import TargetConflict, TargetUnavailable
from connectors.filters import equals, search_url
from connectors.scim_calls import Answer, Calls, Talk


@dataclass(frozen=True, slots=True)
class Found:
    """A resource at the target; `ours` says that it carries our externalId: an earlier attempt made it, or a link."""

    identifier: str
    ours: bool
    data: Mapping[str, Any]


def look_up(calls: Calls, endpoint: str, wanted: Mapping[str, Any], name: str) -> Talk[Found | None]:
    """The one resource with our externalId, else the one of the same name; None when there is none.

    `name` is the naming attribute. Raises TargetConflict when more than one matches. A target that cannot filter by one
    of the two is asked by the other.
    """
    for attribute in ("externalId", name):
        value = str(wanted.get(attribute) or "")
        if not value:
            continue
        answer = yield from calls.get(search_url(endpoint, equals(attribute, value)), f"look up by {attribute}")
        matches = _matches(answer, attribute, value)
        if len(matches) > 1:
            raise TargetConflict(
                f"look up by {attribute}: {len(matches)} resources at the target have the {attribute} `{value}`"
            )
        if matches:
            return _found(matches[0], str(wanted.get("externalId") or ""))
    return None


def _matches(answer: Answer, attribute: str, value: str) -> list[Mapping[str, Any]]:
    """The resources that have the value; a target that ignores the filter answers with all it has."""
    if not answer.good:
        return []
    if answer.reply.truncated:
        raise TargetUnavailable(f"{answer.request.purpose}: the answer is too large to be read", status=answer.status)
    resources = answer.data.get("Resources")
    listed = resources if isinstance(resources, list) else [answer.data]
    found = {str(one["id"]): one for one in listed if isinstance(one, Mapping) and one.get("id") not in (None, "")}
    return [one for one in found.values() if _equal(attribute, one.get(attribute), value)]


def _equal(attribute: str, found: Any, value: str) -> bool:
    """RFC 7643 sections 3.1 and 4: an externalId compares exactly, a userName or displayName without case."""
    if attribute == "externalId":
        return str(found) == value
    return str(found).casefold() == value.casefold()


def _found(resource: Mapping[str, Any], external: str) -> Found:
    return Found(str(resource["id"]), bool(external) and str(resource.get("externalId")) == external, resource)
