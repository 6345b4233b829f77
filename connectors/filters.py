"""SCIM filters as this side writes them: equality, quoted (RFC 7644 section 3.4.2.2), and the URLs they go into."""

from __future__ import annotations

import json
from urllib.parse import quote


def equals(attribute: str, value: str) -> str:
    """`attribute eq "value"`; the value is written as a JSON string, so that no value can end it early."""
    return f"{attribute} eq {json.dumps(value, ensure_ascii=False)}"


def element(attribute: str, value: str) -> str:
    """The path of the elements of a multi-valued attribute whose `value` is this: `members[value eq "…"]`."""
    return f"{attribute}[{equals('value', value)}]"


def search_url(endpoint: str, condition: str) -> str:
    """The URL of a search at an endpoint, which may have a query of its own."""
    return f"{endpoint}{'&' if '?' in endpoint else '?'}filter={quote(condition, safe='')}"


def resource_url(endpoint: str, identifier: str) -> str:
    """The URL of one resource; the identifier is escaped, so that it stays one path segment."""
    path, mark, query = endpoint.partition("?")
    return f"{path.rstrip('/')}/{quote(identifier, safe='@:')}{mark}{query}"


def page_url(endpoint: str, start: int, count: int) -> str:
    """The URL of one page of a list; `start` counts from 1 (RFC 7644 section 3.4.2.4)."""
    return f"{endpoint}{'&' if '?' in endpoint else '?'}startIndex={start}&count={count}"
