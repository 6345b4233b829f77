"""Service providers: rows in, frozen records of `service.providers` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from sqlalchemy import select, update

from service.providers import (
    RESIDENT,
    WSO2_RESIDENT,
    InboundMode,
    InboundProvisioning,
    NotApplicable,
    OutboundRow,
    ServiceProvider,
)
from service.store.configuration_errors import BuiltIn, Invalid, NameTaken, Problem, UnknownProvider, flush, locked
from service.store.database import Transaction
from service.store.entities import key
from service.store.models import (
    DeliveryRow,
    IdentityProviderRow,
    OutboundConfigurationRow,
    RequestRow,
    ServiceProviderRow,
)

KIND = "service provider"


def ensure_resident(tx: Transaction, now: datetime) -> None:
    """Make the built-in service provider when it is not there."""
    if _find_service_provider(tx, RESIDENT) is None:
        create_service_provider(tx, ServiceProvider(name=RESIDENT), now)


def get_service_provider(tx: Transaction, name: str, *, lock: bool = False) -> ServiceProvider:
    """The service provider of that name or alias; `lock` keeps others from changing it until the commit."""
    return _service_provider(_service_provider_row(tx, name, lock=lock))


def find_service_provider(tx: Transaction, name: str) -> ServiceProvider | None:
    """The service provider of that name or alias, None when there is none."""
    row = _find_service_provider(tx, name)
    return None if row is None else _service_provider(row)


def service_provider_id(tx: Transaction, name: str) -> int:
    """The row id of a service provider; it outlives renames."""
    return _service_provider_row(tx, name).id


def service_providers(tx: Transaction, *, after: str = "", limit: int | None = None) -> list[ServiceProvider]:
    """Service providers in the order of their names, those after the name `after`."""
    query = select(ServiceProviderRow).where(ServiceProviderRow.name_key > key(after))
    rows = tx.scalars(query.order_by(ServiceProviderRow.name_key).limit(limit))
    return [_service_provider(row) for row in rows]


def create_service_provider(tx: Transaction, provider: ServiceProvider, now: datetime) -> ServiceProvider:
    """Store a new service provider. Raises `NameTaken`, `Invalid`."""
    if _find_service_provider(tx, provider.name) is not None or key(provider.name) == WSO2_RESIDENT:
        raise NameTaken(KIND, provider.name)
    row = ServiceProviderRow(created_at=now, version=1, outbound=[])
    _write_service_provider(tx, row, provider, now)
    return _service_provider(row)


def update_service_provider(tx: Transaction, name: str, provider: ServiceProvider, now: datetime) -> ServiceProvider:
    """Replace a service provider; its open requests follow a new name. Raises every error but `InUse`."""
    row = _service_provider_row(tx, name, lock=True)
    if key(provider.name) == WSO2_RESIDENT and row.name == RESIDENT:
        provider = replace(provider, name=RESIDENT)
    if row.name == RESIDENT and provider.name != RESIDENT:
        raise BuiltIn(f"the service provider `{RESIDENT}` cannot be renamed")
    if key(provider.name) != row.name_key and (
        _find_service_provider(tx, provider.name) is not None or key(provider.name) == WSO2_RESIDENT
    ):
        raise NameTaken(KIND, provider.name)
    if provider.name != row.name:
        _rename_open_work(tx, row.name, provider.name)
    row.version += 1
    _write_service_provider(tx, row, provider, now)
    return _service_provider(row)


def delete_service_provider(tx: Transaction, name: str) -> None:
    """Remove a service provider with its rows and tokens. Raises `UnknownProvider`, `BuiltIn`."""
    row = _service_provider_row(tx, name, lock=True)
    if row.name == RESIDENT:
        raise BuiltIn(f"the service provider `{RESIDENT}` cannot be deleted")
    tx.delete(row)
    tx.flush()


def _rename_open_work(tx: Transaction, old: str, new: str) -> None:
    """What is under way finds its rows by the service provider's name; what is final keeps the name it had."""
    for table in (RequestRow, DeliveryRow):
        query = update(table).where(table.service_provider == old, table.final_at.is_(None))
        tx.execute(query.values(service_provider=new))


def _find_service_provider(tx: Transaction, name: str, *, lock: bool = False) -> ServiceProviderRow | None:
    wanted = RESIDENT if key(name) == WSO2_RESIDENT else key(name)
    query = select(ServiceProviderRow).where(ServiceProviderRow.name_key == wanted)
    return tx.scalars(locked(query) if lock else query).one_or_none()


def _service_provider_row(tx: Transaction, name: str, *, lock: bool = False) -> ServiceProviderRow:
    row = _find_service_provider(tx, name, lock=lock)
    if row is None:
        raise UnknownProvider(KIND, name)
    return row


def _write_service_provider(tx: Transaction, row: ServiceProviderRow, provider: ServiceProvider, now: datetime) -> None:
    targets = _targets(tx, provider.outbound)
    row.name, row.name_key = provider.name, key(provider.name)
    row.description = provider.description
    row.proxy_mode = provider.inbound.proxy_mode
    row.user_store_domain = provider.inbound.user_store_domain
    row.inbound_mode = provider.inbound.mode
    row.updated_at = now
    # a row stays the same row while it names the same target: (service provider, identity provider) is unique
    kept = {old.identity_provider_id: old for old in row.outbound}
    row.outbound = [
        _outbound(kept.get(target.id) or OutboundConfigurationRow(identity_provider_id=target.id), wanted, type_, place)
        for place, (wanted, (target, type_)) in enumerate(zip(provider.outbound, targets, strict=True))
    ]
    tx.add(row)
    flush(tx, NameTaken(KIND, provider.name))


def _outbound(row: OutboundConfigurationRow, wanted: OutboundRow, type_: str, place: int) -> OutboundConfigurationRow:
    row.position = place
    row.connector_type = type_
    row.blocking, row.enable_rules, row.enable_jit = wanted.blocking, wanted.enable_rules, wanted.enable_jit
    row.not_applicable = wanted.not_applicable
    return row


def _targets(tx: Transaction, rows: Sequence[OutboundRow]) -> list[tuple[IdentityProviderRow, str]]:
    """The identity provider and the connector type of each row; they stay until the commit. Raises `Invalid`."""
    names = {key(row.identity_provider) for row in rows}
    query = select(IdentityProviderRow).where(IdentityProviderRow.name_key.in_(names)).with_for_update(read=True)
    known = {row.name_key: row for row in tx.scalars(query)}
    problems: list[Problem] = []
    targets: list[tuple[IdentityProviderRow, str]] = []
    seen: set[str] = set()
    for place, row in enumerate(rows):
        field, name = f"outboundProvisioning[{place}]", key(row.identity_provider)
        if name not in known:
            message = f"there is no identity provider `{row.identity_provider}`"
            problems.append((f"{field}.identityProvider", message))
        elif name in seen:
            message = f"`{row.identity_provider}` appears twice: an identity provider has one row per list"
            problems.append((f"{field}.identityProvider", message))
        elif (type_ := _connector_type(known[name], row.connector)) is None:
            problems.append((f"{field}.connector", _no_connector(known[name], row.connector)))
        else:
            targets.append((known[name], type_))
        seen.add(name)
    if problems:
        raise Invalid(problems)
    return targets


def _connector_type(target: IdentityProviderRow, wanted: str) -> str | None:
    """The connector that a row means: the named one, else the default one, else the only one."""
    types = [connector.type for connector in target.connectors]
    if not wanted:
        return target.default_connector or (types[0] if len(types) == 1 else None)
    return next((t for t in types if key(t) == key(wanted)), None)


def _no_connector(target: IdentityProviderRow, wanted: str) -> str:
    types = ", ".join(f"`{connector.type}`" for connector in target.connectors) or "none"
    if wanted:
        return f"identity provider `{target.name}` has no connector `{wanted}`: it has {types}"
    return f"identity provider `{target.name}` has no default connector: name one; it has {types}"


def _service_provider(row: ServiceProviderRow) -> ServiceProvider:
    return ServiceProvider(
        name=row.name,
        description=row.description,
        inbound=InboundProvisioning(
            proxy_mode=row.proxy_mode,
            user_store_domain=row.user_store_domain,
            mode=cast("InboundMode", row.inbound_mode),
        ),
        outbound=tuple(
            OutboundRow(
                identity_provider=outbound.identity_provider.name,
                connector=outbound.connector_type,
                blocking=outbound.blocking,
                enable_rules=outbound.enable_rules,
                enable_jit=outbound.enable_jit,
                not_applicable=cast("NotApplicable", outbound.not_applicable),
            )
            for outbound in row.outbound
        ),
        version=row.version,
    )
