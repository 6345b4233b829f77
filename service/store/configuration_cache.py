"""The configuration as deliveries read it: what a process has read once it reads again only when it was changed.

Every write of a provider gives its row a new version and time. A transaction looks at those, which costs next to
nothing, and takes what they belong to from memory, so that it never acts on a configuration older than its own view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from connectors.connector import Settings
from service.providers import RESIDENT, WSO2_RESIDENT, IdentityProvider, ServiceProvider
from service.store import identity_providers, service_providers
from service.store.configuration_errors import UnknownProvider
from service.store.database import Transaction
from service.store.entities import key
from service.store.models import IdentityProviderRow, ServiceProviderRow
from service.store.secrets import Vault

Stamp = tuple[int, int, datetime, datetime]
"""Row id, version, and the times of the first and the last write: no two states of the configuration share them."""


@dataclass(frozen=True, slots=True)
class Target:
    """An identity provider with its row id and the ids of its connectors by their types, in lower case."""

    stamp: Stamp
    provider: IdentityProvider
    connector_ids: Mapping[str, str]
    settings: dict[str, Settings | None] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The row id, which outlives renames."""
        return self.stamp[0]


@dataclass(slots=True)
class ConfigurationCache:
    """What this process has read; one for each database. Thread-safe: whole values are put and taken."""

    targets: dict[int, Target] = field(default_factory=dict)
    service_providers: dict[int, tuple[Stamp, ServiceProvider]] = field(default_factory=dict)


def cached_target(tx: Transaction, name: str) -> Target:
    """The identity provider of that name as it is now. Raises `UnknownProvider`."""
    stamp = tx.execute(_TARGET_BY_NAME, {"wanted": key(name)}).one_or_none()
    if stamp is None:
        raise UnknownProvider(identity_providers.KIND, name)
    return _target(tx, tuple(stamp))


def cached_target_by_id(tx: Transaction, id_: int) -> Target | None:
    """The identity provider with that row id as it is now; None when it was deleted."""
    stamp = tx.execute(_TARGET_BY_ID, {"wanted": id_}).one_or_none()
    return None if stamp is None else _target(tx, tuple(stamp))


def _target(tx: Transaction, stamp: Stamp) -> Target:
    memory = _cache(tx).targets
    known = memory.get(stamp[0])
    if known is not None and known.stamp == stamp:
        return known
    row = tx.get_one(IdentityProviderRow, stamp[0])
    ids = {connector.type.lower(): connector.id for connector in row.connectors}
    memory[stamp[0]] = target = Target(stamp, identity_providers.record(row), ids)
    return target


def cached_settings(
    tx: Transaction, vault: Vault, target: Target, connector_id: str, *, tenant: str
) -> Settings | None:
    """The settings of one of a target's connectors, its secrets opened; None when it was removed."""
    if connector_id not in target.settings:
        target.settings[connector_id] = identity_providers.connector_settings_by_id(
            tx, vault, connector_id, tenant=tenant
        )
    return target.settings[connector_id]


def cached_service_provider(tx: Transaction, name: str) -> ServiceProvider | None:
    """The service provider of that name or alias as it is now, None when there is none."""
    wanted = RESIDENT if key(name) == WSO2_RESIDENT else key(name)
    found = tx.execute(_SERVICE_PROVIDER, {"wanted": wanted}).one_or_none()
    if found is None:
        return None
    stamp: Stamp = tuple(found)
    memory = _cache(tx).service_providers
    known = memory.get(stamp[0])
    if known is None or known[0] != stamp:
        known = memory[stamp[0]] = stamp, service_providers.get_service_provider(tx, name)
    return known[1]


def _cache(tx: Transaction) -> ConfigurationCache:
    """The memory of the transaction's database."""
    memory: dict[str, Any] = tx.info["memory"]
    cache: ConfigurationCache = memory.setdefault("configuration", ConfigurationCache())
    return cache


_TARGETS = IdentityProviderRow.__table__.c
_PROVIDERS = ServiceProviderRow.__table__.c
_TARGET = select(_TARGETS.id, _TARGETS.version, _TARGETS.created_at, _TARGETS.updated_at)
_TARGET_BY_NAME = _TARGET.where(_TARGETS.name_key == bindparam("wanted"))
_TARGET_BY_ID = _TARGET.where(_TARGETS.id == bindparam("wanted"))
_SERVICE_PROVIDER = select(_PROVIDERS.id, _PROVIDERS.version, _PROVIDERS.created_at, _PROVIDERS.updated_at).where(
    _PROVIDERS.name_key == bindparam("wanted")
)
