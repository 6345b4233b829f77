"""The settings of the SPML connector: their metadata, what is wrong with them, and them as typed values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

from connectors.connector import EntityType, Property, Settings
from connectors.metadata import metadata_problems
from connectors.nesting import nesting_property
from connectors.spml_attributes import ILLEGAL
from connectors.spml_messages import Style, Wire

ACCOUNT = "accountId"
OBJECT_CLASS = "objectclass"
CREDENTIALS = "credentials"

PROPERTIES = (
    Property(
        key="spml-username",
        display_name="Username",
        description="Sent by HTTP Basic authentication; empty for none.",
        display_order=1,
    ),
    Property(
        key="spml-password",
        display_name="Password",
        type="secret",
        confidential=True,
        display_order=2,
    ),
    Property(
        key="spml-ep",
        display_name="SPML Endpoint",
        description="The URL that takes SPML 2.0 messages.",
        type="url",
        required=True,
        display_order=3,
    ),
    Property(
        key="spml-oc",
        display_name="SPML ObjectClass",
        description="The value of the attribute `objectclass` of accounts.",
        required=True,
        display_order=4,
    ),
    Property(
        key="spml-enable-pwd-provisioning",
        display_name="Enable Password Provisioning",
        description="Whether passwords are sent, as `credentials` with a new account and by setPassword later.",
        type="boolean",
        default="true",
        display_order=5,
    ),
    Property(
        key="spml-default-pwd",
        display_name="Default Password",
        description="For a new account when none was given. An update never resets a password to it.",
        type="secret",
        confidential=True,
        display_order=6,
    ),
    Property(
        key="spml-group-oc",
        display_name="Group ObjectClass",
        description="The value of the attribute `objectclass` of groups. Without it no groups are provisioned.",
        display_order=7,
    ),
    Property(
        key="spml-group-name-attribute",
        display_name="Group Name Attribute",
        description="The attribute that holds a group's name.",
        default="cn",
        display_order=8,
    ),
    Property(
        key="spml-group-member-attribute",
        display_name="Group Member Attribute",
        description="The attribute of a group that holds the identifiers of its members.",
        default="member",
        display_order=9,
    ),
    Property(
        key="spml-enable-suspend",
        display_name="Enable Suspend",
        description="Whether `active` is carried over by the suspend capability. Off: every account stays enabled.",
        type="boolean",
        default="true",
        display_order=10,
    ),
    Property(
        key="spml-delete-action",
        display_name="On Delete",
        description="Delete the account, or only suspend it. Groups are always deleted.",
        type="option",
        options=("delete", "suspend"),
        default="delete",
        display_order=11,
    ),
    Property(
        key="spml-target-id",
        display_name="Target ID",
        description="The SPML target on the server. Empty: the one that listTargets names.",
        display_order=12,
    ),
    Property(
        key="spml-lookup-pattern",
        display_name="Identifier Pattern",
        description=(
            "How the target makes the identifier of an account, to find those that exist: "
            "`{name}` stands for the accountId, `{objectclass}` for the object class."
        ),
        default="{name}",
        display_order=13,
    ),
    Property(
        key="spml-binding",
        display_name="Binding",
        description="SOAP 1.1 over HTTP, or the bare message posted over HTTP.",
        type="option",
        options=("soap", "http"),
        default="soap",
        display_order=14,
    ),
    Property(
        key="spml-modification-style",
        display_name="Modification Style",
        description=(
            "How a modification carries attributes: as `data` under a modificationMode (SPML core), "
            "or as `dsml` modification elements (DSML profile)."
        ),
        type="option",
        options=("data", "dsml"),
        default="data",
        display_order=15,
    ),
    replace(nesting_property("spml-nested-groups"), display_order=16),
)
_DEFAULTS = {known.key: known.default or "" for known in PROPERTIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings as the exchanges need them; `group` tells whether they are of groups."""

    wire: Wire
    object_class: str
    name_attribute: str
    member_attribute: str
    target_id: str
    lookup_pattern: str
    style: Style
    passwords: bool
    default_password: str
    suspends: bool
    suspend_on_delete: bool
    link_existing: bool

    def probable_id(self, name: str) -> str:
        """The identifier that an object of this name probably has at the target."""
        return self.lookup_pattern.replace("{objectclass}", self.object_class).replace("{name}", name)


def setup(settings: Settings, entity_type: EntityType) -> Setup:
    """The settings for entities of a type; they must have no `problems`."""
    user = entity_type == "user"

    def get(key: str) -> str:
        return settings.get(key, _DEFAULTS[key])

    return Setup(
        wire=Wire(
            url=get("spml-ep"),
            soap=get("spml-binding") == "soap",
            username=get("spml-username"),
            password=get("spml-password"),
        ),
        object_class=get("spml-oc" if user else "spml-group-oc"),
        name_attribute=ACCOUNT if user else get("spml-group-name-attribute"),
        member_attribute=get("spml-group-member-attribute"),
        target_id=get("spml-target-id"),
        lookup_pattern=get("spml-lookup-pattern"),
        style=cast("Literal['data', 'dsml']", get("spml-modification-style")),
        passwords=user and settings.flag("spml-enable-pwd-provisioning", default=True),
        default_password=get("spml-default-pwd"),
        suspends=user and settings.flag("spml-enable-suspend", default=True),
        suspend_on_delete=user and get("spml-delete-action") == "suspend",
        link_existing=settings.on_conflict == "link",
    )


def problems(settings: Settings) -> list[tuple[str, str]]:
    """What is wrong with the settings, as (property key, message)."""
    found = metadata_problems(PROPERTIES, settings)
    found += [
        (known.key, "holds a character that XML cannot carry")
        for known in PROPERTIES
        if ILLEGAL.search(settings.get(known.key))
    ]
    if ":" in settings.get("spml-username"):  # RFC 7617 section 2
        found.append(("spml-username", "HTTP Basic authentication allows no colon in a user name"))
    if settings.get("spml-password") and not settings.get("spml-username"):
        found.append(("spml-username", "a password is set without a user name"))
    if "{name}" not in settings.get("spml-lookup-pattern", "{name}"):
        found.append(("spml-lookup-pattern", "`{name}` is missing: every account would be the same one"))
    if settings.get("spml-delete-action") == "suspend" and not settings.flag("spml-enable-suspend", default=True):
        found.append(("spml-delete-action", "`suspend` needs Enable Suspend"))
    return found
