"""The connector contract: every word of the seam between delivery and the protocols.

A connector is a generator. `provision(task, settings)` yields `Request` and is sent a `Reply`, yields `Progress` and
`Remember` (and is sent None), and returns `Provisioned` or raises an error of `connectors.errors`. It holds no state,
opens no connection and reads no clock, so that a payload can be tested without a network, a dry run shows the exact
exchanges, and the intent of every unsafe request can be journaled before it is sent.

A new attempt is a new generator. When `task.ambiguous` is true an earlier attempt may have taken effect at the target:
look the entity up first (identifier, externalId, userName), then link, update or create.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

Operation = Literal["create", "replace", "modify", "delete"]
EntityType = Literal["user", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a target's settings say about TLS, as PEM texts.

    `authorities` are the only ones to trust (blank: the public ones and the system's). `certificate` is the client's,
    with its chain and its private key (blank: none is shown).
    """

    authorities: str = ""
    certificate: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request to the target, complete but for the connection.

    `safe` says that sending it twice, or not knowing whether it was sent, changes nothing at the target.
    `secrets` are the values that must not appear in any record of this exchange, wherever they occur in it.
    `purpose` says in a few words what it is for (`create the user`); it is shown to people. `tls` is None where the
    sender's own settings are enough.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    safe: bool
    purpose: str
    secrets: tuple[str, ...] = ()
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The target's answer. Header names are lower case; `body` is capped by the sender, `truncated` says it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Something at the target has changed for good: committed together with the reply before it.

    `identifier` is the target's own id; `delivered` is the state that the target now has, in the connector's own
    words (JSON); None leaves what was stored.
    """

    identifier: str | None = None
    delivered: Mapping[str, Any] | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep a fact about the target (a token, discovery) for later tasks, sealed; `value` is JSON."""

    key: str
    value: Any
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of this entity at this target from earlier deliveries."""

    identifier: str
    delivered: Mapping[str, Any] | None = None
    etag: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange of an earlier attempt; `status` is None when no answer came."""

    method: str
    url: str
    safe: bool
    status: int | None = None

    @property
    def unanswered(self) -> bool:
        """Whether nobody knows if it took effect: unsafe, and no answer or a 5xx. A 429 was not acted upon."""
        return not self.safe and (self.status is None or self.status >= 500)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group as the target knows it; `entity_id` is ours, `type` is user or group."""

    entity_id: str
    identifier: str
    name: str
    type: EntityType = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A group's members at the target.

    `current` are all present members with an identifier there. `added` and `removed` are the changes since the last
    delivery, and None when nothing was delivered yet or the difference is not known (send `current` whole).
    """

    current: tuple[Member, ...] = ()
    added: tuple[Member, ...] | None = None
    removed: tuple[Member, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt of one delivery, with everything that it may depend on.

    `attributes` is the entity's image after the operation as a SCIM 2.0 resource (no id, no meta, no members, no
    password), after mapping. `mapped` says that claim mappings chose and renamed the attributes: then `attributes` is
    a flat object of remote names to values. `name` is the entity's local name without the domain.
    """

    operation: Operation
    entity_type: EntityType
    entity_id: str
    name: str
    domain: str
    attributes: Mapping[str, Any]
    mapped: bool = False
    patch: Sequence[Mapping[str, Any]] = ()
    password: str | None = None
    link: Link | None = None
    unfinished: tuple[Exchange, ...] = ()
    membership: Membership | None = None
    now: datetime
    random: random.Random
    remembered: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ambiguous(self) -> bool:
        """Whether an earlier attempt may have taken effect without our knowing."""
        return any(exchange.unanswered for exchange in self.unfinished)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one connector of one identity provider is set up; `properties` are keyed as the metadata names them."""

    identity_provider: str
    tenant: str
    properties: Mapping[str, str]
    profile: str = "generic"
    on_conflict: Literal["link", "fail"] = "link"

    def get(self, key: str, default: str = "") -> str:
        """The value of a property, or `default` when it is missing or blank."""
        return self.properties.get(key) or default

    def flag(self, key: str, *, default: bool) -> bool:
        """A boolean property: `true`, `1`, `on`, `yes` in any case."""
        value = self.properties.get(key)
        return default if not value else value.strip().lower() in {"true", "1", "on", "yes"}


Outcome = Literal[
    "created",
    "updated",
    "linked",
    "deleted",
    "deactivated",
    "unchanged",
    "already-gone",
    "recreated",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """The target confirmed the task. `active` False: the account exists there but is disabled or removed."""

    outcome: Outcome
    identifier: str | None = None
    delivered: Mapping[str, Any] | None = None
    etag: str | None = None
    active: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a connection test, for people."""

    good: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A setting's metadata; it drives validation, the API and the console's form.

    `type` is `string`, `boolean`, `url`, `secret`, `option` or `text`.
    """

    key: str
    display_name: str
    description: str = ""
    type: Literal["string", "boolean", "url", "secret", "option", "text"] = "string"
    required: bool = False
    confidential: bool = False
    default: str | None = None
    options: tuple[str, ...] = ()
    display_order: int = 0


Step = Request | Progress | Remember
Exchanges = Generator[Step, "Reply | None", Provisioned]
Probe = Generator[Step, "Reply | None", tuple[Finding, ...]]


def deletes(connector: Connector, settings: Settings, entity_type: EntityType) -> bool:
    """Whether a delete removes the account for good, by the settings.

    A connector that deactivates, or does nothing, says so in a method `deletes(settings, entity_type)`; one without it
    deletes.
    """
    own = getattr(connector, "deletes", None)
    return True if own is None else bool(own(settings, entity_type))


class Connector(Protocol):
    """One protocol. Instances hold nothing but constants and are shared between threads."""

    @property
    def type(self) -> str:
        """The name in configurations: small letters, digits, dots and dashes."""
        ...

    @property
    def display_name(self) -> str:
        """The name for people."""
        ...

    @property
    def properties(self) -> tuple[Property, ...]:
        """The settings, in the order of their display."""
        ...

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state.

        Raises `connectors.errors.ConnectorError`. `task.attributes` for a delete are the last known ones.
        """
        ...

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Reach and authenticate without changing anything; says what was found."""
        ...

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message); empty when they can work."""
        ...
