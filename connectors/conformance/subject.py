"""What a connector's author supplies: how to start a target, how to look into it, what the connector cannot do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from connectors.connector import Connector

#: What a check may need of a connector and its target. `cannot` has these, or the names of single checks.
ABILITIES: Mapping[str, str] = {
    "groups": "groups can be provisioned",
    "group deletion": "a group can be taken away",
    "members": "who is in a group can be changed",
    "reading members": "who is in a group can be read: strangers are found and taken out",
    "nested groups": "a group can be a member of a group",
    "nested groups setting": "what becomes of groups in groups can be set",
    "disabling": "an account can be disabled and enabled",
    "passwords": "passwords can be set",
    "default password": "an account that is made without a password can be given a default one",
    "password switch": "the provisioning of passwords can be turned off",
    "accounts without password": "an account can be made without a password",
    "any user name": "a user name may have letters of any script, and markup",
    "any text": "a text may have letters of any script, and markup",
    "linking": "an account that exists already is linked",
    "unchanged is unsent": "what is as it should be is not sent again",
}

Check = TypeVar("Check", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as the target itself has it.

    `name` is what the user signs in with. `fields` are the values of SCIM paths, for those of `name.givenName`,
    `name.familyName`, `displayName`, `title` and `emails` that the target has a place for; an empty one is "".
    `password` is None where none was set.
    """

    name: str
    active: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group as the target itself has it; `members` are identifiers of users and groups."""

    name: str
    members: frozenset[str] = frozenset()


class Target(ABC):
    """A running target, looked into from its own side and not through the connector."""

    @abstractmethod
    def properties(self) -> Mapping[str, str]:
        """The settings of a connector that reaches it, secrets among them."""

    @abstractmethod
    def users(self) -> Mapping[str, Account]:
        """All users by identifier; disabled ones, too, as long as they can come back."""

    @abstractmethod
    def groups(self) -> Mapping[str, Group]:
        """All groups by identifier."""

    @abstractmethod
    def add_user(self, name: str) -> str:
        """Make an enabled user, as somebody else would; answers its identifier. `name` is an account's whole name."""

    @abstractmethod
    def add_group(self, name: str) -> str:
        """Make an empty group, as somebody else would; answers its identifier."""

    @abstractmethod
    def remove(self, identifier: str) -> None:
        """Take a user or group away, as somebody else would."""

    def add_member(self, group: str, user: str) -> None:
        """Put a user into a group, as somebody else would."""
        raise NotImplementedError

    def violations(self) -> list[str]:
        """What the target was sent that its protocol forbids; checked at the end of every check."""
        return []


class Subject(ABC):
    """A connector and how it is put to the test.

    `cannot` has what it cannot do, with the reason: an ability of `ABILITIES`, or a check's name without `test_`.
    `default_password` and `password_switch` are the keys of these two settings, None where there are none; `nesting`
    the key of the one that says what becomes of nested groups. `profile` is the target profile to set,
    `attributes` are what every user must have there beside the usual ones. `mapping` are claim mappings that make a
    user for the target: remote names, each with `userName` or one of the paths that an account's `fields` may have.
    """

    connector: Connector
    cannot: Mapping[str, str] = {}
    profile: str = "generic"
    attributes: Mapping[str, Any] = {}
    mapping: Mapping[str, str] = {}
    default_password: ClassVar[str | None] = None
    password_switch: ClassVar[str | None] = None
    nesting: ClassVar[str | None] = None

    @abstractmethod
    def start(self) -> AbstractContextManager[Target]:
        """Start a target without users and groups of its own; the end of the context stops it."""

    def account_name(self, name: str) -> str:
        """The whole name of the account of the user `name`."""
        return name

    def reason(self, check: str, needed: tuple[str, ...]) -> str | None:
        """Why a check of this name that needs these abilities cannot pass; None when it has to."""
        return next((self.cannot[one] for one in (check, *needed) if one in self.cannot), None)


def needs(*abilities: str) -> Callable[[Check], Check]:
    """Say which abilities a check needs."""
    unknown = [one for one in abilities if one not in ABILITIES]
    if unknown:
        raise ValueError(f"unknown ability `{unknown[0]}`")

    def mark(check: Check) -> Check:
        check.needed = abilities  # type: ignore[attr-defined]
        return check

    return mark


def needed(check: Any) -> tuple[str, ...]:
    """The abilities that a check needs."""
    found: tuple[str, ...] = getattr(check, "needed", ())
    return found
