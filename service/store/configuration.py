"""The configuration: service providers, identity providers and connectors. The one door to both halves of it.

Functions run in the caller's transaction and raise `configuration_errors`. Names compare without case.
"""

from service.store.configuration_cache import (
    ConfigurationCache,
    Target,
    cached_service_provider,
    cached_settings,
    cached_target,
    cached_target_by_id,
)
from service.store.configuration_errors import (
    BuiltIn,
    ConfigurationError,
    InUse,
    Invalid,
    NameTaken,
    Problem,
    UnknownProvider,
)
from service.store.identity_providers import (
    Seals,
    connector_id,
    connector_settings,
    connector_settings_by_id,
    create_identity_provider,
    delete_identity_provider,
    get_identity_provider,
    identity_provider_by_id,
    identity_provider_id,
    identity_providers,
    set_paused,
    update_identity_provider,
)
from service.store.service_providers import (
    create_service_provider,
    delete_service_provider,
    ensure_resident,
    find_service_provider,
    get_service_provider,
    service_provider_id,
    service_providers,
    update_service_provider,
)

__all__ = [
    "BuiltIn",
    "ConfigurationCache",
    "ConfigurationError",
    "InUse",
    "Invalid",
    "NameTaken",
    "Problem",
    "Seals",
    "Target",
    "UnknownProvider",
    "cached_service_provider",
    "cached_settings",
    "cached_target",
    "cached_target_by_id",
    "connector_id",
    "connector_settings",
    "connector_settings_by_id",
    "create_identity_provider",
    "create_service_provider",
    "delete_identity_provider",
    "delete_service_provider",
    "ensure_resident",
    "find_service_provider",
    "get_identity_provider",
    "get_service_provider",
    "identity_provider_by_id",
    "identity_provider_id",
    "identity_providers",
    "service_provider_id",
    "service_providers",
    "set_paused",
    "update_identity_provider",
    "update_service_provider",
]
