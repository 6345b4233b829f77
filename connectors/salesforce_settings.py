"""The settings of the Salesforce connector: their metadata, what is wrong with them, and them as typed values.

WSO2 Identity Server's keys are kept: people migrate with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.connector import Property, Settings
from connectors.errors import Misconfigured
from connectors.jwt import BadKey, load_key
from connectors.metadata import metadata_problems
from connectors.naming import pattern_parts
from connectors.nesting import nesting_property
from connectors.oauth import Client, ClientAuthentication

GRANTS = ("clientCredentials", "password", "jwtBearer")
AUDIENCE = "https://login.salesforce.com"
_VERSION = re.compile(r"v?(\d{2,3})(\.0)?")
_COLLECTIONS_SINCE = 42  # the first version that takes many records in one request
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_IN_ORDER = (
    Property(
        key="sf-api-version",
        display_name="API Version",
        description="For example v59.0",
        required=True,
    ),
    Property(
        key="sf-domain-name",
        display_name="Domain Name",
        description="The address of the organization, for example https://acme.my.salesforce.com",
        type="url",
        required=True,
    ),
    Property(
        key="sf-clientid",
        display_name="Client ID",
        description="The consumer key of the connected app",
        required=True,
    ),
    Property(
        key="sf-client-secret",
        display_name="Client Secret",
        description="The consumer secret of the connected app; needed but with a JWT bearer token",
        type="secret",
        confidential=True,
    ),
    Property(
        key="sf-authentication",
        display_name="Authentication",
        description="How an access token is asked for; without it Use Password Grant decides",
        type="option",
        options=GRANTS,
    ),
    Property(
        key="sf-usePasswordGrant",
        display_name="Use Password Grant",
        description="Sign in with user name and password instead of client credentials",
        type="boolean",
        default="false",
    ),
    Property(
        key="sf-username",
        display_name="Username",
        description="The user on whose behalf is acted, for the password grant and for a JWT bearer token",
    ),
    Property(
        key="sf-password",
        display_name="Password",
        description="For the password grant, with the security token appended where one is demanded",
        type="secret",
        confidential=True,
    ),
    Property(
        key="sf-private-key",
        display_name="Private Key",
        description="For a JWT bearer token: RSA in PEM form without passphrase, whose certificate the app has",
        type="secret",
        confidential=True,
    ),
    Property(
        key="sf-jwt-audience",
        display_name="Token Audience",
        description="Of the JWT bearer token: https://test.salesforce.com for a sandbox",
        default=AUDIENCE,
    ),
    Property(
        key="sf-token-endpoint",
        display_name="Token Endpoint",
        description="For example https://acme.my.salesforce.com/services/oauth2/token",
        type="url",
        required=True,
    ),
    Property(
        key="sf-prov-pattern",
        display_name="Provisioning Pattern",
        description="Makes the part of the user name before the @, as {UD,UN,TD,IDP}; else the entity's own name",
    ),
    Property(
        key="sf-prov-separator",
        display_name="Provisioning Separator",
        description="Between the parts of the pattern",
        default="_",
    ),
    Property(
        key="sf-prov-domainName",
        display_name="Provisioning Domain",
        description="Put behind user names without an @, since Salesforce takes only those in the form of an address",
    ),
    Property(
        key="sf-profile-id",
        display_name="Profile",
        description="Id or name of the profile that new users get, for example Standard User",
    ),
    Property(
        key="sf-time-zone",
        display_name="Time Zone",
        description="Of users who have none, for example Europe/Berlin",
        default="GMT",
    ),
    Property(key="sf-locale", display_name="Locale", description="Of users who have none", default="en_US"),
    Property(key="sf-language", display_name="Language", description="Of users who have none", default="en_US"),
    Property(
        key="sf-email-encoding",
        display_name="Email Encoding",
        description="Of new users' mail",
        default="UTF-8",
    ),
    Property(
        key="sf-external-id-field",
        display_name="External ID Field",
        description="A custom field of User for the entity's id, by which accounts are known, for example Sluice_Id__c",
    ),
    nesting_property("sf-nested-groups"),
    Property(
        key="sf-deprovisioning",
        display_name="Deprovisioning",
        description="A user cannot be deleted: deactivate it, and free its user name by another one or not",
        type="option",
        options=("deactivateAndRename", "deactivate"),
        default="deactivateAndRename",
    ),
    Property(
        key="sf-groups",
        display_name="Groups",
        description="What a group is: a public group that is made and deleted, or a permission set that exists",
        type="option",
        options=("publicGroup", "permissionSet"),
        default="publicGroup",
    ),
    Property(
        key="sf-enable-pwd-provisioning",
        display_name="Enable Password Provisioning",
        description="Set passwords that requests carry, and the default one when an account is created without",
        type="boolean",
        default="true",
    ),
    Property(
        key="sf-default-pwd",
        display_name="Default Password",
        description="For accounts that are created without a password; never set with an update",
        type="secret",
        confidential=True,
    ),
    Property(
        key="sf-api-usage-limit",
        display_name="API Usage Limit",
        description="Percentage of the organization's API requests at which to pause, so that others have the rest",
        default="95",
    ),
)

PROPERTIES = tuple(replace(known, display_order=order) for order, known in enumerate(_IN_ORDER, start=1))
_DEFAULTS = {known.key: known.default or "" for known in PROPERTIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings as the exchanges need them; `defaults` are fields of users who have no value of their own."""

    version: str
    domain: str
    client: Client
    pattern: str
    separator: str
    name_domain: str
    profile: str
    defaults: dict[str, str]
    mark_field: str
    renames: bool
    permission_sets: bool
    passwords: bool
    default_password: str
    usage_limit: float
    links: bool


def setup(settings: Settings) -> Setup:
    """The settings as typed values. Raises Misconfigured with the first of their problems."""
    for key, message in problems(settings):
        raise Misconfigured(f"{key}: {message}", setting=key)

    def get(name: str) -> str:
        return settings.get(f"sf-{name}", _DEFAULTS[f"sf-{name}"]).strip()

    found = _VERSION.fullmatch(get("api-version"))
    assert found is not None, "problems() has seen the version"
    return Setup(
        version=f"v{found[1]}.0",
        domain=get("domain-name").rstrip("/"),
        client=_client(settings),
        pattern=get("prov-pattern"),
        separator=settings.get("sf-prov-separator"),
        name_domain=get("prov-domainName").removeprefix("@"),
        profile=get("profile-id"),
        defaults={
            "TimeZoneSidKey": get("time-zone"),
            "LocaleSidKey": get("locale"),
            "LanguageLocaleKey": get("language"),
            "EmailEncodingKey": get("email-encoding"),
        },
        mark_field=get("external-id-field"),
        renames=get("deprovisioning") == "deactivateAndRename",
        permission_sets=get("groups") == "permissionSet",
        passwords=settings.flag("sf-enable-pwd-provisioning", default=True),
        default_password=settings.get("sf-default-pwd"),
        usage_limit=float(get("api-usage-limit")) / 100,
        links=settings.on_conflict == "link",
    )


def grant(settings: Settings) -> str:
    """How an access token is asked for."""
    chosen = settings.get("sf-authentication")
    return chosen or ("password" if settings.flag("sf-usePasswordGrant", default=False) else "clientCredentials")


def _client(settings: Settings) -> Client:
    chosen = grant(settings)
    parameters: dict[str, str] = {}
    if chosen == "password":
        parameters = {
            "grant_type": "password",
            "username": settings.get("sf-username"),
            "password": settings.get("sf-password"),
        }
    by_key = chosen == "jwtBearer"
    how: ClientAuthentication = "jwt-bearer" if by_key else "body"
    return Client(
        endpoint=settings.get("sf-token-endpoint"),
        id=settings.get("sf-clientid"),
        secret=settings.get("sf-private-key" if by_key else "sf-client-secret"),
        authentication=how,
        audience=settings.get("sf-jwt-audience", AUDIENCE) if by_key else "",
        subject=settings.get("sf-username") if by_key else "",
        parameters=parameters,
        confidential=tuple(value for key, value in parameters.items() if key == "password"),
    )


def problems(settings: Settings) -> list[tuple[str, str]]:
    """What is wrong with the settings, as (property key, message); empty when they can work."""
    chosen = grant(settings)
    found = metadata_problems(PROPERTIES, settings)
    found += _grant_problems(settings, chosen)
    found += _form_problems(settings)
    try:
        pattern_parts(settings.get("sf-prov-pattern"))
    except Misconfigured as error:
        found.append(("sf-prov-pattern", error.message))
    return found


def _grant_problems(settings: Settings, chosen: str) -> list[tuple[str, str]]:
    needed = {
        "clientCredentials": ("sf-client-secret",),
        "password": ("sf-client-secret", "sf-username", "sf-password"),
        "jwtBearer": ("sf-username", "sf-private-key"),
    }
    found = [(key, f"is needed for `{chosen}`") for key in needed.get(chosen, ()) if not settings.get(key).strip()]
    key = settings.get("sf-private-key")
    if chosen == "jwtBearer" and key.strip():
        try:
            good = isinstance(load_key(key), rsa.RSAPrivateKey)
        except BadKey as error:
            return [*found, ("sf-private-key", str(error))]
        if not good:
            found.append(("sf-private-key", "Salesforce takes tokens that are signed with RSA only"))
    return found


def _form_problems(settings: Settings) -> list[tuple[str, str]]:
    found = []
    version = settings.get("sf-api-version").strip()
    known = _VERSION.fullmatch(version)
    if version and (known is None or int(known[1]) < _COLLECTIONS_SINCE):
        found.append(("sf-api-version", f"`{version}` is no version of the API from v{_COLLECTIONS_SINCE}.0 on"))
    domain = settings.get("sf-prov-domainName").strip().removeprefix("@")
    if "@" in domain or any(character.isspace() for character in domain):
        found.append(("sf-prov-domainName", f"`{domain}` is no domain: write it as in example.com"))
    mark = settings.get("sf-external-id-field").strip()
    if mark and not _NAME.fullmatch(mark):
        found.append(("sf-external-id-field", f"`{mark}` is no name of a field"))
    limit = settings.get("sf-api-usage-limit", "95").strip()
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 100):
        found.append(("sf-api-usage-limit", f"`{limit}` is no percentage from 1 to 100"))
    return found
