"""The settings of the SCIM 2.0 connector. WSO2 Identity Server's keys are kept: people migrate with them."""

from __future__ import annotations

from dataclasses import replace

from connectors.connector import Property
from connectors.nesting import nesting_property
from connectors.scim_access import MODES


def _secret(key: str, display_name: str, description: str) -> Property:
    return Property(key=key, display_name=display_name, description=description, type="secret", confidential=True)


_IN_ORDER = (
    Property(
        key="scim2-user-ep",
        display_name="User Endpoint",
        description="For example https://example.com/scim/v2/Users",
        type="url",
        required=True,
    ),
    Property(
        key="scim2-group-ep",
        display_name="Group Endpoint",
        description="For example https://example.com/scim/v2/Groups; without it groups are not provisioned",
        type="url",
    ),
    Property(
        key="scim2-authentication-mode",
        display_name="Authentication Mode",
        description="How requests to the target are authenticated",
        type="option",
        options=MODES,
        default="basic",
    ),
    Property(key="scim2-username", display_name="Username", description="For HTTP Basic"),
    _secret("scim2-password", "Password", "For HTTP Basic"),
    _secret("scim2-access-token", "Access Token", "For bearer authentication"),
    Property(
        key="scim2-api-key-header",
        display_name="API Key Header",
        description="Name of the header that carries the API key",
    ),
    _secret("scim2-api-key-value", "API Key Value", "The key itself"),
    Property(
        key="scim2-token-endpoint",
        display_name="Token Endpoint",
        description="Of the OAuth 2.0 authorization server, for client credentials and private-key JWT",
        type="url",
    ),
    Property(key="scim2-client-id", display_name="Client ID", description="For OAuth 2.0"),
    _secret("scim2-client-secret", "Client Secret", "For OAuth 2.0 client credentials"),
    Property(
        key="scim2-client-authentication",
        display_name="Client Authentication",
        description="Whether client id and secret go into the Authorization header or into the body",
        type="option",
        options=("basic", "body"),
        default="basic",
    ),
    Property(key="scim2-scope", display_name="Scope", description="For OAuth 2.0, separated by blanks"),
    Property(
        key="scim2-token-audience",
        display_name="Token Audience",
        description="The audience parameter that some authorization servers ask for",
    ),
    _secret(
        "scim2-private-key",
        "Private Key",
        "For private-key JWT, in PEM form without passphrase: RSA or elliptic on a NIST curve",
    ),
    Property(
        key="scim2-key-id",
        display_name="Key ID",
        description="By which the authorization server knows the private key",
    ),
    _secret(
        "scim2-client-certificate",
        "Client Certificate",
        "For mutual TLS, also beside another mode: certificate, chain and private key in PEM form",
    ),
    Property(
        key="scim2-ca-certificate",
        display_name="CA Certificate",
        description="The only authorities to trust for this target, in PEM form; without it the public ones are",
        type="text",
    ),
    Property(
        key="scim2-user-store-domain",
        display_name="User Store Domain",
        description="Put in front of names at the target, as DOMAIN/name",
    ),
    nesting_property("scim2-nested-groups"),
    Property(
        key="scim2-deprovisioning",
        display_name="Deprovisioning",
        description="What takes a user away at the target; without it the target's profile decides",
        type="option",
        options=("delete", "deactivate", "nothing"),
    ),
    Property(
        key="scim2-enable-pwd-provisioning",
        display_name="Enable Password Provisioning",
        description="Send passwords that requests carry, and the default one when an account is created without",
        type="boolean",
        default="true",
    ),
    _secret(
        "scim2-default-pwd",
        "Default Password",
        "For accounts that are created without a password; never sent with an update",
    ),
    Property(
        key="scim2-profile-overrides",
        display_name="Profile Overrides",
        description="Single keys in which the target differs from its profile, in TOML: [patch], then members = 50",
        type="text",
    ),
)

PROPERTIES = tuple(replace(known, display_order=order) for order, known in enumerate(_IN_ORDER, start=1))
