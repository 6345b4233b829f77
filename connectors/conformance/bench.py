"""Plays the service for one connector and one target: builds tasks, sends requests, keeps what an attempt leaves.

Every attempt is watched: what is yielded keeps the contract, a request that is called safe changes nothing at the
target, and no secret is in what would be recorded.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connectors.conformance.records import Recorded, leaks, recorded
from connectors.conformance.subject import Account, Group, Subject, Target
from connectors.connector import (
    EntityType,
    Exchange,
    Exchanges,
    Link,
    Member,
    Membership,
    Operation,
    Probe,
    Progress,
    Provisioned,
    Remember,
    Reply,
    Request,
    Settings,
    Step,
    Task,
)
from connectors.errors import ConnectorError
from connectors.http import Sender, Transport
from connectors.nesting import Nesting, nesting, told_members

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_TRANSPORT = Transport(allow=("127.0.0.0/8", "::1/128"))
_MOST_REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer comes; `heard` says whether the target had got the request."""

    heard: bool


@dataclass(frozen=True, slots=True)
class Instead:
    """Another answer comes than the target's; `heard` says whether the target had got the request."""

    reply: Reply
    heard: bool = False


#: What happens to a request, given the number of unsafe ones before it; None: nothing.
Fault = Callable[[Request, int], "Silence | Instead | None"]


@dataclass
class Entity:
    """A user or group of ours, and what is known of its account; `told` are the members that were last delivered."""

    type: EntityType
    id: str
    name: str
    attributes: dict[str, Any]
    members: list[Entity] = field(default_factory=list)
    link: Link | None = None
    unfinished: list[Exchange] = field(default_factory=list)
    told: dict[str, Member] | None = None
    known: bool = True  # whether the changes of the members are known; else only who is in
    mapped: bool = False  # whether claim mappings choose and rename its attributes


@dataclass
class Attempt:
    """One attempt: what was sent, what came, how it ended (one of `result` and `error`, or neither: silence)."""

    requests: list[Request] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    records: list[Recorded] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    result: Provisioned | None = None
    error: ConnectorError | None = None

    @property
    def unsafe(self) -> list[Request]:
        """The requests that may have changed something."""
        return [request for request in self.requests if not request.safe]


@dataclass
class Bench:
    """One target and a connector that is set up for it. `more` are further settings, `secrets` what nobody may read."""

    subject: Subject
    target: Target
    sender: Sender
    more: dict[str, str] = field(default_factory=dict)
    on_conflict: Literal["link", "fail"] = "link"
    remembered: dict[str, Any] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    now: datetime = START
    random: random.Random = field(default_factory=lambda: random.Random(20261120))  # noqa: S311 - repeatable checks

    # --- settings -----------------------------------------------------------------------------------------------------

    def settings(self, **changed: str) -> Settings:
        """The connector's settings, some changed."""
        return Settings(
            identity_provider="acme",
            tenant="carbon.super",
            properties={**self.target.properties(), **self.more, **changed},
            profile=self.subject.profile,
            on_conflict=self.on_conflict,
        )

    def confidential(self) -> set[str]:
        """The values of confidential settings, and passwords: what no record may show."""
        keys = {one.key for one in self.subject.connector.properties if one.confidential}
        values = {value for key, value in self.settings().properties.items() if key in keys and value}
        return values | self.secrets

    # --- entities -----------------------------------------------------------------------------------------------------

    def user(self, name: str = "alice", /, **attributes: Any) -> Entity:
        """A user of ours, not provisioned yet."""
        return Entity("user", f"entity-{name}", name, {**person(name, **attributes), **self.subject.attributes})

    def group(self, name: str = "engineers", *members: Entity) -> Entity:
        """A group of ours, not provisioned yet."""
        return Entity("group", f"entity-{name}", name, {"displayName": name}, list(members))

    def account(self, entity: Entity) -> Account:
        """The user's account at the target."""
        found = self.target.users().get(_identifier(entity))
        assert found is not None, f"the target has no account `{_identifier(entity)}`"
        return found

    def enabled(self, entity: Entity) -> bool:
        """Whether the target has an account of the user's name that is enabled."""
        name = self.subject.account_name(entity.name).casefold()
        return any(one.active for one in self.target.users().values() if one.name.casefold() == name)

    def group_there(self, entity: Entity) -> Group:
        """The group at the target."""
        found = self.target.groups().get(_identifier(entity))
        assert found is not None, f"the target has no group `{_identifier(entity)}`"
        return found

    def has_members(self, group: Entity, *members: Entity) -> bool:
        """Whether these, and no others, are in the group at the target."""
        return self.group_there(group).members == {_identifier(one) for one in members}

    def settled(self, name: str) -> Entity:
        """A user that has been provisioned."""
        entity = self.user(name)
        self.deliver(entity, "create")
        return entity

    def known_there(self, name: str) -> Entity:
        """A user of ours whose account somebody else made, linked long ago; costs the connector nothing."""
        entity = self.user(name)
        entity.link = Link(self.target.add_user(self.subject.account_name(name)))
        return entity

    # --- attempts -----------------------------------------------------------------------------------------------------

    def deliver(self, entity: Entity, operation: Operation, *, password: str | None = None) -> Provisioned:
        """One attempt that has to succeed."""
        attempt = self.attempt(entity, operation, password=password)
        if attempt.error is not None:
            raise attempt.error
        assert attempt.result is not None
        return attempt.result

    def attempt(
        self, entity: Entity, operation: Operation, *, password: str | None = None, fault: Fault | None = None
    ) -> Attempt:
        """One attempt of a delivery; what it leaves is kept for the next."""
        if password:
            self.secrets.add(password)
        self.now += timedelta(seconds=1)
        task = self.task(entity, operation, password=password)
        attempt = Attempt()
        try:
            attempt.result = self._driven(
                self.subject.connector.provision(task, self.settings()), attempt, entity, fault
            )
        except ConnectorError as error:
            attempt.error = error
        entity.unfinished += attempt.exchanges
        if attempt.result is not None:
            self._settle(entity, attempt.result)
        self._check_secrecy(attempt)
        return attempt

    def task(self, entity: Entity, operation: Operation, *, password: str | None = None) -> Task:
        """The task of one attempt, as the service builds it."""
        linked = entity.link is not None
        if operation != "delete":
            operation = "create" if not linked else "replace" if operation == "create" else operation
        return Task(
            operation=operation,
            entity_type=entity.type,
            entity_id=entity.id,
            name=entity.name,
            domain="PRIMARY",
            attributes=self._attributes(entity),
            mapped=entity.mapped,
            password=password,
            link=entity.link,
            unfinished=tuple(entity.unfinished),
            membership=self._membership(entity) if entity.type == "group" and operation != "delete" else None,
            now=self.now,
            random=self.random,
            remembered=dict(self.remembered),
        )

    def _attributes(self, entity: Entity) -> dict[str, Any]:
        if not entity.mapped:
            copy: dict[str, Any] = json.loads(json.dumps(entity.attributes))
            return copy
        values = {"userName": entity.name, **shown(entity.attributes)}
        mapped = {remote: values[path] for remote, path in self.subject.mapping.items()}
        return {**mapped, **self.subject.attributes}

    def probe(self, settings: Settings | None = None, fault: Fault | None = None) -> tuple[Attempt, Any]:
        """A connection test; answers the findings, or the error that ended it."""
        attempt = Attempt()
        exchanges = self.subject.connector.probe(settings or self.settings(), {}, self.now)
        try:
            findings: Any = self._driven(exchanges, attempt, None, fault)
        except ConnectorError as error:
            findings = error
        self._check_secrecy(attempt)
        return attempt, findings

    def _membership(self, group: Entity) -> Membership:
        current = self._told(group)
        nested = any(one.type == "group" for one in group.members) and self._nesting == "flatten"
        if group.told is None or group.link is None or not group.known or nested:
            return Membership(current=tuple(current.values()))
        return Membership(
            current=tuple(current.values()),
            added=tuple(one for key, one in current.items() if key not in group.told),
            removed=tuple(one for key, one in group.told.items() if key not in current),
        )

    @property
    def _nesting(self) -> Nesting:
        return nesting(self.subject.connector, self.settings())

    def _told(self, group: Entity) -> dict[str, Member]:
        """The members that the target is told of, by entity id."""
        entities = _within(group)
        told = told_members(
            group.members,
            self._nesting,
            type_of=lambda one: one.type,
            id_of=lambda one: one.id,
            members_of=lambda entity_id: entities[entity_id].members,
        )
        return {one.id: _member(one) for one in told if one.link is not None}

    # --- one attempt --------------------------------------------------------------------------------------------------

    def _driven(
        self, exchanges: Exchanges | Probe, attempt: Attempt, entity: Entity | None, fault: Fault | None
    ) -> Any:
        """Run a generator to its end; None when a silence ended it. Raises ConnectorError."""
        reply: Reply | None = None
        while True:
            try:
                step = exchanges.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = None
            check_step(step)
            if isinstance(step, Request):
                reply = self._exchanged(step, attempt, fault)
                if reply is None:
                    exchanges.close()
                    return None
            elif isinstance(step, Remember):
                self.remembered[step.key] = json.loads(json.dumps(step.value))
            elif entity is not None:
                attempt.progress.append(step)
                self._keep(entity, step)

    def _exchanged(self, request: Request, attempt: Attempt, fault: Fault | None) -> Reply | None:
        happens = fault(request, len(attempt.unsafe)) if fault is not None else None
        attempt.requests.append(request)
        assert len(attempt.requests) < _MOST_REQUESTS, "the attempt does not end"
        reply = self._sent(request) if happens is None or happens.heard else None
        if isinstance(happens, Silence):
            reply = None
        elif isinstance(happens, Instead):
            reply = happens.reply
        status = reply.status if reply is not None else None
        attempt.exchanges.append(Exchange(request.method, request.url, request.safe, status))
        attempt.records.append(recorded(request, reply))
        return reply

    def _sent(self, request: Request) -> Reply:
        before = self._seen() if request.safe else None
        reply = self.sender.send(request, transport=_TRANSPORT)
        if before is not None:
            assert self._seen() == before, f"`{request.purpose}` is called safe, and changes the target"
        return reply

    def _seen(self) -> Any:
        return dict(self.target.users()), dict(self.target.groups())

    def _keep(self, entity: Entity, step: Progress) -> None:
        """As the service stores a link: what is not said stays."""
        before = entity.link
        identifier = step.identifier or (before.identifier if before else None)
        if identifier is None:
            return
        delivered = step.delivered if step.delivered is not None else (before.delivered if before else None)
        active = before.active if before else True
        entity.link = Link(identifier, _stored(delivered), step.etag, active)

    def _settle(self, entity: Entity, result: Provisioned) -> None:
        entity.unfinished.clear()
        if result.outcome in {"deleted", "already-gone"}:
            entity.link = entity.told = None
            return
        self._keep(entity, Progress(result.identifier, result.delivered, result.etag))
        if entity.link is not None:
            entity.link = replace(entity.link, active=result.active)
        if entity.type == "group":
            entity.told = self._told(entity)

    def _check_secrecy(self, attempt: Attempt) -> None:
        secrets = self.confidential()
        for one in attempt.records:
            found = leaks(one.text, secrets)
            assert not found, f"the record of `{one.purpose}` tells a secret"
        said = [str(attempt.error), attempt.error.detail or ""] if attempt.error else []
        if attempt.result is not None:
            said += [*attempt.result.warnings, json.dumps(attempt.result.delivered)]
        said += [json.dumps(one.delivered) for one in attempt.progress]
        assert not leaks("\n".join(said), secrets), "an error, a warning or the delivered state tells a secret"


@contextmanager
def bench_for(subject: Subject, sender: Sender) -> Iterator[Bench]:
    """A bench with a fresh target; what the target complains of fails the check."""
    with subject.start() as target:
        yield Bench(subject, target, sender)
        assert target.violations() == []


def person(name: str, /, **attributes: Any) -> dict[str, Any]:
    """The SCIM 2.0 image of an ordinary user of this name; an attribute that is given as None is left out."""
    usual: dict[str, Any] = {
        "userName": name,
        "name": {"givenName": "Alice", "familyName": "Liddell"},
        "displayName": f"Alice Liddell ({name})",
        "title": "Engineer",
        "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
        "active": True,
    }
    return {key: value for key, value in {**usual, **attributes}.items() if value is not None}


def shown(attributes: Mapping[str, Any]) -> dict[str, str]:
    """What an account's `fields` ought to be."""
    name = attributes.get("name") or {}
    emails = attributes.get("emails") or [{}]
    return {
        "name.givenName": name.get("givenName", ""),
        "name.familyName": name.get("familyName", ""),
        "displayName": attributes.get("displayName", ""),
        "title": attributes.get("title", ""),
        "emails": emails[0].get("value", ""),
    }


def check_step(step: Step) -> None:
    """What may be yielded, and how a request has to be made."""
    assert isinstance(step, Request | Progress | Remember), f"`{step!r}` is nothing that a connector yields"
    if isinstance(step, Request):
        assert step.url.startswith(("http://", "https://")), f"`{step.url}` is no whole URL"
        assert step.purpose, "a request says what it is for"
        assert step.body is None or isinstance(step.body, bytes)
        assert all(isinstance(one, str) for one in step.secrets)
        assert step.safe or step.method != "GET", "GET changes nothing (RFC 9110 section 9.2.1)"
    elif isinstance(step, Remember):
        assert step.ttl > timedelta(0)
        json.dumps(step.value)
    elif step.delivered is not None:
        json.dumps(step.delivered)


def _within(group: Entity) -> dict[str, Entity]:
    """The groups in a group, and in those, by entity id."""
    found: dict[str, Entity] = {}
    waiting = list(group.members)
    while waiting:
        one = waiting.pop()
        if one.id not in found and one.type == "group":
            found[one.id] = one
            waiting += one.members
    return found


def _identifier(entity: Entity) -> str:
    assert entity.link is not None, f"`{entity.name}` has no account"
    return entity.link.identifier


def _member(entity: Entity) -> Member:
    return Member(entity.id, _identifier(entity), entity.name, entity.type)


def _stored(delivered: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """As it comes back from the database."""
    return None if delivered is None else json.loads(json.dumps(delivered))
