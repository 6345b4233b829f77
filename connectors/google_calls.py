"""The Directory API of Google's Admin SDK: access by domain-wide delegation, its requests, and what its errors mean.

Errors and quotas: https://developers.google.com/workspace/admin/directory/v1/limits; every failure is a JSON object
with a `reason` for each error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from connectors.connector import EntityType
from connectors.errors import (
    ConnectorError,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.google_settings import TOKEN_ENDPOINT, Setup
from connectors.oauth import MEMORY, Client
from connectors.rest_calls import Answer, RestCalls, mappings
from connectors.scim_access import TokenAdmission
from connectors.statuses import described, retry_after, status_error

_SCOPE = "https://www.googleapis.com/auth/admin.directory."
_THROTTLED = frozenset(
    {
        *("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"),
        *("concurrentLimitExceeded", "RATE_LIMIT_EXCEEDED"),
    }
)
_SETUP = frozenset(
    {
        *("accessNotConfigured", "insufficientPermissions", "domainCannotUseApis"),
        *("SERVICE_DISABLED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    }
)


def scope(entity_type: EntityType) -> str:
    """What an administrator must have delegated for users, or for groups with their members."""
    return _SCOPE + entity_type


def directory(
    setup: Setup, entity_type: EntityType, remembered: Mapping[str, Any], now: datetime, nonce: str
) -> Directory:
    """The conversation about entities of a type; users and groups have tokens of their own.

    An administrator who has delegated users only, as WSO2 Identity Server asks for, is not refused a token for them.
    """
    client = Client(
        endpoint=setup.token_endpoint,
        id=setup.account,
        secret=setup.key.pem,
        authentication="jwt-bearer",
        key_id=setup.key.key_id,
        audience=TOKEN_ENDPOINT,  # as Google's own client has it, whatever address the request takes
        subject=setup.admin,
        claims={"scope": scope(entity_type)},
        memory=MEMORY if entity_type == "user" else f"{MEMORY}-{entity_type}",
    )
    return Directory(admission=TokenAdmission(client, remembered, now, nonce), now=now, setup=setup)


def path(*parts: str, **query: str | int) -> str:
    """A path of the API; each part is escaped, so that it stays one segment."""
    joined = "/".join(quote(part, safe="") for part in parts)
    return f"/admin/directory/v1/{joined}" + (f"?{urlencode(query)}" if query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory(RestCalls):
    """One task's conversation with the Directory API."""

    setup: Setup

    def base(self) -> str:
        """The address of the API."""
        return self.setup.api_endpoint

    def agent(self) -> str:
        """Google's audit log shows it."""
        return self.setup.agent

    def judge(self, answer: Answer) -> None:
        """Raise for what a later attempt may mend, and for what an administrator must."""
        status, reasons = answer.status, set(_reasons(answer))
        if status in {401, 429} or status >= 500 or 300 <= status < 400:
            raise self._by_status(answer)
        if status == 403 and reasons & _THROTTLED:
            patience = retry_after(answer.reply, self.now)
            raise TargetThrottled(_message(answer), retry_after=patience, status=status, detail=said(answer))
        if status == 403 and reasons & _SETUP:
            raise Misconfigured(_message(answer), setting="google_prov_admin_email")
        if status == 412 and "limitExceeded" not in reasons:
            # Nothing here demands a version: Google has not finished a change of before ("User creation is not
            # complete").
            raise TargetUnavailable(_message(answer), status=status, detail=said(answer))
        if not answer.good and not _is_google(answer):
            raise self._by_status(answer)

    def error(self, answer: Answer) -> ConnectorError:
        """The refusal that a 4xx is; something that must be unique exists already where Google says `duplicate`."""
        kind: type[ConnectorError] = TargetConflict if duplicate(answer) else TargetRefused
        if answer.status == 409 and not duplicate(answer):
            kind = TargetUnavailable  # an earlier change, such as a rename, is still under way
        return kind(_message(answer), status=answer.status, detail=said(answer))

    def _by_status(self, answer: Answer) -> ConnectorError:
        return status_error(
            answer.reply,
            now=self.now,
            doing=answer.request.purpose,
            detail=said(answer),
            endpoint="google_prov_api_endpoint",
        )


def missing(answer: Answer) -> bool:
    """Whether the user, group or member is not there (any more)."""
    return answer.status in {404, 410}


def duplicate(answer: Answer) -> bool:
    """Whether something that must be unique exists already."""
    return answer.status == 409 and (not _reasons(answer) or "duplicate" in _reasons(answer))


def _error(answer: Answer) -> Mapping[str, Any]:
    found = answer.resource.get("error")
    return found if isinstance(found, Mapping) else {}


def _is_google(answer: Answer) -> bool:
    return bool(_error(answer))


def _reasons(answer: Answer) -> list[str]:
    """The reasons in both forms that Google uses: `errors` of old, and `details` (google.rpc.ErrorInfo)."""
    listed = [one for key in ("errors", "details") for one in mappings(_error(answer).get(key))]
    return [str(one["reason"]) for one in listed if one.get("reason")]


def said(answer: Answer) -> str | None:
    """What Google said of a failure, with its reasons; None when it said nothing."""
    message, reasons = str(_error(answer).get("message") or ""), _reasons(answer)
    return answer.masked(f"{message} ({', '.join(dict.fromkeys(reasons))})" if reasons else message)


def _message(answer: Answer) -> str:
    message, words = f"{answer.request.purpose}: the target answered {described(answer.status)}", said(answer)
    return f"{message}: {words}" if words else message
