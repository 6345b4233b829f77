"""The connection test of a SCIM 2.0 target: reads what it says of itself and one resource of each, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.claims import CORE_USER, ENTERPRISE_USER
from connectors.connector import Finding
from connectors.errors import ConnectorError
from connectors.filters import page_url
from connectors.scim_calls import Answer, Calls, Talk
from connectors.scim_discovery import configuration_url, memory_of, supported
from connectors.statuses import described

_SCIM_1 = "urn:scim:schemas:core:1.0"
_FEATURES = ("patch", "filter", "bulk", "sort", "etag", "changePassword")

Judge = Callable[[Answer, str], list[Finding]]


def probe_target(calls: Calls, user_endpoint: str, group_endpoint: str = "") -> Talk[tuple[Finding, ...]]:
    """What was found, for people. What the target refuses is a finding, no error; what it says is remembered."""
    configuration = configuration_url(user_endpoint, calls.profile.discovery)
    base = configuration.removesuffix(calls.profile.discovery.path)
    findings = yield from _probe(calls, configuration, "read the configuration", _configuration)
    findings += yield from _probe(calls, f"{base}ResourceTypes", "read the resource types", _resource_types)
    findings += yield from _probe(calls, f"{base}Schemas", "read the schemas", _schemas)
    findings += yield from _probe(calls, page_url(user_endpoint, 1, 1), "read one user", _listing)
    if group_endpoint and calls.profile.group.supported:
        findings += yield from _probe(calls, page_url(group_endpoint, 1, 1), "read one group", _listing)
    return tuple(findings)


def _probe(calls: Calls, url: str, purpose: str, judge: Judge) -> Talk[list[Finding]]:
    try:
        answer = yield from calls.get(url, purpose)
    except ConnectorError as error:
        text = f"{error.message}: {error.detail}" if error.detail else error.message
        return [Finding(good=False, message=text)]
    if _speaks_scim_1(answer.data):
        return [Finding(good=False, message=f"{purpose}: this is a SCIM 1.1 server: use the connector `scim`")]
    if judge is _configuration:
        yield memory_of(answer, calls.profile.discovery)
    return judge(answer, purpose)


def _configuration(answer: Answer, purpose: str) -> list[Finding]:
    if not answer.good:
        # Infisical, GitLab and others have none: no reason not to provision.
        return [Finding(good=True, message=f"{purpose}: the target offers none ({described(answer.status)})")]
    offered = [name for name in _FEATURES if supported(answer.data, name)]
    return [Finding(good=True, message=f"{purpose}: supports {', '.join(offered) or 'nothing optional'}")]


def _resource_types(answer: Answer, purpose: str) -> list[Finding]:
    """RFC 7643 section 6; silence is no finding."""
    types = list(_listed(answer))
    if not types:
        return []
    names = ", ".join(f"`{one.get('name')}`" for one in types)
    findings = [Finding(good=True, message=f"{purpose}: {names}")]
    users = next((one for one in types if one.get("schema") == CORE_USER), {})
    extensions = [one.get("schema") for one in _mappings(users.get("schemaExtensions"))]
    if users and ENTERPRISE_USER not in extensions:
        findings.append(Finding(good=True, message=f"{purpose}: users have no enterprise extension"))
    return findings


def _schemas(answer: Answer, purpose: str) -> list[Finding]:
    """RFC 7643 section 7: what a user cannot do without."""
    schema = next((one for one in _listed(answer) if one.get("id") == CORE_USER), None)
    required = sorted(set(_required(schema))) if schema is not None else []
    return [Finding(good=True, message=f"{purpose}: a user must have {', '.join(required)}")] if required else []


def _required(schema: Mapping[str, Any]) -> Iterator[str]:
    for attribute in _mappings(schema.get("attributes")):
        name, optional = str(attribute.get("name")), attribute.get("required") is not True
        if not optional and attribute.get("mutability") != "readOnly":
            yield name
            parts = [one for one in _mappings(attribute.get("subAttributes")) if one.get("required") is True]
            yield from (f"{name}.{one.get('name')}" for one in parts)


def _listing(answer: Answer, purpose: str) -> list[Finding]:
    if not answer.good:
        return [Finding(good=False, message=answer.error().message)]
    total = answer.data.get("totalResults")
    if not isinstance(total, int):
        return [Finding(good=False, message=f"{purpose}: the answer is no SCIM list: is the endpoint right?")]
    return [Finding(good=True, message=f"{purpose}: the credentials are accepted, {total} exist at the target")]


def _listed(answer: Answer) -> Iterator[Mapping[str, Any]]:
    return _mappings(answer.data.get("Resources") if answer.good else None)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _speaks_scim_1(data: Mapping[str, Any]) -> bool:
    listed = [one.get("schemas") for one in (data, *_mappings(data.get("Resources")))]
    return any(str(schema).startswith(_SCIM_1) for some in listed if isinstance(some, list) for schema in some)
