"""The REST API of Salesforce: its requests, what its errors mean, and the allowance that an organization has.

Errors are a list of `{"errorCode", "message", "fields"}` (REST API Developer Guide, Status Codes and Error Responses).
Every answer says how much of the day's allowance is used (`Sforce-Limit-Info`); near its end the connector pauses, so
that the organization's other applications have the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from connectors.connector import Remember
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.metadata import url_problem
from connectors.rest_calls import Answer, RestCalls, Talk
from connectors.salesforce_settings import Setup
from connectors.scim_access import TokenAdmission
from connectors.statuses import described, retry_after, status_error

USAGE = "salesforce-usage"
_PAUSE = timedelta(minutes=15)
_USAGE = re.compile(r"(?:^|[\s,;])api-usage=(\d+)/(\d+)")
_TAKEN = frozenset({"DUPLICATE_USERNAME", "DUPLICATE_VALUE", "DUPLICATE_DEVELOPER_NAME", "DUPLICATE_EXTERNAL_ID"})
_AGAIN = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG"})
_SETUP = frozenset({"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "UNSUPPORTED_API_VERSION"})
_GONE = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})
# Where an organization may live; a token endpoint that names another place is not followed there.
_HOSTS = (".salesforce.com", ".force.com", ".salesforce.mil", ".cloudforce.com", ".sfcrmproducts.cn")


@dataclass(slots=True)
class Usage:
    """The organization's allowance as last heard; `limit` is the share at which to pause."""

    limit: float
    used: int = 0
    most: int = 0

    def spent(self) -> bool:
        """Whether it is nearly used up."""
        return self.most > 0 and self.used >= self.most * self.limit

    def hear(self, header: str) -> None:
        """Take in what an answer says."""
        found = _USAGE.search(header)
        if found:
            self.used, self.most = int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization(RestCalls):
    """One task's conversation with an organization."""

    setup: Setup
    tokens: TokenAdmission
    usage: Usage = field(default_factory=lambda: Usage(1.0))

    def base(self) -> str:
        """Where the organization is: as the token endpoint says, when that is Salesforce; else as the settings say."""
        said = str(self.tokens.token.extra.get("instance_url") or "") if self.tokens.token else ""
        place = said.rstrip("/") if _is_salesforce(said, self.setup.domain) else self.setup.domain
        return f"{place}/services/data/{self.setup.version}"

    def call(
        self, method: str, path: str, purpose: str, body: Mapping[str, Any] | None = None, secrets: tuple[str, ...] = ()
    ) -> Talk[Answer]:
        """Make a request, unless the allowance is nearly used up. Raises ConnectorError as `judge` says."""
        if self.usage.spent():
            raise TargetThrottled(
                f"{purpose}: {self.usage.used} of {self.usage.most} API requests of the day are used",
                retry_after=_PAUSE.total_seconds(),
            )
        answer = yield from RestCalls.call(self, method, path, purpose, body, secrets)
        if self.usage.spent():
            yield Remember(USAGE, {"used": self.usage.used, "most": self.usage.most}, _PAUSE)
        return answer

    def judge(self, answer: Answer) -> None:
        """Raise for what a later attempt may mend, and for what an administrator must."""
        self.usage.hear(answer.reply.headers.get("sforce-limit-info", ""))
        if answer.good:
            return
        status, codes = answer.status, set(_codes(answer))
        if "REQUEST_LIMIT_EXCEEDED" in codes:
            raise TargetThrottled(_message(answer), retry_after=self._patience(answer), status=status)
        if status == 401 or "INVALID_SESSION_ID" in codes:
            raise CredentialsRejected(_message(answer), status=status, detail=_said(answer))
        if codes & _AGAIN:
            raise TargetUnavailable(_message(answer), status=status, detail=_said(answer))
        if codes & _SETUP:
            raise Misconfigured(_message(answer), setting="sf-api-version")
        if not codes or status >= 500 or status == 429:
            raise status_error(
                answer.reply,
                now=self.now,
                doing=answer.request.purpose,
                detail=_said(answer),
                endpoint="sf-domain-name",
            )

    def error(self, answer: Answer) -> ConnectorError:
        """The refusal that a 4xx is."""
        kind = TargetConflict if taken(answer) else TargetRefused
        return kind(_message(answer), status=answer.status, detail=_said(answer))

    def query(self, soql: str, purpose: str) -> Talk[list[Mapping[str, Any]]]:
        """All records that a query finds, page by page; the query asks for their `Id`."""
        answer = yield from self.get(f"/query?{urlencode({'q': soql})}", purpose)
        found: list[Mapping[str, Any]] = []
        while True:
            if not answer.good:
                raise self.error(answer)
            page = [one for one in answer.listed("records") if one.get("Id")]
            found += page
            following = str(answer.resource.get("nextRecordsUrl") or "")
            if answer.resource.get("done") is not False or not following or not page:
                return found
            answer = yield from self.get(f"/query/{quote(following.rpartition('/')[2])}", purpose)

    def _patience(self, answer: Answer) -> float | None:
        """A day's allowance comes back by the hour; too many at once are over in a moment."""
        told = retry_after(answer.reply, self.now)
        if told is not None or "TotalRequests" not in (_said(answer) or ""):
            return told
        return _PAUSE.total_seconds()


def organization(setup: Setup, remembered: Mapping[str, Any], now: datetime, nonce: str) -> Organization:
    """The conversation with the organization of the settings."""
    tokens = TokenAdmission(setup.client, remembered, now, nonce)
    kept = remembered.get(USAGE)
    usage = Usage(setup.usage_limit)
    if isinstance(kept, Mapping):
        usage.used, usage.most = int(kept["used"]), int(kept["most"])
    return Organization(admission=tokens, now=now, setup=setup, tokens=tokens, usage=usage)


def sobject(kind: str, *parts: str, **query: str) -> str:
    """The path of a kind of records, of one record, or of something of it."""
    joined = "/".join(quote(part, safe="") for part in ("sobjects", kind, *parts))
    return f"/{joined}" + (f"?{urlencode(query)}" if query else "")


def missing(answer: Answer) -> bool:
    """Whether the record is not there (any more)."""
    return answer.status in {404, 410} or (answer.status == 400 and bool(_GONE & set(_codes(answer))))


def taken(answer: Answer) -> bool:
    """Whether something that must be unique exists already."""
    return not answer.good and bool(_TAKEN & set(_codes(answer)))


def has_code(answer: Answer, code: str) -> bool:
    """Whether the target gave this reason."""
    return code in _codes(answer)


def same_id(one: str, other: str) -> bool:
    """Ids have 15 characters, or 18 with a check sum."""
    return one[:15] == other[:15]


def errors_of(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """The errors in an answer."""
    listed = answer.data if isinstance(answer.data, list) else [answer.data]
    return [one for one in listed if isinstance(one, Mapping) and "errorCode" in one]


def _codes(answer: Answer) -> Iterator[str]:
    return (str(one["errorCode"]) for one in errors_of(answer))


def _said(answer: Answer) -> str | None:
    return answer.masked("; ".join(f"{one.get('message', '')} ({one['errorCode']})" for one in errors_of(answer)))


def _message(answer: Answer) -> str:
    said = _said(answer)
    message = f"{answer.request.purpose}: the target answered {described(answer.status)}"
    return f"{message}: {said}" if said else message


def _is_salesforce(url: str, domain: str) -> bool:
    if not url or url_problem(url) is not None:
        return False
    host, ours = (urlsplit(one) for one in (url, domain))
    if host.netloc.lower() == ours.netloc.lower():
        return True
    return host.scheme == "https" and str(host.hostname).endswith(_HOSTS)
