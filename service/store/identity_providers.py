"""Identity providers and their connectors: rows in, frozen records of `service.providers` out.

Secrets of connectors are sealed under the place `connector_secrets:<connector id>:<key>`. A record that is read shows
`SECRET_MASK` in their place; only `connector_settings` opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, select, update

from connectors.connector import Settings
from service.providers import (
    SECRET_MASK,
    ClaimMapping,
    ConnectorConfiguration,
    DeliverySettings,
    IdentityProvider,
    OnConflict,
    RoleMapping,
)
from service.store import pauses, targets
from service.store.configuration_errors import InUse, Invalid, NameTaken, Problem, UnknownProvider, flush, locked
from service.store.database import Transaction
from service.store.entities import key
from service.store.ids import new_id
from service.store.models import (
    ConnectorRow,
    ConnectorSecretRow,
    DeliveryRow,
    IdentityProviderRow,
    LinkRow,
    OutboundConfigurationRow,
    RememberedRow,
    ServiceProviderRow,
)
from service.store.secrets import Vault


@dataclass(frozen=True, slots=True)
class Seals:
    """What a write of connectors needs to know of secrets: who seals, and which settings of a type are secret."""

    vault: Vault
    secret_keys: Callable[[str], frozenset[str]]


KIND = "identity provider"


def get_identity_provider(tx: Transaction, name: str, *, lock: bool = False) -> IdentityProvider:
    """The identity provider of that name; `lock` keeps others from changing it until the commit."""
    return record(_identity_provider_row(tx, name, lock=lock))


def identity_provider_by_id(tx: Transaction, id_: int) -> IdentityProvider | None:
    """The identity provider with that row id, which outlives renames; None when it was deleted."""
    row = tx.get(IdentityProviderRow, id_)
    return None if row is None else record(row)


def identity_provider_id(tx: Transaction, name: str) -> int:
    """The row id of an identity provider."""
    return _identity_provider_row(tx, name).id


def identity_providers(tx: Transaction, *, after: str = "", limit: int | None = None) -> list[IdentityProvider]:
    """Identity providers in the order of their names, those after the name `after`."""
    query = select(IdentityProviderRow).where(IdentityProviderRow.name_key > key(after))
    rows = tx.scalars(query.order_by(IdentityProviderRow.name_key).limit(limit))
    return [record(row) for row in rows]


def create_identity_provider(
    tx: Transaction, seals: Seals, provider: IdentityProvider, now: datetime
) -> IdentityProvider:
    """Store a new identity provider; its connectors' secrets are given in clear. Raises `NameTaken`, `Invalid`."""
    if _find_identity_provider(tx, provider.name) is not None:
        raise NameTaken(KIND, provider.name)
    row = IdentityProviderRow(created_at=now, version=1, connectors=[])
    _write_identity_provider(tx, seals, row, provider, now)
    targets.renew(tx, row.id)
    return record(row)


def update_identity_provider(
    tx: Transaction, seals: Seals, name: str, provider: IdentityProvider, now: datetime
) -> IdentityProvider:
    """Replace an identity provider, all but `paused`.

    A connector stays the same row while its type stays, so that links keep hanging on it. A secret given as
    `SECRET_MASK` keeps its stored value. Raises `UnknownProvider`, `NameTaken`, `InUse`, `Invalid`.
    """
    row = _identity_provider_row(tx, name, lock=True)
    if key(provider.name) != row.name_key and _find_identity_provider(tx, provider.name) is not None:
        raise NameTaken(KIND, provider.name)
    _refuse_used_connectors(tx, row, provider)
    if provider.name != row.name:
        _rename_open_work(tx, row, provider.name)
        _touch_users(tx, row, now)
    row.version += 1
    _write_identity_provider(tx, seals, row, provider, now)
    return record(row)


def delete_identity_provider(tx: Transaction, name: str) -> int:
    """Remove an identity provider that no row names; answers its row id. Raises `UnknownProvider`, `InUse`."""
    row = _identity_provider_row(tx, name, lock=True)
    if users := _users(tx, row):
        raise InUse(f"identity provider `{row.name}`", sorted({user for user, _ in users}))
    identifier = row.id
    tx.delete(row)
    tx.flush()
    return identifier


def set_paused(tx: Transaction, name: str, *, paused: bool, now: datetime) -> IdentityProvider:
    """Pause or resume an identity provider; what that does to deliveries is not done here."""
    row = _identity_provider_row(tx, name, lock=True)
    if row.paused != paused:
        row.paused, row.updated_at = paused, now
        row.version += 1
        tx.flush()
        pauses.note(tx, row, now)
    return record(row)


def _find_identity_provider(tx: Transaction, name: str, *, lock: bool = False) -> IdentityProviderRow | None:
    query = select(IdentityProviderRow).where(IdentityProviderRow.name_key == key(name))
    return tx.scalars(locked(query) if lock else query).one_or_none()


def _identity_provider_row(tx: Transaction, name: str, *, lock: bool = False) -> IdentityProviderRow:
    row = _find_identity_provider(tx, name, lock=lock)
    if row is None:
        raise UnknownProvider(KIND, name)
    return row


def _users(tx: Transaction, row: IdentityProviderRow) -> list[tuple[str, str]]:
    """The service providers that name an identity provider, each with the connector type of its row."""
    query = (
        select(ServiceProviderRow.name, OutboundConfigurationRow.connector_type)
        .join(OutboundConfigurationRow, OutboundConfigurationRow.service_provider_id == ServiceProviderRow.id)
        .where(OutboundConfigurationRow.identity_provider_id == row.id)
        .order_by(ServiceProviderRow.name_key)
    )
    return [(name, type_) for name, type_ in tx.execute(query)]


def _refuse_used_connectors(tx: Transaction, row: IdentityProviderRow, provider: IdentityProvider) -> None:
    for connector in row.connectors:
        if provider.connector(connector.type) is None:
            users = [user for user, type_ in _users(tx, row) if type_ == connector.type]
            if users:
                raise InUse(f"connector `{connector.type}` of identity provider `{row.name}`", users)


def _rename_open_work(tx: Transaction, row: IdentityProviderRow, new: str) -> None:
    """What is under way and what is linked show the new name; what is final keeps the name it had."""
    open_ = (DeliveryRow.identity_provider_id == row.id, DeliveryRow.final_at.is_(None))
    tx.execute(update(DeliveryRow).where(*open_).values(identity_provider=new))
    linked = LinkRow.connector_id.in_([connector.id for connector in row.connectors])
    tx.execute(update(LinkRow).where(linked).values(identity_provider=new))


def _touch_users(tx: Transaction, row: IdentityProviderRow, now: datetime) -> None:
    """The service providers that name it are others now: whoever has read one of them has an old version."""
    naming = select(OutboundConfigurationRow.service_provider_id).where(
        OutboundConfigurationRow.identity_provider_id == row.id
    )
    query = update(ServiceProviderRow).where(ServiceProviderRow.id.in_(naming))
    tx.execute(query.values(version=ServiceProviderRow.version + 1, updated_at=now))


def _write_identity_provider(
    tx: Transaction, seals: Seals, row: IdentityProviderRow, provider: IdentityProvider, now: datetime
) -> None:
    _refuse_wrong_connectors(row, provider)
    row.name, row.name_key = provider.name, key(provider.name)
    row.enabled = provider.enabled
    row.claim_mappings = [{"local": m.local, "remote": m.remote, "default": m.default} for m in provider.claim_mappings]
    row.role_mappings = [{"local": m.local, "remote": m.remote} for m in provider.role_mappings]
    row.outbound_roles = list(provider.outbound_roles)
    row.delivery = _stored_delivery(provider.delivery)
    row.updated_at = now
    kept = {key(old.type): old for old in row.connectors}
    row.connectors = [
        kept.get(key(wanted.type)) or ConnectorRow(id=new_id(), type=wanted.type, properties={}, secrets=[])
        for wanted in provider.connectors
    ]
    default = provider.connector(provider.default_connector) if provider.default_connector else None
    row.default_connector = default.type if default else None
    changed = []
    for place, (connector, wanted) in enumerate(zip(row.connectors, provider.connectors, strict=True)):
        connector.position = place
        if _write_connector(seals, connector, wanted):
            changed.append(connector.id)
    tx.add(row)
    flush(tx, NameTaken(KIND, provider.name))
    pauses.note(tx, row, now)
    # a token or a discovery that was remembered belongs to the settings it was got with
    tx.execute(delete(RememberedRow).where(RememberedRow.connector_id.in_(changed)))


def _refuse_wrong_connectors(row: IdentityProviderRow, provider: IdentityProvider) -> None:
    problems: list[Problem] = []
    types = [key(connector.type) for connector in provider.connectors]
    stored = {key(connector.type): {s.key for s in connector.secrets} for connector in row.connectors}
    for place, (type_, connector) in enumerate(zip(types, provider.connectors, strict=True)):
        if type_ in types[:place]:
            problems.append((f"connectors[{place}].type", f"`{type_}` appears twice: an identity provider has one"))
        problems += [
            (f"connectors[{place}].properties.{name}", f"`{SECRET_MASK}` keeps a stored secret, and none is stored")
            for name, value in connector.properties.items()
            if value == SECRET_MASK and name not in stored.get(type_, ())
        ]
    if provider.default_connector is not None and key(provider.default_connector) not in types:
        message = f"`{provider.default_connector}` is none of this identity provider's connectors"
        problems.append(("defaultConnector", message))
    if problems:
        raise Invalid(problems)


def _write_connector(seals: Seals, row: ConnectorRow, wanted: ConnectorConfiguration) -> bool:
    """Whether the settings changed."""
    stored = {secret.key: secret for secret in row.secrets}
    sealed = seals.secret_keys(wanted.type) | stored.keys()  # what was ever sealed is never written in clear
    plain = {k: v for k, v in wanted.properties.items() if k not in sealed}
    secrets = {k: v for k, v in wanted.properties.items() if k in sealed and v}
    before = (dict[str, Any](row.properties), row.profile, set(stored))
    after = (dict[str, Any](plain), wanted.profile, set(secrets))
    row.enabled, row.profile, row.on_conflict = wanted.enabled, wanted.profile, wanted.on_conflict
    row.properties = plain
    row.secrets = [stored.get(k) or ConnectorSecretRow(connector_id=row.id, key=k) for k in secrets]
    for secret in row.secrets:
        if secrets[secret.key] != SECRET_MASK:
            secret.sealed = seals.vault.seal(secrets[secret.key], _place(row.id, secret.key))
    return before != after or bool(set(secrets.values()) - {SECRET_MASK})


def _place(connector_id: str, secret_key: str) -> str:
    return f"connector_secrets:{connector_id}:{secret_key}"


def _stored_delivery(settings: DeliverySettings) -> dict[str, Any]:
    """Only what differs from the defaults, so that better defaults reach those who never chose. Times in seconds."""
    default = DeliverySettings()
    chosen = {one.name: getattr(settings, one.name) for one in fields(settings)}
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in chosen.items()
        if value != getattr(default, name)
    }


def _read_delivery(stored: Mapping[str, Any]) -> DeliverySettings:
    default = DeliverySettings()
    times = {one.name for one in fields(default) if isinstance(getattr(default, one.name), timedelta)}
    chosen: dict[str, Any] = {k: timedelta(seconds=v) if k in times else v for k, v in stored.items()}
    return DeliverySettings(**chosen)


def record(row: IdentityProviderRow) -> IdentityProvider:
    """A row as the frozen record, its secrets masked."""
    return IdentityProvider(
        name=row.name,
        enabled=row.enabled,
        paused=row.paused,
        default_connector=row.default_connector,
        claim_mappings=tuple(ClaimMapping(m["local"], m["remote"], m["default"]) for m in row.claim_mappings),
        role_mappings=tuple(RoleMapping(m["local"], m["remote"]) for m in row.role_mappings),
        outbound_roles=tuple(row.outbound_roles),
        connectors=tuple(_connector(c, dict.fromkeys((s.key for s in c.secrets), SECRET_MASK)) for c in row.connectors),
        delivery=_read_delivery(row.delivery),
        version=row.version,
    )


def _connector(row: ConnectorRow, secrets: Mapping[str, str]) -> ConnectorConfiguration:
    return ConnectorConfiguration(
        type=row.type,
        enabled=row.enabled,
        profile=row.profile,
        on_conflict=cast("OnConflict", row.on_conflict),
        properties={**row.properties, **secrets},
    )


def connector_settings(
    tx: Transaction, vault: Vault, identity_provider: str, type_: str, *, tenant: str
) -> tuple[str, Settings]:
    """A connector's id and its settings with the secrets opened. Raises `UnknownProvider`, `SecretKeyError`."""
    row = _identity_provider_row(tx, identity_provider)
    connector = next((c for c in row.connectors if key(c.type) == key(type_)), None)
    if connector is None:
        raise UnknownProvider("connector", type_)
    return connector.id, _opened(vault, connector, tenant)


def connector_settings_by_id(tx: Transaction, vault: Vault, connector_id: str, *, tenant: str) -> Settings | None:
    """The same by the connector's id; None when it was removed."""
    row = tx.get(ConnectorRow, connector_id)
    return None if row is None else _opened(vault, row, tenant)


def connector_id(tx: Transaction, identity_provider: str, type_: str) -> str | None:
    """The id of an identity provider's connector, which outlives edits; None when it has none of that type."""
    row = _identity_provider_row(tx, identity_provider)
    return next((c.id for c in row.connectors if key(c.type) == key(type_)), None)


def _opened(vault: Vault, row: ConnectorRow, tenant: str) -> Settings:
    secrets = {secret.key: vault.open(secret.sealed, _place(row.id, secret.key)) for secret in row.secrets}
    configuration = _connector(row, secrets)
    return Settings(
        identity_provider=row.identity_provider.name,
        tenant=tenant,
        properties=configuration.properties,
        profile=configuration.profile,
        on_conflict=configuration.on_conflict,
    )
