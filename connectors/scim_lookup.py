"""Finding an account or group that exists at a SCIM target already (RFC 7644 section 3.4.2).

By filter, one attribute after the other; where the target cannot filter, by listing everything. Whatever is found is
compared here: a target that ignores a filter answers with all it has, and must not link us to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import TargetConflict, TargetRefused, TargetUnavailable
from connectors.filters import equals, page_url, search_url
from connectors.profile import Filter
from connectors.scim_calls import Answer, Calls, Talk


@dataclass(frozen=True, slots=True)
class Found:
    """A resource at the target; `ours` says that it carries our externalId: an earlier attempt made it, or a link."""

    identifier: str
    ours: bool
    data: Mapping[str, Any]


def look_up(calls: Calls, endpoint: str, wanted: Mapping[str, Any], name: str) -> Talk[Found | None]:
    """The one resource with our externalId, else the one of the same name; None when there is none.

    `name` is the naming attribute. Raises TargetConflict when more than one matches. A target that refuses to filter by
    one attribute is asked by the next.
    """
    ways = calls.profile.filter
    searched = ways.users if name == "userName" else ways.groups
    values = {attribute: str(wanted.get(attribute) or "") for attribute in searched}
    everything = None if ways.supported else (yield from _list_all(calls, endpoint))
    for attribute, value in values.items():
        if not value:
            continue
        searched_as = ways.names.get(attribute, attribute)
        if everything is None:
            answer = yield from calls.get(search_url(endpoint, equals(searched_as, value)), f"look up by {attribute}")
            found = _one(_resources(answer), attribute, searched_as, value)
        else:
            found = _one(everything, attribute, searched_as, value)
        if found is not None:
            return Found(str(found["id"]), _is_ours(found, wanted, ways), found)
    return None


def _is_ours(found: Mapping[str, Any], wanted: Mapping[str, Any], ways: Filter) -> bool:
    external = str(wanted.get("externalId") or "")
    places = ("externalId", ways.names.get("externalId", "externalId"))
    return bool(external) and any(str(found.get(place)) == external for place in places)


def _list_all(calls: Calls, endpoint: str) -> Talk[list[Mapping[str, Any]]]:
    """Everything at the endpoint, page by page. Raises TargetRefused when there is too much of it."""
    ways = calls.profile.filter
    found: dict[str, Mapping[str, Any]] = {}
    while True:
        answer = yield from calls.get(page_url(endpoint, len(found) + 1, ways.page), "list what exists")
        page = {str(one["id"]): one for one in _resources(answer)}
        if page.keys() <= found.keys():
            return list(found.values())
        found |= page
        total = answer.data.get("totalResults")
        if isinstance(total, int) and len(found) >= total:
            return list(found.values())
        if len(found) >= ways.most:
            raise TargetRefused(f"list what exists: more than {ways.most} resources, and the target cannot search")


def _resources(answer: Answer) -> list[Mapping[str, Any]]:
    if not answer.good:
        return []
    if answer.reply.truncated:
        raise TargetUnavailable(f"{answer.request.purpose}: the answer is too large to be read", status=answer.status)
    resources = answer.data.get("Resources")
    listed = resources if isinstance(resources, list) else [answer.data]
    return [one for one in listed if isinstance(one, Mapping) and one.get("id") not in (None, "")]


def _one(
    resources: Iterable[Mapping[str, Any]], attribute: str, searched_as: str, value: str
) -> Mapping[str, Any] | None:
    """The resource that has the value, under our name of the attribute or the target's.

    Raises TargetConflict when several have.
    """
    having = [
        one for one in resources if any(_equal(attribute, one.get(name), value) for name in (attribute, searched_as))
    ]
    found = {str(one["id"]): one for one in having}
    if len(found) > 1:
        raise TargetConflict(
            f"look up by {attribute}: {len(found)} resources at the target have the {attribute} `{value}`"
        )
    return next(iter(found.values()), None)


def _equal(attribute: str, found: Any, value: str) -> bool:
    """RFC 7643 sections 3.1 and 4: an externalId compares exactly, a userName or displayName without case."""
    if attribute == "externalId":
        return str(found) == value
    return str(found).casefold() == value.casefold()
