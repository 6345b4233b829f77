"""Bodies and answers about service and identity providers, and their way from and to `service.providers`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from service.providers import (
    ClaimMapping,
    ConnectorConfiguration,
    DeliverySettings,
    IdentityProvider,
    InboundMode,
    InboundProvisioning,
    NotApplicable,
    OnConflict,
    OutboundRow,
    RoleMapping,
    ServiceProvider,
)
from service.store.ledger import stamp
from service.store.target_health import Health, State
from service.web.fields import Body, Line, Name, Text, View

DAY = 86_400.0
Seconds = Annotated[float, PlainSerializer(lambda seconds: int(seconds) if seconds.is_integer() else seconds)]
NonEmptyLine = Annotated[Line, Field(min_length=1)]
CancelledDeliveries = Annotated[
    int | None,
    Field(
        description="how many deliveries that were under way the write cancelled; ignored in a body",
        json_schema_extra={"readOnly": True},
        exclude_if=lambda value: value is None,
    ),
]


class InboundBody(Body):
    """How SCIM requests that name this service provider are taken in."""

    proxy_mode: bool = False
    user_store_domain: Name = "PRIMARY"
    mode: InboundMode = "strict"


class OutboundRowBody(Body):
    """One row of an outbound provisioning configuration; without a connector it takes the default one."""

    identity_provider: Name
    connector: Name | None = None
    blocking: bool = False
    enable_rules: bool = False
    enable_jit: bool = False
    not_applicable: NotApplicable = "refuse"


class ServiceProviderBody(Body):
    """An application on whose behalf something is provisioned."""

    name: Name
    description: Annotated[Text, Field(max_length=2000)] = ""
    inbound_provisioning: InboundBody = InboundBody()
    outbound_provisioning: Annotated[list[OutboundRowBody], Field(default_factory=list, max_length=500)]
    cancelled_deliveries: CancelledDeliveries = None

    def provider(self) -> ServiceProvider:
        """The record; an empty connector means the default one."""
        inbound = self.inbound_provisioning
        return ServiceProvider(
            name=self.name,
            description=self.description,
            inbound=InboundProvisioning(
                proxy_mode=inbound.proxy_mode, user_store_domain=inbound.user_store_domain, mode=inbound.mode
            ),
            outbound=tuple(
                OutboundRow(
                    identity_provider=row.identity_provider,
                    connector=row.connector or "",
                    blocking=row.blocking,
                    enable_rules=row.enable_rules,
                    enable_jit=row.enable_jit,
                    not_applicable=row.not_applicable,
                )
                for row in self.outbound_provisioning
            ),
        )


def service_provider_view(provider: ServiceProvider) -> dict[str, Any]:
    """What is answered of a service provider; it can be sent back as a body."""
    inbound = provider.inbound
    return {
        "name": provider.name,
        "description": provider.description,
        "inboundProvisioning": {
            "proxyMode": inbound.proxy_mode,
            "userStoreDomain": inbound.user_store_domain,
            "mode": inbound.mode,
        },
        "outboundProvisioning": [
            {
                "identityProvider": row.identity_provider,
                "connector": row.connector,
                "blocking": row.blocking,
                "enableRules": row.enable_rules,
                "enableJit": row.enable_jit,
                "notApplicable": row.not_applicable,
            }
            for row in provider.outbound
        ],
    }


class ServiceProviderPage(View):
    """Service providers in the order of their names."""

    items: list[ServiceProviderBody]
    next: str | None


class ClaimMappingBody(Body):
    """A local claim and the name that it has at the target. Precedence: mapping, then entity, then default."""

    local: Annotated[
        NonEmptyLine,
        Field(
            description="a WSO2 claim URI, SCIM path, SCIM 1.1 URI, or a template such as "
            "`{name.givenName | lower}.{name.familyName | lower}@example.com`; functions: lower, upper, title, trim, "
            'first, join("…"), split("…"), default("…"), replace("RE2 pattern", "replacement with \\1"); `{{` and `}}` '
            "are braces. Once there are mappings, only mapped attributes leave"
        ),
    ]
    remote: NonEmptyLine
    default: Annotated[Line | None, Field(description="sent when the entity has no value; null: nothing is sent")] = (
        None
    )


class RoleMappingBody(Body):
    """A local role and the name that it has at the target."""

    local: NonEmptyLine
    remote: NonEmptyLine


class ConnectorBody(Body):
    """A connector of an identity provider. Of `properties`, secrets are answered as `********`."""

    type: Name
    enabled: bool = True
    profile: Name = "generic"
    on_conflict: OnConflict = "link"
    properties: Annotated[
        dict[Annotated[Line, Field(max_length=128)], Text], Field(default_factory=dict, max_length=100)
    ]


class DeliveryBody(Body):
    """How patient a target's deliveries are, in seconds, and how much of it is used at once."""

    first_retry: Annotated[Seconds, Field(ge=0.1, le=DAY)] = 2.0
    longest_retry: Annotated[Seconds, Field(ge=0.1, le=30 * DAY)] = DAY
    give_up_after: Annotated[Seconds, Field(ge=1, le=365 * DAY)] = 7 * DAY
    exchange_timeout: Annotated[Seconds, Field(ge=0.1, le=600)] = 20.0
    rate: Annotated[
        float | None, Field(gt=0, le=10_000, description="requests a second, over all workers; null: no limit")
    ] = None
    burst: Annotated[int, Field(ge=1, le=10_000, description="requests at once after a pause, where `rate` is set")] = (
        10
    )
    concurrency: Annotated[
        int | None, Field(ge=1, le=1_000, description="deliveries at a time, over all workers; null: no limit")
    ] = None
    breaker_threshold: Annotated[
        int, Field(ge=1, le=10_000, description="consecutive failures after which the target is quarantined")
    ] = 10
    first_probe: Annotated[Seconds, Field(ge=0.1, le=DAY, description="of a quarantined target; then it doubles")] = 5.0
    longest_probe: Annotated[Seconds, Field(ge=0.1, le=DAY)] = 900.0
    deletion_count: Annotated[
        int | None,
        Field(
            ge=0,
            description="deletes and deactivations within `deletionWindow` beyond which further ones wait for an "
            "approval; where `deletionShare` is set as well, both must be exceeded",
        ),
    ] = None
    deletion_share: Annotated[float | None, Field(gt=0, le=1, description="the same, as a part of the accounts")] = None
    deletion_window: Annotated[Seconds, Field(ge=1, le=30 * DAY)] = 3600.0
    delete_linked_accounts: Annotated[
        bool, Field(description="also delete accounts that were found at the target, not made by Sluice")
    ] = False

    @model_validator(mode="after")
    def in_order(self) -> DeliveryBody:
        """The longest wait is no shorter than the first."""
        if self.longest_retry < self.first_retry:
            raise ValueError("longestRetry must be at least firstRetry")
        if self.longest_probe < self.first_probe:
            raise ValueError("longestProbe must be at least firstProbe")
        return self

    def settings(self) -> DeliverySettings:
        """The record."""
        return DeliverySettings(
            first_retry=timedelta(seconds=self.first_retry),
            longest_retry=timedelta(seconds=self.longest_retry),
            give_up_after=timedelta(seconds=self.give_up_after),
            exchange_timeout=timedelta(seconds=self.exchange_timeout),
            rate=self.rate,
            burst=self.burst,
            concurrency=self.concurrency,
            breaker_threshold=self.breaker_threshold,
            first_probe=timedelta(seconds=self.first_probe),
            longest_probe=timedelta(seconds=self.longest_probe),
            deletion_count=self.deletion_count,
            deletion_share=self.deletion_share,
            deletion_window=timedelta(seconds=self.deletion_window),
            delete_linked_accounts=self.delete_linked_accounts,
        )


class HealthView(View):
    """How a target is doing."""

    state: State
    reason: str | None
    next_probe_at: Annotated[str | None, Field(description="nothing is sent before, but by resuming it")]
    failures: Annotated[int, Field(description="consecutive ones")]
    last_success_at: str | None
    last_failure_at: str | None
    pending: Annotated[int, Field(description="deliveries that are not final")]
    oldest_pending_at: str | None


class IdentityProviderBody(Body):
    """A target that accounts are provisioned into."""

    name: Name
    enabled: bool = True
    paused: Annotated[
        bool | None,
        Field(
            description="changed by `pause` and `resume` only; a body may leave it out or repeat what is stored",
            json_schema_extra={"readOnly": True},
        ),
    ] = None
    default_connector: Name | None = None
    claim_mappings: Annotated[list[ClaimMappingBody], Field(default_factory=list, max_length=500)]
    role_mappings: Annotated[list[RoleMappingBody], Field(default_factory=list, max_length=2000)]
    outbound_provisioning_roles: Annotated[list[NonEmptyLine], Field(default_factory=list, max_length=500)]
    connectors: Annotated[list[ConnectorBody], Field(default_factory=list, max_length=20)]
    delivery: DeliveryBody = DeliveryBody()
    cancelled_deliveries: CancelledDeliveries = None
    health: Annotated[
        HealthView | None,
        BeforeValidator(lambda _sent: None),
        Field(description="how the target is doing; ignored in a body", json_schema_extra={"readOnly": True}),
    ] = None

    def provider(self) -> IdentityProvider:
        """The record, secrets as they were sent."""
        return IdentityProvider(
            name=self.name,
            enabled=self.enabled,
            default_connector=self.default_connector,
            claim_mappings=tuple(ClaimMapping(m.local, m.remote, m.default) for m in self.claim_mappings),
            role_mappings=tuple(RoleMapping(m.local, m.remote) for m in self.role_mappings),
            outbound_roles=tuple(self.outbound_provisioning_roles),
            connectors=tuple(
                ConnectorConfiguration(
                    type=c.type,
                    enabled=c.enabled,
                    profile=c.profile,
                    on_conflict=c.on_conflict,
                    properties=dict(c.properties),
                )
                for c in self.connectors
            ),
            delivery=self.delivery.settings(),
        )


def identity_provider_view(provider: IdentityProvider) -> dict[str, Any]:
    """What is answered of an identity provider; it can be sent back as a body."""
    return {
        "name": provider.name,
        "enabled": provider.enabled,
        "paused": provider.paused,
        "defaultConnector": provider.default_connector,
        "claimMappings": [
            {"local": m.local, "remote": m.remote, "default": m.default} for m in provider.claim_mappings
        ],
        "roleMappings": [{"local": m.local, "remote": m.remote} for m in provider.role_mappings],
        "outboundProvisioningRoles": list(provider.outbound_roles),
        "connectors": [
            {
                "type": connector.type,
                "enabled": connector.enabled,
                "profile": connector.profile,
                "onConflict": connector.on_conflict,
                "properties": dict(sorted(connector.properties.items())),
            }
            for connector in provider.connectors
        ],
        "delivery": {
            "firstRetry": _seconds(provider.delivery.first_retry),
            "longestRetry": _seconds(provider.delivery.longest_retry),
            "giveUpAfter": _seconds(provider.delivery.give_up_after),
            "exchangeTimeout": _seconds(provider.delivery.exchange_timeout),
            "rate": provider.delivery.rate,
            "burst": provider.delivery.burst,
            "concurrency": provider.delivery.concurrency,
            "breakerThreshold": provider.delivery.breaker_threshold,
            "firstProbe": _seconds(provider.delivery.first_probe),
            "longestProbe": _seconds(provider.delivery.longest_probe),
            "deletionCount": provider.delivery.deletion_count,
            "deletionShare": provider.delivery.deletion_share,
            "deletionWindow": _seconds(provider.delivery.deletion_window),
            "deleteLinkedAccounts": provider.delivery.delete_linked_accounts,
        },
    }


def health_view(health: Health) -> dict[str, Any]:
    """What is answered of a target's health."""
    return {
        "state": health.state,
        "reason": health.reason,
        "nextProbeAt": stamp(health.next_probe_at),
        "failures": health.failures,
        "lastSuccessAt": stamp(health.last_success_at),
        "lastFailureAt": stamp(health.last_failure_at),
        "pending": health.pending,
        "oldestPendingAt": stamp(health.oldest_pending_at),
    }


def _seconds(duration: timedelta) -> float | int:
    seconds = duration.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


class IdentityProviderPage(View):
    """Identity providers in the order of their names."""

    items: list[IdentityProviderBody]
    next: str | None


class PropertyView(View):
    """A setting of a connector."""

    key: str
    display_name: str
    description: str
    type: str
    required: bool
    confidential: bool
    default_value: str | None
    options: list[str]
    display_order: int


class ConnectorTypeView(View):
    """A kind of connector that identity providers can have."""

    type: str
    display_name: str
    properties: list[PropertyView]


class BrokenPluginView(View):
    """A plug-in that cannot be used, and why."""

    name: str
    message: str


class ConnectorTypePage(View):
    """All kinds of connector, and the plug-ins that cannot be used."""

    items: list[ConnectorTypeView]
    broken: list[BrokenPluginView]
    next: str | None


class FindingView(View):
    """One line of what a connection test found."""

    good: bool
    message: str


class ConnectionTestView(View):
    """What a connection test found."""

    good: bool
    findings: list[FindingView]
