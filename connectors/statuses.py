"""What an HTTP status means to a delivery, where the protocol above it says no more.

Statuses that mean something to a protocol (SCIM's 404 and 409, a SOAP fault's 500) are handled before this is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from connectors.connector import Reply
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    Misconfigured,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)

# RFC 9110 section 15.5.9, RFC 8470 section 5.2: the same request may succeed later.
AGAIN = frozenset({408, 425})
LONGEST_PATIENCE = 86_400.0


def status_error(
    reply: Reply, *, now: datetime, doing: str, detail: str | None = None, endpoint: str | None = None
) -> ConnectorError:
    """The error for an answer that is no success; `doing` is the request's purpose, `now` has a time zone.

    `endpoint` names the setting with the URL when there is only one: then 404, 405 and 410 mean that it is wrong.
    """
    status = reply.status
    message = f"{doing}: the target answered {described(status)}"
    if status == 401:
        return CredentialsRejected(message, status=status, detail=detail)
    patience = retry_after(reply, now)
    if status == 429 or (status == 503 and patience is not None):
        return TargetThrottled(message, retry_after=patience, status=status, detail=detail)
    if status in AGAIN or status >= 500:
        return TargetUnavailable(message, status=status, detail=detail)
    if 300 <= status < 400:
        return Misconfigured(
            f"{message} to `{reply.headers.get('location', '')}`: no redirect is followed: give the URL it leads to",
            setting=endpoint,
        )
    if endpoint is not None and status in {404, 405, 410}:
        return Misconfigured(f"{message}: is the URL right?", setting=endpoint)
    return TargetRefused(message, status=status, detail=detail)


def described(status: int) -> str:
    """The status with its name from the registry when it has one: `503 Service Unavailable`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after(reply: Reply, now: datetime) -> float | None:
    """Seconds to wait, from seconds or an HTTP date (RFC 9110 section 10.2.3), at most a day; None when not told."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_PATIENCE)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), LONGEST_PATIENCE)
