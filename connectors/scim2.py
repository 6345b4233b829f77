"""SCIM 2.0 (RFC 7643, RFC 7644): the connector type `scim2`.

The way of a task: `scim_work` (with `scim_users` and `scim_groups`) decides what to do; `scim_payload` says what the
target should have, `scim_changes` how that differs from what it has, `scim_calls` makes the requests and reads the
answers, `scim_lookup` finds what exists already, `scim_members` sends a group's members. What a target does differently
is said by its `profile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.connector import Exchanges, Probe, Property, Settings, Task
from connectors.errors import Misconfigured
from connectors.metadata import metadata_problems
from connectors.profile import Profile, UnknownProfile, load
from connectors.scim_access import MODES, access, access_problems
from connectors.scim_calls import Calls
from connectors.scim_groups import GroupWork
from connectors.scim_probe import probe_target
from connectors.scim_users import UserWork

PROPERTIES: tuple[Property, ...] = (
    Property(
        key="scim2-authentication-mode",
        display_name="Authentication Mode",
        description="How requests to the target are authenticated",
        type="option",
        options=MODES,
        default="basic",
        display_order=1,
    ),
    Property(key="scim2-username", display_name="Username", description="For HTTP Basic", display_order=2),
    Property(
        key="scim2-password",
        display_name="Password",
        description="For HTTP Basic",
        type="secret",
        confidential=True,
        display_order=3,
    ),
    Property(
        key="scim2-access-token",
        display_name="Access Token",
        description="For bearer authentication",
        type="secret",
        confidential=True,
        display_order=4,
    ),
    Property(
        key="scim2-api-key-header",
        display_name="API Key Header",
        description="Name of the header that carries the API key",
        display_order=5,
    ),
    Property(
        key="scim2-api-key-value", display_name="API Key Value", type="secret", confidential=True, display_order=6
    ),
    Property(
        key="scim2-user-ep",
        display_name="User Endpoint",
        description="For example https://example.com/scim/v2/Users",
        type="url",
        required=True,
        display_order=7,
    ),
    Property(
        key="scim2-group-ep",
        display_name="Group Endpoint",
        description="For example https://example.com/scim/v2/Groups; without it groups are not provisioned",
        type="url",
        display_order=8,
    ),
    Property(
        key="scim2-user-store-domain",
        display_name="User Store Domain",
        description="Put in front of names at the target, as DOMAIN/name",
        display_order=9,
    ),
    Property(
        key="scim2-enable-pwd-provisioning",
        display_name="Enable Password Provisioning",
        description="Send passwords that requests carry, and the default one when an account is created without",
        type="boolean",
        default="true",
        display_order=10,
    ),
    Property(
        key="scim2-default-pwd",
        display_name="Default Password",
        description="For accounts that are created without a password; never sent with an update",
        type="secret",
        confidential=True,
        display_order=11,
    ),
)


class Scim2:
    """The connector for SCIM 2.0 targets."""

    type = "scim2"
    display_name = "SCIM 2.0"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state; see `connectors.connector.Connector`."""
        kind = UserWork if task.entity_type == "user" else GroupWork
        work = kind(task, settings, _profile(settings))
        if task.operation == "delete":
            return (yield from work.delete())
        if task.link is None:
            return (yield from work.create())
        return (yield from work.update(task.link))

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Read the target's configuration, one user and one group; says what was found."""
        del remembered  # a test reads afresh
        calls = Calls(access=access(settings), profile=_profile(settings), now=now)
        return (yield from probe_target(calls, settings.get("scim2-user-ep"), settings.get("scim2-group-ep")))

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message)."""
        free = [known for known in PROPERTIES if known.type != "option"]
        problems = [*metadata_problems(free, settings), *access_problems(settings)]
        try:
            load(settings.profile)
        except UnknownProfile as error:
            problems.append(("profile", str(error)))
        return problems


def _profile(settings: Settings) -> Profile:
    try:
        return load(settings.profile)
    except UnknownProfile as error:
        raise Misconfigured(str(error), setting="profile") from error
