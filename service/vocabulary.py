"""What a policy can name: categories and ids of every attribute that a request of ours carries.

`service.pip` gives them values, `service.pap` checks policies against them, `attributes_markdown` writes them down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from connectors import claims
from connectors.claims import CORE_GROUP, CORE_USER, ENTERPRISE_USER, LOCAL_CLAIMS

USER: Final = "http://wso2.org/identity/user"
SERVICE_PROVIDER: Final = "http://wso2.org/identity/sp"
IDENTITY_PROVIDER: Final = "http://wso2.org/identity/idp"
ACTION: Final = "http://wso2.org/identity/identity-action"
PROVISIONING: Final = "http://wso2.org/identity/provisioning"
ENVIRONMENT: Final = "urn:oasis:names:tc:xacml:3.0:attribute-category:environment"
CATEGORIES: Final = (USER, SERVICE_PROVIDER, IDENTITY_PROVIDER, ACTION, PROVISIONING, ENVIRONMENT)

TENANT_DOMAIN: Final = f"{USER}/user-tenant-domain"
USERNAME: Final = f"{USER}/username"
SP_NAME: Final = f"{SERVICE_PROVIDER}/sp-name"
SP_TENANT_DOMAIN: Final = "http://wso2.org/identity/auth/sp-tenant-domain"
IDP_NAME: Final = f"{IDENTITY_PROVIDER}/idp-name"
CONNECTOR_TYPE: Final = f"{IDENTITY_PROVIDER}/connector-type"
ACTION_NAME: Final = f"{ACTION}/action-name"
PROVISION_OPERATION: Final = f"{PROVISIONING}/provision-operation"
CLAIM_GROUP: Final = f"{PROVISIONING}/claim-group"
ENTITY_TYPE: Final = "urn:sluice:provisioning:entity-type"
EFFECTIVE_OPERATION: Final = "urn:sluice:provisioning:effective-operation"
INBOUND_CHANNEL: Final = "urn:sluice:provisioning:inbound-channel"
JIT: Final = "urn:sluice:provisioning:jit"
ATTEMPT: Final = "urn:sluice:provisioning:attempt"
ENVIRONMENT_ID: Final = "urn:oasis:names:tc:xacml:1.0:environment:environment-id"
CURRENT_TIME: Final = "urn:oasis:names:tc:xacml:1.0:environment:current-time"
CURRENT_DATE: Final = "urn:oasis:names:tc:xacml:1.0:environment:current-date"
CURRENT_DATE_TIME: Final = "urn:oasis:names:tc:xacml:1.0:environment:current-dateTime"
ROLE_CLAIM: Final = f"{LOCAL_CLAIMS}role"
ROLES_CLAIM: Final = f"{LOCAL_CLAIMS}roles"

AttributeType = Literal["string", "boolean", "integer", "double", "dateTime", "date", "time"]


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One attribute that a policy can name.

    `path` is its SCIM 2.0 path, empty for what is no attribute of the entity. `wso2` and `scim1` are the other ids, of
    type string and in the same category, under which the same values are found.
    """

    id: str
    category: str
    type: AttributeType
    example: str
    meaning: str
    path: str = ""
    wso2: tuple[str, ...] = ()
    scim1: tuple[str, ...] = ()


_CIRCUMSTANCES: Final = (
    AttributeRow(TENANT_DOMAIN, USER, "string", "carbon.super", "the tenant"),
    AttributeRow(USERNAME, USER, "string", "PRIMARY/alice", "user store domain and name; for a group its name"),
    AttributeRow(
        SP_NAME, SERVICE_PROVIDER, "string", "hr-portal", "the service provider; `wso2carbon-local-sp` for `resident`"
    ),
    AttributeRow(SP_TENANT_DOMAIN, SERVICE_PROVIDER, "string", "carbon.super", "the service provider's tenant"),
    AttributeRow(IDP_NAME, IDENTITY_PROVIDER, "string", "acme", "the identity provider that is provisioned into"),
    AttributeRow(
        CONNECTOR_TYPE,
        IDENTITY_PROVIDER,
        "string",
        "SCIM2",
        "`SCIM2`, `scim` (SCIM 1.1), `spml`, `googleapps`, `salesforce`",
    ),
    AttributeRow(ACTION_NAME, ACTION, "string", "provisioning", "always `provisioning`"),
    AttributeRow(
        PROVISION_OPERATION, PROVISIONING, "string", "POST", "what came in: `POST`, `PUT`, `PATCH` or `DELETE`"
    ),
    AttributeRow(
        CLAIM_GROUP,
        PROVISIONING,
        "string",
        "Engineering",
        "the user's roles and the names of its groups, after the identity provider's role mapping",
    ),
    AttributeRow(ENTITY_TYPE, PROVISIONING, "string", "user", "`user` or `group`"),
    AttributeRow(
        EFFECTIVE_OPERATION,
        PROVISIONING,
        "string",
        "create",
        "what will be done at the target: `create`, `replace`, `modify` or `delete`",
    ),
    AttributeRow(INBOUND_CHANNEL, PROVISIONING, "string", "scim", "`scim`, `api`, `jit`, `console` or `reconcile`"),
    AttributeRow(JIT, PROVISIONING, "boolean", "false", "whether a login caused it"),
    AttributeRow(ATTEMPT, PROVISIONING, "integer", "1", "0 at acceptance, then the number of the attempt"),
    AttributeRow(ENVIRONMENT_ID, ENVIRONMENT, "string", "carbon.super", "the tenant"),
    AttributeRow(CURRENT_TIME, ENVIRONMENT, "time", "09:30:00+01:00", "now, in the policies' time zone"),
    AttributeRow(CURRENT_DATE, ENVIRONMENT, "date", "2026-01-31+01:00", "today, in the policies' time zone"),
    AttributeRow(
        CURRENT_DATE_TIME, ENVIRONMENT, "dateTime", "2026-01-31T09:30:00+01:00", "now, in the policies' time zone"
    ),
)

# RFC 7643, sections 3.1, 4.1, 4.2 and 4.3: the paths that no WSO2 claim names.
_UNCLAIMED: Final[Mapping[str, tuple[AttributeType, str]]] = {
    "emails.value": ("string", "alice@example.com"),
    "emails.type": ("string", "work"),
    "emails.primary": ("boolean", "true"),
    "emails.display": ("string", "Alice"),
    "phoneNumbers.value": ("string", "+44 20 7946 0958"),
    "phoneNumbers.type": ("string", "work"),
    "phoneNumbers.primary": ("boolean", "true"),
    "phoneNumbers.display": ("string", "Desk"),
    "ims.value": ("string", "alice@im.example.com"),
    "ims.type": ("string", "xmpp"),
    "ims.primary": ("boolean", "true"),
    "ims.display": ("string", "Alice"),
    "photos.value": ("string", "https://photos.example.com/alice.jpg"),
    "photos.type": ("string", "photo"),
    "photos.primary": ("boolean", "true"),
    "photos.display": ("string", "Alice"),
    "addresses.type": ("string", "work"),
    "addresses.primary": ("boolean", "true"),
    "groups": ("string", "engineering"),
    "groups.value": ("string", "engineering"),
    "entitlements.value": ("string", "printing"),
    "entitlements.type": ("string", "device"),
    "entitlements.primary": ("boolean", "true"),
    "entitlements.display": ("string", "Printing"),
    "roles.value": ("string", "eng"),
    "roles.type": ("string", "default"),
    "roles.primary": ("boolean", "true"),
    "roles.display": ("string", "Engineer"),
    "x509Certificates.value": ("string", "MIIDQzCCAqyg…"),
    "x509Certificates.type": ("string", "signing"),
    "x509Certificates.primary": ("boolean", "true"),
    "x509Certificates.display": ("string", "Alice"),
    "meta.version": ("string", 'W/"a330bc54f0671c9"'),
    f"{ENTERPRISE_USER}:manager": ("string", "26118915-6090-4610-87e4-49d8ca9f808d"),
    f"{ENTERPRISE_USER}:manager.$ref": ("string", "../Users/26118915-6090-4610-87e4-49d8ca9f808d"),
}
_OF_GROUPS: Final = (
    ("displayName", "engineering"),
    ("id", "e9e30dba-f08f-4109-8486-d5c6a331660a"),
    ("externalId", "g-17"),
)


@lru_cache(maxsize=1)
def attribute_table() -> tuple[AttributeRow, ...]:
    """Every attribute that a policy can name: circumstances first, then the entity's, one row a SCIM 2.0 path.

    Extensions of the organisation's own are not listed: they are found under `<URN of the extension>:<attribute>`.
    """
    return (*_CIRCUMSTANCES, *_claimed(), *_unclaimed(), *_group_rows())


def _claimed() -> Iterator[AttributeRow]:
    """One row for each path of the claims table, with all its claims."""
    by_path: dict[str, list[claims.Claim]] = {}
    for claim in claims.CLAIMS:
        by_path.setdefault(claim.path, []).append(claim)
    for path, same in by_path.items():
        first = same[0]
        scim1 = dict.fromkeys(uri for claim in same for uri in claim.scim1)
        wso2 = tuple(claim.uri for claim in same)
        yield AttributeRow(
            urn(path), USER, first.type, first.example, _meaning(same), path=path, wso2=wso2, scim1=tuple(scim1)
        )


def _meaning(same: list[claims.Claim]) -> str:
    """What its row has to say beyond the path."""
    notes = [f"`{claim.uri}` is its opposite" for claim in same if claim.inverted]
    if any(claim.uri == ROLES_CLAIM for claim in same):
        notes = [f"`{ROLE_CLAIM}` has the groups too, `{ROLES_CLAIM}` has the prefix `Internal/`"]
    return "; ".join(notes)


def _unclaimed() -> Iterator[AttributeRow]:
    """One row for each path of SCIM's own schemas that no claim names."""
    for path, (kind, example) in _UNCLAIMED.items():
        scim1 = claims.scim1_uri(path)
        yield AttributeRow(urn(path), USER, kind, example, "", path=path, scim1=(scim1,) if scim1 else ())


def _group_rows() -> Iterator[AttributeRow]:
    """What a group has under the URN of its own schema."""
    for name, example in _OF_GROUPS:
        yield AttributeRow(f"{CORE_GROUP}:{name}", USER, "string", example, "of a group", path=name)


def urn(path: str) -> str:
    """The attribute id of a SCIM 2.0 path of a user."""
    return path if path.startswith("urn:") else f"{CORE_USER}:{path}"


@lru_cache(maxsize=1)
def known_attributes() -> Mapping[str, tuple[str, AttributeType]]:
    """Category and data type of every attribute id of the table, the other ids of a row included."""
    known: dict[str, tuple[str, AttributeType]] = {}
    for row in attribute_table():
        known[row.id] = (row.category, row.type)
        known.update(dict.fromkeys((*row.wso2, *row.scim1), (row.category, "string")))
    return known


def attributes_markdown() -> str:
    """The table as two Markdown tables: the circumstances, then the entity's attributes with their correspondences."""
    circumstances = [row for row in attribute_table() if not row.path]
    entity = [row for row in attribute_table() if row.path]
    return "\n".join((
        "| Attribute | Category | Data type | Example | Meaning |",
        "|---|---|---|---|---|",
        *(f"| `{r.id}` | `{r.category}` | {r.type} | `{r.example}` | {r.meaning} |" for r in circumstances),
        "",
        f"All of the following have the category `{USER}`. The first column has the data type given; the same values",
        "are found, as strings, under the WSO2 claims and the SCIM 1.1 URIs beside it.",
        "",
        "| SCIM 2.0 attribute | Data type | Example | WSO2 claim | SCIM 1.1 | Note |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{r.id}` | {r.type} | `{r.example}` | {_cell(r.wso2)} | {_cell(r.scim1)} | {r.meaning} |"
            for r in entity
        ),
        "",
    ))  # fmt: skip


def _cell(ids: tuple[str, ...]) -> str:
    """Several ids in one cell of a table."""
    return "<br>".join(f"`{one}`" for one in ids)


_BEGIN: Final = "<!-- attributes: written by `sluice policy attributes --markdown` -->\n"
_END: Final = "<!-- attributes: end -->"


def with_attributes(readme: str) -> str:
    """A text with the tables of `attributes_markdown` between its two markers. Raises `ValueError` without markers."""
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"no place for the attributes: write `{_BEGIN.strip()}` and `{_END}` on lines of their own")
    return f"{before}{begin}\n{attributes_markdown()}\n{end}{after}"
