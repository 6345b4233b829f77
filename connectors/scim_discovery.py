"""What a SCIM target says that it can do (RFC 7643 section 5), remembered with an age.

It is read by every connection test, and before updates where the profile says that it is worth believing; besides, what
an answer shows (a method that is not known) is remembered as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.connector import Remember
from connectors.errors import Misconfigured, TargetRefused, TargetUnavailable
from connectors.profile import Discovery
from connectors.scim_calls import Answer, Calls, Talk

MEMORY = "scim2-discovery"


@dataclass(frozen=True, slots=True)
class Offers:
    """What the target can do; None where it has not said."""

    patch: bool | None = None
    etag: bool | None = None


NOTHING_SAID = Offers()


def configuration_url(user_endpoint: str, discovery: Discovery) -> str:
    """Where the configuration is: beside the users."""
    return f"{user_endpoint.partition('?')[0].rstrip('/').rpartition('/')[0]}/{discovery.path}"


def offers(calls: Calls, user_endpoint: str, remembered: Mapping[str, Any]) -> Talk[Offers]:
    """What is remembered, else what the target says when the profile has it read."""
    kept = remembered.get(MEMORY)
    if isinstance(kept, Mapping):
        return Offers(patch=kept.get("patch"), etag=kept.get("etag"))
    discovery = calls.profile.discovery
    if not discovery.read:
        return NOTHING_SAID
    try:
        answer = yield from calls.get(configuration_url(user_endpoint, discovery), "read the configuration")
    except (TargetRefused, TargetUnavailable, Misconfigured):
        return NOTHING_SAID  # a configuration in trouble is no reason not to provision
    yield memory_of(answer, discovery)
    return said_by(answer)


def said_by(answer: Answer) -> Offers:
    """What a configuration says; nothing when there is none."""
    if not answer.good:
        return NOTHING_SAID
    return Offers(patch=supported(answer.data, "patch"), etag=supported(answer.data, "etag"))


def memory_of(answer: Answer, discovery: Discovery) -> Remember:
    """Keep what a configuration says, or that there is none."""
    said = said_by(answer)
    return Remember(MEMORY, {"patch": said.patch, "etag": said.etag}, timedelta(hours=discovery.hours))


def no_patch(known: Offers, discovery: Discovery) -> Remember:
    """Keep that the target does not know PATCH, whatever its configuration says."""
    return Remember(MEMORY, {"patch": False, "etag": known.etag}, timedelta(hours=discovery.hours))


def supported(configuration: Mapping[str, Any], feature: str) -> bool | None:
    """Whether a configuration says that a feature is there; None when it does not say."""
    section = configuration.get(feature)
    if not isinstance(section, Mapping) or "supported" not in section:
        return None
    # Entra-style servers spell booleans as words.
    return str(section["supported"]).lower() == "true"
