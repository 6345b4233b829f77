"""SCIM 1.1 (core schema 1.0): the connector type `scim`, as WSO2 Identity Server's drop-down calls it.

`scim1_work` has the operations, `scim1_payload` the translation from SCIM 2.0 and the PATCH of 1.1, `scim1_members` a
group's members; the calls themselves and the look-up by filter are those of the SCIM 2.0 connector.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import Exchanges, Finding, Probe, Property, Settings, Task
from connectors.errors import ConnectorError, Misconfigured
from connectors.metadata import metadata_problems
from connectors.nesting import Nesting, chosen, nesting_property
from connectors.profile import Profile, load
from connectors.scim1_work import Work
from connectors.scim_access import Access
from connectors.scim_calls import Answer, Calls, Talk
from connectors.statuses import described

PROPERTIES: tuple[Property, ...] = (
    Property(
        key="scim-username",
        display_name="Username",
        description="For HTTP Basic; not needed with an access token.",
        required=True,
        display_order=1,
    ),
    Property(
        key="scim-password",
        display_name="Password",
        description="For HTTP Basic; not needed with an access token.",
        type="secret",
        required=True,
        confidential=True,
        display_order=2,
    ),
    Property(
        key="scim-user-ep",
        display_name="User Endpoint",
        description="For example https://example.com/scim/v1/Users.",
        type="url",
        required=True,
        display_order=3,
    ),
    Property(
        key="scim-group-ep",
        display_name="Group Endpoint",
        description="For example https://example.com/scim/v1/Groups; without it groups are not provisioned.",
        type="url",
        display_order=4,
    ),
    Property(
        key="scim-user-store-domain",
        display_name="User Store Domain",
        description="Put in front of names at the target, as DOMAIN/name.",
        display_order=5,
    ),
    Property(
        key="scim-enable-pwd-provisioning",
        display_name="Enable Password Provisioning",
        description="Send passwords that requests carry, and the default one when an account is created without.",
        type="boolean",
        default="true",
        display_order=6,
    ),
    Property(
        key="scim-default-pwd",
        display_name="Default Password",
        description="For accounts that are created without a password; never sent with an update.",
        type="secret",
        confidential=True,
        display_order=7,
    ),
    Property(
        key="scim-access-token",
        display_name="Access Token",
        description="An OAuth bearer token, used instead of user name and password.",
        type="secret",
        confidential=True,
        display_order=8,
    ),
    replace(nesting_property("scim-nested-groups"), display_order=9),
)
_SCIM_2 = "urn:ietf:params:scim:"


class Scim1:
    """The connector for SCIM 1.1 targets."""

    type = "scim"
    display_name = "SCIM 1.1"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state; see `connectors.connector.Connector`.

        The delivered state is the resource in SCIM 1.1, without members and password.
        """
        refuse_halves(task)
        for key, message in self.problems(settings):
            raise Misconfigured(f"{key}: {message}", setting=key)
        return (yield from Work(task, settings, _calls(settings, task.now)).run())

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Read the target's configuration, one user and one group; says what was found."""
        del remembered  # a test reads afresh
        wrong = [Finding(good=False, message=f"{key}: {message}") for key, message in self.problems(settings)]
        if wrong:
            return tuple(wrong)
        calls, users = _calls(settings, now), settings.get("scim-user-ep")
        base = users.partition("?")[0].rstrip("/").rpartition("/")[0]
        findings = yield from _look(calls, f"{base}/ServiceProviderConfigs", "read the configuration", optional=True)
        for key, purpose in (("scim-user-ep", "read one user"), ("scim-group-ep", "read one group")):
            endpoint = settings.get(key)
            if endpoint:
                mark = "&" if "?" in endpoint else "?"
                findings += yield from _look(calls, f"{endpoint}{mark}startIndex=1&count=1", purpose)
        return tuple(findings)

    def nesting(self, settings: Settings) -> Nesting:
        """What becomes of groups in groups; see `connectors.nesting`."""
        return chosen(settings, "scim-nested-groups")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message); empty when they can work."""
        token = settings.get("scim-access-token")
        waived = {"scim-username", "scim-password"} if token else set()
        found = [one for one in metadata_problems(PROPERTIES, settings) if one[0] not in waived]
        if ":" in settings.get("scim-username") and not token:  # RFC 7617 section 2
            found.append(("scim-username", "a user name with a colon cannot be sent with HTTP Basic"))
        if any(not 32 < ord(character) < 127 for character in token):
            found.append(("scim-access-token", "holds a character that no bearer token has"))
        return found


def _calls(settings: Settings, now: datetime) -> Calls:
    return Calls(access=_access(settings), profile=_profile(), now=now)


def _access(settings: Settings) -> Access:
    token = settings.get("scim-access-token")
    if token:
        return Access({"Authorization": f"Bearer {token}"}, (token,))
    password = settings.get("scim-password")
    pair = base64.b64encode(f"{settings.get('scim-username')}:{password}".encode()).decode()
    return Access({"Authorization": f"Basic {pair}"}, (password, pair))


def _profile() -> Profile:
    """SCIM 1.1 knows JSON by its general media type only (protocol, section 3.7)."""
    generic = load("generic")
    return replace(generic, http=replace(generic.http, media_type="application/json"))


def _look(calls: Calls, url: str, purpose: str, *, optional: bool = False) -> Talk[list[Finding]]:
    try:
        answer = yield from calls.get(url, purpose)
    except ConnectorError as error:
        said = f": {error.detail}" if error.detail else ""
        return [Finding(good=False, message=f"{error.message}{said}")]
    if _speaks_scim_2(answer.data):
        return [Finding(good=False, message=f"{purpose}: this is a SCIM 2.0 server: use the connector `scim2`")]
    if optional:
        return [_configuration(answer, purpose)]
    total = answer.data.get("totalResults")
    if not answer.good:
        return [Finding(good=False, message=answer.error().message)]
    if not isinstance(total, int):
        return [Finding(good=False, message=f"{purpose}: the answer is no SCIM list: is the endpoint right?")]
    return [Finding(good=True, message=f"{purpose}: the credentials are accepted, {total} exist at the target")]


def _configuration(answer: Answer, purpose: str) -> Finding:
    if not answer.good:
        return Finding(good=True, message=f"{purpose}: the target offers none ({described(answer.status)})")
    patch = answer.data.get("patch")
    known = isinstance(patch, Mapping) and patch.get("supported") is True
    return Finding(good=True, message=f"{purpose}: PATCH is {'supported' if known else 'not supported, PUT is used'}")


def _speaks_scim_2(data: Mapping[str, Any]) -> bool:
    listed = data.get("Resources")
    resources = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    schemas = [schema for one in (data, *resources) for schema in (one.get("schemas") or ())]
    return any(str(schema).startswith(_SCIM_2) for schema in schemas)
