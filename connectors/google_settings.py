"""The settings of the Google connector: their metadata, what is wrong with them, and them as typed values.

WSO2 Identity Server's keys are kept: people migrate with them.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace

from connectors.connector import Property, Settings
from connectors.errors import Misconfigured
from connectors.google_key import ServiceKey, service_key
from connectors.jwt import BadKey
from connectors.metadata import metadata_problems
from connectors.naming import pattern_parts
from connectors.nesting import nesting_property

TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105 - the address that gives tokens
API_ENDPOINT = "https://admin.googleapis.com"

_IN_ORDER = (
    Property(
        key="google_prov_domain_name",
        display_name="Google Domain",
        description="The domain of the accounts' addresses, for example example.com",
        required=True,
    ),
    Property(
        key="google_prov_email_claim_dropdown",
        display_name="Primary Email Claim",
        description=(
            "The claim with an account's primary address, for example http://wso2.org/claims/emailaddress or emails; "
            "a value without a domain gets the Google Domain"
        ),
        required=True,
    ),
    Property(
        key="google_prov_givenname_claim_dropdown",
        display_name="Given Name Claim",
        description="The claim with the given name, which Google demands",
        default="http://wso2.org/claims/givenname",
    ),
    Property(
        key="google_prov_givenname",
        display_name="Given Name Default",
        description="The given name of who has none",
    ),
    Property(
        key="google_prov_familyname_claim_dropdown",
        display_name="Family Name Claim",
        description="The claim with the family name, which Google demands",
        default="http://wso2.org/claims/lastname",
    ),
    Property(
        key="google_prov_familyname",
        display_name="Family Name Default",
        description="The family name of who has none",
    ),
    Property(
        key="google_prov_service_acc_email",
        display_name="Service Account Email",
        description="Of a service account with domain-wide delegation",
        required=True,
    ),
    Property(
        key="google_prov_private_key",
        display_name="Private Key",
        description=(
            "Of the service account: the JSON key file, the key in PEM form, or the PKCS12 file in base64 "
            "(which Google protects with the passphrase notasecret)"
        ),
        type="secret",
        confidential=True,
        required=True,
    ),
    Property(
        key="google_prov_private_key_password",
        display_name="Private Key Passphrase",
        description="Of a PKCS12 file that has another one than Google's usual",
        type="secret",
        confidential=True,
    ),
    Property(
        key="google_prov_admin_email",
        display_name="Administrator's Email",
        description="The administrator on whose behalf the service account acts",
        required=True,
    ),
    Property(
        key="google_prov_application_name",
        display_name="Application Name",
        description="Sent as the user agent, so that Google's audit log tells who asked",
        required=True,
    ),
    Property(
        key="google_prov_pattern",
        display_name="Provisioning Pattern",
        description="Makes the part of the address before the @, as {UD,UN,TD,IDP}; else the claim's value counts",
    ),
    Property(
        key="google_prov_separator",
        display_name="Provisioning Separator",
        description="Between the parts of the pattern",
        default="_",
    ),
    Property(
        key="google_prov_deprovisioning",
        display_name="Deprovisioning",
        description="What takes a user away: a deleted account loses its mail and files, a suspended one keeps them",
        type="option",
        options=("delete", "suspend"),
        default="delete",
    ),
    Property(
        key="google_prov_old_address",
        display_name="Old Address After Rename",
        description="Whether mail to the old address still arrives (keep it as an alias) or not (remove it)",
        type="option",
        options=("keep", "remove"),
        default="keep",
    ),
    Property(
        key="google_prov_org_unit",
        display_name="Organizational Unit",
        description="Path of the organizational unit that new accounts are put into, for example /Staff",
    ),
    nesting_property("google_prov_nested_groups"),
    Property(
        key="google_prov_enable_pwd_provisioning",
        display_name="Enable Password Provisioning",
        description="Send given passwords and the default one; otherwise a new account gets a random one",
        type="boolean",
        default="true",
    ),
    Property(
        key="google_prov_default_pwd",
        display_name="Default Password",
        description="For accounts that are created without a password; never sent with an update",
        type="secret",
        confidential=True,
    ),
    Property(
        key="google_prov_token_endpoint",
        display_name="Token Endpoint",
        description="Where access tokens are asked for",
        type="url",
        default=TOKEN_ENDPOINT,
    ),
    Property(
        key="google_prov_api_endpoint",
        display_name="API Endpoint",
        description="Where the Directory API is",
        type="url",
        default=API_ENDPOINT,
    ),
)

PROPERTIES = tuple(replace(known, display_order=order) for order, known in enumerate(_IN_ORDER, start=1))
_ADDRESS = frozenset(string.ascii_lowercase + string.digits + "-_.'")
_DEFAULTS = {known.key: known.default or "" for known in PROPERTIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings as the exchanges need them."""

    domain: str
    email_claim: str
    given_claim: str
    given_default: str
    family_claim: str
    family_default: str
    account: str
    key: ServiceKey
    admin: str
    agent: str
    pattern: str
    separator: str
    suspends: bool
    keeps_old_address: bool
    org_unit: str
    passwords: bool
    default_password: str
    token_endpoint: str
    api_endpoint: str
    links: bool


def setup(settings: Settings) -> Setup:
    """The settings as typed values. Raises Misconfigured with the first of their problems."""
    for key, message in problems(settings):
        raise Misconfigured(f"{key}: {message}", setting=key)

    def get(name: str) -> str:
        return settings.get(f"google_prov_{name}", _DEFAULTS[f"google_prov_{name}"]).strip()

    return Setup(
        domain=get("domain_name").lower(),
        email_claim=get("email_claim_dropdown"),
        given_claim=get("givenname_claim_dropdown"),
        given_default=get("givenname"),
        family_claim=get("familyname_claim_dropdown"),
        family_default=get("familyname"),
        account=get("service_acc_email"),
        key=_key(settings),
        admin=get("admin_email"),
        agent=f"{get('application_name')} Sluice",
        pattern=get("pattern"),
        separator=settings.get("google_prov_separator"),
        suspends=get("deprovisioning") == "suspend",
        keeps_old_address=get("old_address") != "remove",
        org_unit=get("org_unit"),
        passwords=settings.flag("google_prov_enable_pwd_provisioning", default=True),
        default_password=settings.get("google_prov_default_pwd"),
        token_endpoint=get("token_endpoint"),
        api_endpoint=get("api_endpoint").rstrip("/"),
        links=settings.on_conflict == "link",
    )


def _key(settings: Settings) -> ServiceKey:
    return service_key(settings.get("google_prov_private_key"), settings.get("google_prov_private_key_password"))


def problems(settings: Settings) -> list[tuple[str, str]]:
    """What is wrong with the settings, as (property key, message); empty when they can work."""
    found = metadata_problems(PROPERTIES, settings)
    found += _address_problems(settings)
    try:
        pattern_parts(settings.get("google_prov_pattern"))
    except Misconfigured as error:
        found.append(("google_prov_pattern", error.message))
    if not set(settings.get("google_prov_separator").lower()) <= _ADDRESS:
        found.append(("google_prov_separator", "an address takes letters, digits, dashes, underscores and dots"))
    if settings.get("google_prov_private_key").strip():
        found += _key_problems(settings)
    agent = settings.get("google_prov_application_name")
    if any(ord(character) < 32 or ord(character) == 127 for character in agent):
        found.append(("google_prov_application_name", "holds a control character"))
    return found


def _address_problems(settings: Settings) -> list[tuple[str, str]]:
    found = []
    domain = settings.get("google_prov_domain_name").strip()
    if domain and ("@" in domain or "/" in domain or any(character.isspace() for character in domain)):
        found.append(("google_prov_domain_name", f"`{domain}` is no domain: write it as in example.com"))
    for key in ("google_prov_service_acc_email", "google_prov_admin_email"):
        address = settings.get(key).strip()
        if address and "@" not in address:
            found.append((key, f"`{address}` is no email address"))
    return found


def _key_problems(settings: Settings) -> list[tuple[str, str]]:
    try:
        key = _key(settings)
    except BadKey as error:
        return [("google_prov_private_key", str(error))]
    account = settings.get("google_prov_service_acc_email").strip()
    if key.email and account and key.email.lower() != account.lower():
        return [("google_prov_private_key", f"is the key of `{key.email}`, not of `{account}`")]
    return []
