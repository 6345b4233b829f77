"""The connection test of a SCIM 2.0 target: reads its configuration and one user, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.connector import Finding
from connectors.errors import ConnectorError
from connectors.scim_calls import Answer, Calls, Talk
from connectors.statuses import described

_SCIM_1 = "urn:scim:schemas:core:1.0"
_FEATURES = ("patch", "filter", "bulk", "sort", "etag", "changePassword")


def probe_target(calls: Calls, user_endpoint: str, group_endpoint: str = "") -> Talk[tuple[Finding, ...]]:
    """What was found, for people. What the target refuses is a finding, no error."""
    findings: list[Finding] = []
    base = user_endpoint.partition("?")[0].rstrip("/").rpartition("/")[0]
    findings += yield from _probe(calls, f"{base}/ServiceProviderConfig", "read the configuration", _configuration)
    findings += yield from _probe(calls, _one_of(user_endpoint), "read one user", _listing)
    if group_endpoint:
        findings += yield from _probe(calls, _one_of(group_endpoint), "read one group", _listing)
    return tuple(findings)


def _one_of(endpoint: str) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}startIndex=1&count=1"


def _probe(calls: Calls, url: str, purpose: str, judge: Any) -> Talk[list[Finding]]:
    try:
        answer = yield from calls.get(url, purpose)
    except ConnectorError as error:
        text = f"{error.message}: {error.detail}" if error.detail else error.message
        return [Finding(good=False, message=text)]
    if _speaks_scim_1(answer.data):
        return [Finding(good=False, message=f"{purpose}: this is a SCIM 1.1 server: use the connector `scim`")]
    findings: list[Finding] = judge(answer, purpose)
    return findings


def _configuration(answer: Answer, purpose: str) -> list[Finding]:
    if answer.missing or not answer.good:
        # Infisical, GitLab and others have none: no reason not to provision.
        return [Finding(good=True, message=f"{purpose}: the target offers none ({described(answer.status)})")]
    supported = [name for name in _FEATURES if _supports(answer.data, name)]
    return [Finding(good=True, message=f"{purpose}: supports {', '.join(supported) or 'nothing optional'}")]


def _listing(answer: Answer, purpose: str) -> list[Finding]:
    if not answer.good:
        return [Finding(good=False, message=answer.error().message)]
    total = answer.data.get("totalResults")
    if not isinstance(total, int):
        return [Finding(good=False, message=f"{purpose}: the answer is no SCIM list: is the endpoint right?")]
    return [Finding(good=True, message=f"{purpose}: the credentials are accepted, {total} exist at the target")]


def _supports(data: Mapping[str, Any], name: str) -> bool:
    feature = data.get(name)
    # Entra-style servers spell booleans as words.
    return isinstance(feature, Mapping) and str(feature.get("supported")).lower() == "true"


def _speaks_scim_1(data: Mapping[str, Any]) -> bool:
    found = data.get("Resources")
    resources = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    listed = [one.get("schemas") for one in (data, *resources)]
    return any(str(schema).startswith(_SCIM_1) for some in listed if isinstance(some, list) for schema in some)
