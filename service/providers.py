"""Service providers, identity providers and what is configured between them. Frozen; nothing here knows a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

RESIDENT = "resident"
"""The built-in service provider for everything without an application."""

WSO2_RESIDENT = "wso2carbon-local-sp"
"""What WSO2 Identity Server, and so its policies, call the resident service provider."""

SECRET_MASK = "********"  # noqa: S105 - the mask that stands for a secret
"""What a reader sees instead of a secret, and what a writer sends to keep the stored one."""

NotApplicable = Literal["refuse", "permit"]
OnConflict = Literal["link", "fail"]
InboundMode = Literal["strict", "accept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRow:
    """One row of an outbound provisioning configuration; the three flags are per pair of providers."""

    identity_provider: str
    connector: str
    blocking: bool = False
    enable_rules: bool = False
    enable_jit: bool = False
    not_applicable: NotApplicable = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundProvisioning:
    """How SCIM requests that name this service provider are taken in."""

    proxy_mode: bool = False
    user_store_domain: str = "PRIMARY"
    mode: InboundMode = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProvider:
    """The application on whose behalf something is provisioned. `version` counts its writes (the ETag)."""

    name: str
    description: str = ""
    inbound: InboundProvisioning = field(default_factory=InboundProvisioning)
    outbound: tuple[OutboundRow, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class ClaimMapping:
    """A local claim (WSO2 claim URI, SCIM path or SCIM 1.1 URI) and the name that it has at the target."""

    local: str
    remote: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """A local role and the name that it has at the target."""

    local: str
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfiguration:
    """A connector of one identity provider. `properties` include the secrets only where a task is built."""

    type: str
    enabled: bool = True
    profile: str = "generic"
    on_conflict: OnConflict = "link"
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How patient a target's deliveries are; the defaults are those of the HTTP contract."""

    first_retry: timedelta = timedelta(seconds=2)
    longest_retry: timedelta = timedelta(days=1)
    give_up_after: timedelta = timedelta(days=7)
    exchange_timeout: timedelta = timedelta(seconds=20)
    rate: float | None = None
    """Requests a second to the target, over all workers; none: as fast as it answers."""
    burst: int = 10
    """Requests that may go at once after a pause, where a rate is set."""
    concurrency: int | None = None
    """Deliveries to the target at a time, over all workers; none: as many as the workers have threads."""
    breaker_threshold: int = 10
    """Consecutive failures after which the target is quarantined."""
    first_probe: timedelta = timedelta(seconds=5)
    longest_probe: timedelta = timedelta(minutes=15)
    deletion_count: int | None = None
    """Removals in a window beyond which further ones wait for an approval; with a share, both must be exceeded."""
    deletion_share: float | None = None
    """The same, as a part of the target's accounts: more than 0, at most 1."""
    deletion_window: timedelta = timedelta(hours=1)
    delete_linked_accounts: bool = False
    """Whether accounts are deleted that Sluice found at the target and did not make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """A target that accounts are provisioned into. `version` counts its writes (the ETag)."""

    name: str
    enabled: bool = True
    paused: bool = False
    default_connector: str | None = None
    claim_mappings: tuple[ClaimMapping, ...] = ()
    role_mappings: tuple[RoleMapping, ...] = ()
    outbound_roles: tuple[str, ...] = ()
    connectors: tuple[ConnectorConfiguration, ...] = ()
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    version: int = 1

    def connector(self, type_: str) -> ConnectorConfiguration | None:
        """The connector of that type, in any case."""
        return next((c for c in self.connectors if c.type.lower() == type_.lower()), None)
