"""SCIM 2.0 (RFC 7643, RFC 7644): the connector type `scim2`.

The way of a task: `scim_work` (with `scim_users` and `scim_groups`) decides what to do; `scim_payload` says what the
target should have, `scim_changes` how that differs from what it has, `scim_calls` makes the requests and reads the
answers, `scim_lookup` finds what exists already, `scim_members` sends a group's members. What a target does differently
is said by its `profile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import EntityType, Exchanges, Probe, Settings, Task
from connectors.errors import Misconfigured
from connectors.metadata import metadata_problems
from connectors.nesting import Nesting, chosen
from connectors.profile import BadProfile, Profile, UnknownProfile, load, parse_overrides
from connectors.scim2_settings import PROPERTIES
from connectors.scim_access import access_problems, admission
from connectors.scim_calls import Calls
from connectors.scim_groups import GroupWork
from connectors.scim_probe import probe_target
from connectors.scim_users import UserWork


class Scim2:
    """The connector for SCIM 2.0 targets."""

    type = "scim2"
    display_name = "SCIM 2.0"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state; see `connectors.connector.Connector`."""
        refuse_halves(task)
        kind = UserWork if task.entity_type == "user" else GroupWork
        access = admission(settings, task.remembered, task.now, nonce=f"{task.random.getrandbits(128):032x}")
        work = kind(task, settings, Calls(access=access, profile=_profile(settings), now=task.now))
        if task.operation == "delete":
            return (yield from work.delete())
        if task.link is None:
            return (yield from work.create())
        return (yield from work.update(task.link))

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Read the target's configuration, one user and one group; says what was found."""
        access = admission(settings, remembered, now, nonce=f"probe-{now.timestamp():.6f}")
        calls = Calls(access=access, profile=_profile(settings), now=now)
        return (yield from probe_target(calls, settings.get("scim2-user-ep"), settings.get("scim2-group-ep")))

    def deletes(self, settings: Settings, entity_type: EntityType) -> bool:
        """Whether a delete removes the resource for good; see `connectors.connector.deletes`."""
        profile = _profile(settings)
        return (profile.user.delete if entity_type == "user" else profile.group.delete) == "delete"

    def nesting(self, settings: Settings) -> Nesting:
        """What becomes of groups in groups; see `connectors.nesting`."""
        return chosen(settings, "scim2-nested-groups")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message)."""
        free = [known for known in PROPERTIES if known.key != "scim2-authentication-mode"]
        problems = [*metadata_problems(free, settings), *access_problems(settings)]
        try:
            _profile(settings)
        except Misconfigured as error:
            problems.append((error.setting or "profile", error.message))
        return problems


def _profile(settings: Settings) -> Profile:
    """The target's profile with the administrator's overrides. Raises Misconfigured."""
    try:
        return _overridden(
            settings.profile, settings.get("scim2-profile-overrides"), settings.get("scim2-deprovisioning")
        )
    except UnknownProfile as error:
        raise Misconfigured(str(error), setting="profile") from error
    except BadProfile as error:
        raise Misconfigured(str(error), setting="scim2-profile-overrides") from error


@lru_cache(maxsize=256)
def _overridden(name: str, text: str, deprovisioning: str) -> Profile:
    overrides = parse_overrides(text)
    if deprovisioning and isinstance(overrides.setdefault("user", {}), dict):
        overrides["user"]["delete"] = deprovisioning
    return load(name, overrides)
