"""Every table. A docstring says what one row is; the states of a delivery change in `transitions` alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.store.base import Base, Identifier
from service.store.ids import new_id

FINAL_STATES = ("delivered", "refused", "failed", "cancelled")
STARTABLE = ("pending", "retrying", "running")
"""States in which the head of a lane may be tried, once it is due."""
OPEN_STATES = ("pending", "running", "retrying", "held", "awaiting-approval")


FREE = text("lease_until IS NULL")
LEASED = text("lease_until IS NOT NULL")


class Meta(Base):
    """One fact about this database, such as the check value of the secret key."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class ServiceProviderRow(Base):
    """A service provider, the application on whose behalf something is provisioned."""

    __tablename__ = "service_providers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(default="")
    proxy_mode: Mapped[bool] = mapped_column(default=False)
    user_store_domain: Mapped[str] = mapped_column(default="PRIMARY")
    inbound_mode: Mapped[str] = mapped_column(default="strict")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    outbound: Mapped[list[OutboundConfigurationRow]] = relationship(
        cascade="all, delete-orphan", order_by="OutboundConfigurationRow.position", back_populates="service_provider"
    )


class OutboundConfigurationRow(Base):
    """One row of a service provider's outbound provisioning configuration."""

    __tablename__ = "outbound_rows"
    __table_args__ = (UniqueConstraint("service_provider_id", "identity_provider_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    service_provider_id: Mapped[int] = mapped_column(ForeignKey("service_providers.id", ondelete="CASCADE"))
    identity_provider_id: Mapped[int] = mapped_column(ForeignKey("identity_providers.id"), index=True)
    position: Mapped[int]
    connector_type: Mapped[str]
    blocking: Mapped[bool] = mapped_column(default=False)
    enable_rules: Mapped[bool] = mapped_column(default=False)
    enable_jit: Mapped[bool] = mapped_column(default=False)
    not_applicable: Mapped[str] = mapped_column(default="refuse")
    service_provider: Mapped[ServiceProviderRow] = relationship(back_populates="outbound")
    identity_provider: Mapped[IdentityProviderRow] = relationship()


class IdentityProviderRow(Base):
    """An identity provider, a target that accounts are provisioned into."""

    __tablename__ = "identity_providers"
    # Lanes, deliveries and targets know the id for longer than there is the row: nobody else may get it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own form
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    paused: Mapped[bool] = mapped_column(default=False)
    default_connector: Mapped[str | None]
    claim_mappings: Mapped[list[Any]] = mapped_column(default=list)
    role_mappings: Mapped[list[Any]] = mapped_column(default=list)
    outbound_roles: Mapped[list[Any]] = mapped_column(default=list)
    delivery: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    connectors: Mapped[list[ConnectorRow]] = relationship(
        cascade="all, delete-orphan", order_by="ConnectorRow.position", back_populates="identity_provider"
    )


class ConnectorRow(Base):
    """One connector of an identity provider; `properties` holds no secret."""

    __tablename__ = "connectors"
    __table_args__ = (UniqueConstraint("identity_provider_id", "type"),)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    identity_provider_id: Mapped[int] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"))
    position: Mapped[int]
    type: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    profile: Mapped[str] = mapped_column(default="generic")
    on_conflict: Mapped[str] = mapped_column(default="link")
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    identity_provider: Mapped[IdentityProviderRow] = relationship(back_populates="connectors")
    secrets: Mapped[list[ConnectorSecretRow]] = relationship(cascade="all, delete-orphan")


class ConnectorSecretRow(Base):
    """One secret setting of a connector, sealed; its place is the associated data of the seal."""

    __tablename__ = "connector_secrets"
    connector_id: Mapped[str] = mapped_column(
        Identifier, ForeignKey("connectors.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]


class PauseRow(Base):
    """A time in which somebody kept a connector from being used: paused or disabled; without `ended_at` it goes on."""

    __tablename__ = "pauses"
    __table_args__ = (Index("ix_pauses_connector", "connector_id", "ended_at"),)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    connector_id: Mapped[str] = mapped_column(Identifier, ForeignKey("connectors.id", ondelete="CASCADE"))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RememberedRow(Base):
    """A fact that a connector wants to know again: a token, what discovery said. Sealed, with an end."""

    __tablename__ = "remembered"
    connector_id: Mapped[str] = mapped_column(
        Identifier, ForeignKey("connectors.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]
    expires_at: Mapped[datetime]


class EntityRow(Base):
    """A user or a group with its image, a SCIM 2.0 resource without id, meta, members and password.

    `name_key` is null once deleted, so that the name can be given again; `lane_key` then passes to the new bearer of
    the name, because what is still under way for the old one must reach the targets first.
    """

    __tablename__ = "entities"
    __table_args__ = (
        UniqueConstraint("type", "domain_key", "name_key"),
        Index("ix_entities_last_name", "type", "domain_key", "last_name_key"),
    )
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    type: Mapped[str]
    domain: Mapped[str]
    domain_key: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str | None]
    last_name_key: Mapped[str]
    lane_key: Mapped[str] = mapped_column(Identifier)
    attributes: Mapped[dict[str, Any]]
    deleted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    membership_sequence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MembershipRow(Base):
    """That an entity is, or since `sequence` no longer is, a member of a group.

    A removed membership stays as a row with `present` false, so that a target that heard of it can be told.
    """

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_sequence", "group_id", "sequence"),)
    group_id: Mapped[str] = mapped_column(Identifier, ForeignKey("entities.id"), primary_key=True)
    member_id: Mapped[str] = mapped_column(Identifier, ForeignKey("entities.id"), primary_key=True, index=True)
    sequence: Mapped[int]
    present: Mapped[bool] = mapped_column(default=True)


class RequestRow(Base):
    """A provisioning request: one operation on one entity, from one service provider.

    `image` is the entity after the operation (for a delete, its last known attributes). `state` is derived from the
    deliveries and kept here for lists. `sealed_password` is wiped when the request is final.
    """

    __tablename__ = "provisioning_requests"
    __table_args__ = (
        Index("ix_provisioning_requests_entity", "entity_id", "id"),
        Index("ix_provisioning_requests_state", "state", "id"),
    )
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    service_provider: Mapped[str]
    operation: Mapped[str]
    channel: Mapped[str]
    jit: Mapped[bool] = mapped_column(default=False)
    entity_id: Mapped[str] = mapped_column(Identifier, ForeignKey("entities.id"))
    entity_name: Mapped[str]
    entity_type: Mapped[str]
    patch: Mapped[list[Any] | None]
    image: Mapped[dict[str, Any]]
    membership_sequence: Mapped[int] = mapped_column(default=0)
    sealed_password: Mapped[bytes | None]
    skipped: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    final_at: Mapped[datetime | None]
    deliveries: Mapped[list[DeliveryRow]] = relationship(order_by="DeliveryRow.position", back_populates="request")


class LaneRow(Base):
    """All deliveries of one entity to one target, strictly in order, one in flight.

    `due_at` is when the head may be tried (null: nothing to do by itself). `fence` grows with every lease, and whoever
    writes shows the fence it was given: a worker that comes back late cannot write.
    """

    __tablename__ = "lanes"
    __table_args__ = (
        UniqueConstraint("lane_key", "connector_id"),
        Index("ix_lanes_free", "identity_provider_id", "due_at", sqlite_where=FREE, postgresql_where=FREE),
        Index("ix_lanes_leased", "identity_provider_id", "lease_until", sqlite_where=LEASED, postgresql_where=LEASED),
    )
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    lane_key: Mapped[str] = mapped_column(Identifier)
    connector_id: Mapped[str] = mapped_column(Identifier, index=True)
    identity_provider_id: Mapped[int]
    next_sequence: Mapped[int] = mapped_column(default=1)
    due_at: Mapped[datetime | None]
    owner: Mapped[str | None]
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]


class TargetRow(Base):
    """How an identity provider's target fares, for all workers alike; it outlives the identity provider.

    Nothing starts before `blocked_until`. `quarantined`: its breaker is open, and after that time one delivery at a
    time probes it. `failures` counts consecutive ones, `probes` those of this quarantine. `tokens`, of its rate limit,
    were counted at `tokens_at`; below zero is owed.
    """

    __tablename__ = "targets"
    identity_provider_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    quarantined: Mapped[bool] = mapped_column(default=False)
    blocked_until: Mapped[datetime | None]
    blocked_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    probes: Mapped[int] = mapped_column(default=0)
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    tokens: Mapped[float] = mapped_column(default=0.0)
    tokens_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """One provisioning request to one identity provider's connector: the unit of order, retry and outcome.

    `of_now` says that it delivers the entity as it is then, not as the request left it: a dead letter tried again.
    `removal`: it was let go to take the account away, by a delete or a deactivation.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("lane_id", "sequence"),
        Index("ix_deliveries_request", "request_id", "position"),
        Index("ix_deliveries_state", "state", "id"),
        Index(
            "ix_deliveries_open",
            "lane_id",
            "sequence",
            sqlite_where=text("final_at IS NULL"),
            postgresql_where=text("final_at IS NULL"),
        ),
        Index(
            "ix_deliveries_removals",
            "identity_provider_id",
            "final_at",
            sqlite_where=text("removal"),
            postgresql_where=text("removal"),
        ),
        Index(
            "ix_deliveries_waiting",
            "identity_provider_id",
            "created_at",
            sqlite_where=text("final_at IS NULL"),
            postgresql_where=text("final_at IS NULL"),
        ),
    )
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(Identifier, ForeignKey("provisioning_requests.id"))
    position: Mapped[int]
    lane_id: Mapped[str] = mapped_column(Identifier, ForeignKey("lanes.id"))
    sequence: Mapped[int]
    entity_id: Mapped[str] = mapped_column(Identifier, index=True)
    service_provider: Mapped[str]
    identity_provider_id: Mapped[int] = mapped_column(index=True)
    identity_provider: Mapped[str]
    connector_id: Mapped[str] = mapped_column(Identifier, index=True)
    connector_type: Mapped[str]
    operation: Mapped[str]
    effective_operation: Mapped[str]
    blocking: Mapped[bool]
    enable_rules: Mapped[bool]
    not_applicable: Mapped[str] = mapped_column(default="refuse")
    state: Mapped[str]
    reason: Mapped[str | None]
    outcome: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    uncertain: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    approvals: Mapped[list[Any]] = mapped_column(default=list)
    of_now: Mapped[bool] = mapped_column(default=False)
    removal: Mapped[bool] = mapped_column(default=False)
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    final_at: Mapped[datetime | None]
    request: Mapped[RequestRow] = relationship(back_populates="deliveries")


class DecisionRow(Base):
    """One answer of the policy decision point about one delivery, with the XACML request it was made from.

    `stage` is `acceptance` or `attempt`; `request_xml` is frozen and holds no secret.
    """

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_delivery", "delivery_id", "id"),)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    delivery_id: Mapped[str] = mapped_column(Identifier, ForeignKey("deliveries.id"))
    stage: Mapped[str]
    attempt: Mapped[int]
    gate: Mapped[str]
    decision: Mapped[str]
    policies: Mapped[list[Any]] = mapped_column(default=list)
    rules: Mapped[list[Any]] = mapped_column(default=list)
    status: Mapped[str | None]
    reason: Mapped[str]
    obligations: Mapped[list[Any]] = mapped_column(default=list)
    snapshot: Mapped[str | None]
    request_xml: Mapped[str]
    decided_at: Mapped[datetime]


class AttemptRow(Base):
    """One try of a delivery. `outcome` null: it is under way, or its worker died (`ended_at` null as well)."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    delivery_id: Mapped[str] = mapped_column(Identifier, ForeignKey("deliveries.id"))
    number: Mapped[int]
    worker: Mapped[str]
    gate: Mapped[str]
    decision_id: Mapped[str | None] = mapped_column(Identifier, ForeignKey("decisions.id"))
    effective_operation: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]


class ExchangeRow(Base):
    """One HTTP request to a target and its answer, secrets removed; written before it is sent."""

    __tablename__ = "exchanges"
    attempt_id: Mapped[str] = mapped_column(Identifier, ForeignKey("attempts.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    method: Mapped[str]
    url: Mapped[str]
    safe: Mapped[bool]
    request_headers: Mapped[dict[str, Any]]
    request_body: Mapped[str | None]
    sent_at: Mapped[datetime]
    status: Mapped[int | None]
    response_headers: Mapped[dict[str, Any] | None]
    response_body: Mapped[str | None]
    replied_at: Mapped[datetime | None]
    failure: Mapped[str | None]


class LinkRow(Base):
    """An entity's account or group at a target: the target's own id, and the state last delivered.

    `connector_id` outlives edits of the connector. `omitted` are the members that the group was delivered without;
    `membership_sequence` is how far its memberships were delivered. `own` says that Sluice created it. `kept` is why an
    account stays although its removal was asked for: the policy refused it.
    """

    __tablename__ = "links"
    __table_args__ = (UniqueConstraint("connector_id", "entity_type", "identifier"),)
    entity_id: Mapped[str] = mapped_column(Identifier, ForeignKey("entities.id"), primary_key=True)
    connector_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    entity_type: Mapped[str]
    identity_provider: Mapped[str]
    connector_type: Mapped[str]
    identifier: Mapped[str]
    delivered: Mapped[dict[str, Any] | None]
    membership_sequence: Mapped[int | None]
    omitted: Mapped[list[Any]] = mapped_column(default=list)
    etag: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    own: Mapped[bool] = mapped_column(default=True)
    kept: Mapped[str | None]
    updated_at: Mapped[datetime]


class IdempotencyRow(Base):
    """That a caller named one request with an `Idempotency-Key`; the same key answers with the same request.

    `answering_until`: the call that made the request waits for its Blocking deliveries, at most until then.
    """

    __tablename__ = "idempotency_keys"
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    request_id: Mapped[str] = mapped_column(Identifier)
    created_at: Mapped[datetime] = mapped_column(index=True)
    answering_until: Mapped[datetime | None]


class PolicySourceRow(Base):
    """The bytes of one policy file, by their hash."""

    __tablename__ = "policy_sources"
    hash: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class SnapshotRow(Base):
    """A set of policy files that compiled; `listing` names each file, its kind and its source."""

    __tablename__ = "snapshots"
    hash: Mapped[str] = mapped_column(primary_key=True)
    root_algorithm: Mapped[str]
    listing: Mapped[list[Any]]
    created_at: Mapped[datetime]


class PublicationRow(Base):
    """That a snapshot became the one that every process decides with; the newest sequence counts."""

    __tablename__ = "publications"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own form
    sequence: Mapped[int] = mapped_column(primary_key=True)
    snapshot_hash: Mapped[str] = mapped_column(ForeignKey("snapshots.hash"))
    published_at: Mapped[datetime]
    published_by: Mapped[str]


class PolicyHealthRow(Base):
    """What is wrong with the policies folder now (an empty list: nothing); one row, with id 1."""

    __tablename__ = "policy_health"
    id: Mapped[int] = mapped_column(primary_key=True)
    errors: Mapped[list[Any]]
    checked_at: Mapped[datetime]


class TokenRow(Base):
    """A bearer token; only its hash is kept."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(Identifier, primary_key=True, default=new_id)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[Any]]
    service_provider_id: Mapped[int | None] = mapped_column(ForeignKey("service_providers.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ConsoleUserRow(Base):
    """Someone who may sign in to the console, or use the API with Basic credentials."""

    __tablename__ = "console_users"
    name: Mapped[str] = mapped_column(primary_key=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ConsoleSessionRow(Base):
    """That someone is signed in to the console with one browser; only the hash of the cookie is kept.

    `password_mark` is a hash of the user's password hash: a changed password ends the session.
    """

    __tablename__ = "console_sessions"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("console_users.name", ondelete="CASCADE"), index=True)
    password_mark: Mapped[str]
    address: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
