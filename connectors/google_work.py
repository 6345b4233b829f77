"""One task at Google: create, link, update, delete, as users and groups have it in common.

`google_users` and `google_groups` say how theirs are written. Everything that is not certain is looked up before it is
written: an earlier attempt without an answer, an account that exists already, a state that is not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from connectors.connector import Exchanges, Link, Outcome, Progress, Provisioned, Settings, Task
from connectors.errors import TargetConflict, TargetUnavailable
from connectors.google_calls import Directory, duplicate, missing, path
from connectors.google_changes import clears_list, difference, relevant, with_strangers
from connectors.rest_calls import Answer, Talk, Vanished

# What Google demands; an entity that has lost it keeps it there.
_REQUIRED = frozenset({"name", "primaryEmail", "email"})


@dataclass
class Work(ABC):
    """One task and what follows from it."""

    task: Task
    settings: Settings
    directory: Directory
    warnings: list[str] = field(default_factory=list)

    #: What Google calls the collection, an entity of it, and the field with its address.
    collection: ClassVar[str]
    kind: ClassVar[str]
    address_field: ClassVar[str]

    # --- what users and groups do differently -------------------------------------------------------------------------

    @cached_property
    @abstractmethod
    def resource(self) -> dict[str, Any]:
        """The state that the target should have, as Google's fields."""

    @abstractmethod
    def new_resource(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The body that creates it, and the secrets in it."""

    @abstractmethod
    def extra_change(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """What an update carries beside the difference of states, and the secrets in it."""

    @abstractmethod
    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Whether what was found is what an earlier attempt for this entity has made."""

    @abstractmethod
    def find_elsewhere(self) -> Talk[Mapping[str, Any] | None]:
        """What an ambiguous attempt made under another address."""

    @abstractmethod
    def complete(self, identifier: str, *, known: bool) -> Talk[bool]:
        """What follows a write, such as members; whether anything was sent.

        `known` says that the changes since the last delivery are what is missing. Raises Vanished.
        """

    @abstractmethod
    def remove(self, identifier: str) -> Exchanges:
        """Take it away as the settings say."""

    # --- facts --------------------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """What the entity is known by at Google."""
        return str(self.resource[self.address_field])

    def done(self, outcome: Outcome, identifier: str, delivered: Mapping[str, Any]) -> Provisioned:
        """The target has the wanted state."""
        return Provisioned(
            outcome=outcome,
            identifier=identifier,
            delivered=delivered,
            active=delivered.get("suspended") is not True,
            warnings=tuple(self.warnings),
        )

    # --- create -------------------------------------------------------------------------------------------------------

    def create(self, outcome: Outcome = "created") -> Exchanges:
        """Insert; what exists already is linked. After an ambiguous attempt, look before inserting."""
        if self.task.ambiguous:
            found = (yield from self.find()) or (yield from self.find_elsewhere())
            if found is not None:
                return (yield from self.adopt(found))
        body, hidden = self.new_resource()
        answer = yield from self.directory.call("POST", path(self.collection), f"create the {self.kind}", body, hidden)
        if duplicate(answer):
            return (yield from self._conflict(answer))
        if not answer.good:
            raise self.directory.error(answer)
        identifier = str(answer.resource.get("id") or (yield from self._identifier_of_new()))
        yield Progress(identifier=identifier, delivered=self.resource)
        try:
            yield from self.complete(identifier, known=False)
        except Vanished as error:
            raise TargetUnavailable(f"create the {self.kind}: it was created and then was gone") from error
        return self.done(outcome, identifier, self.resource)

    def _identifier_of_new(self) -> Talk[str]:
        found = yield from self.find()
        if found is None:
            raise TargetUnavailable(f"create the {self.kind}: the target confirms it, but does not show it yet")
        return str(found["id"])

    def _conflict(self, answer: Answer) -> Exchanges:
        found = yield from self.find()
        if found is not None:
            return (yield from self.adopt(found))
        message = f"create the {self.kind}: the target says that `{self.address}` exists, but shows no such {self.kind}"
        if self.task.link is not None or self.task.ambiguous:
            # What was made seconds ago shows up late.
            raise TargetUnavailable(message, status=answer.status)
        raise TargetConflict(message, status=answer.status)

    # --- what exists already ------------------------------------------------------------------------------------------

    def find(self) -> Talk[Mapping[str, Any] | None]:
        """What has our address. Raises TargetConflict when that is another's alias: linking would harm a stranger."""
        found = yield from self.read(self.address, "look up by address")
        if found is None or not found.get("id"):
            return None
        shown = str(found.get(self.address_field) or "")
        if shown.lower() != self.address.lower():
            raise TargetConflict(f"the address `{self.address}` is an alias of the {self.kind} `{shown}`")
        return found

    def read(self, key: str, purpose: str) -> Talk[Mapping[str, Any] | None]:
        """Read by identifier or address; None when it is not there."""
        query: dict[str, str | int] = {"projection": "full"} if self.kind == "user" else {}
        answer = yield from self.directory.get(path(self.collection, key, **query), purpose)
        if missing(answer):
            return None
        if not answer.good:
            raise self.directory.error(answer)
        return answer.resource

    def adopt(self, found: Mapping[str, Any]) -> Exchanges:
        """Link what was found and bring it to the wanted state. Raises TargetConflict when linking is forbidden."""
        ours = self.is_ours(found)
        if not ours and not self.directory.setup.links:
            raise TargetConflict(f"the {self.kind} `{self.address}` exists at the target and may not be linked")
        identifier = str(found["id"])
        # Empty, not None: what was delivered to an earlier account says nothing of this one.
        yield Progress(identifier=identifier, delivered={})
        outcome: Outcome = "created" if ours and self.task.ambiguous else "linked"
        try:
            yield from self._write(identifier, relevant(found, self.resource, ()), found)
            yield from self.complete(identifier, known=False)
        except Vanished as error:
            raise TargetUnavailable(f"link the {self.kind}: it was found and then was gone") from error
        return self.done(outcome, identifier, self.resource)

    # --- update -------------------------------------------------------------------------------------------------------

    def update(self, link: Link) -> Exchanges:
        """Send what has changed; what has vanished at the target is created again."""
        try:
            return (yield from self._update(link))
        except Vanished:
            return (yield from self.create("recreated"))

    def _update(self, link: Link) -> Exchanges:
        delivered, certain = dict(link.delivered or {}), bool(link.delivered) and not self.task.ambiguous
        if "suspended" in delivered:
            # An entity that does not say whether it is active changes nothing about that.
            self.resource.setdefault("suspended", delivered["suspended"])
        found: Mapping[str, Any] | None = None
        if not certain or _ids(delivered) != _ids(self.resource):
            found = yield from self.read(link.identifier, f"read the {self.kind}")
            if found is None:
                raise Vanished
        before = delivered if certain or found is None else relevant(found, self.resource, delivered)
        sent = yield from self._write(link.identifier, before, found)
        sent = (yield from self.complete(link.identifier, known=certain)) or sent
        return self.done("updated" if sent else "unchanged", link.identifier, self.resource)

    def _write(self, identifier: str, before: Mapping[str, Any], found: Mapping[str, Any] | None) -> Talk[bool]:
        """Send the difference; whether there was one. Raises Vanished, TargetConflict when the address is taken."""
        wanted = dict(self.resource)
        if found is not None and "externalIds" in wanted:
            delivered = self.task.link.delivered if self.task.link else None
            earlier = (delivered or {}).get("externalIds") or ()
            wanted["externalIds"] = with_strangers(wanted["externalIds"], earlier, found.get("externalIds"))
        body = _without_demanded(difference(before, wanted))
        extra, hidden = self.extra_change()
        body |= extra
        if not body:
            return False
        method = "PUT" if self.kind == "user" and clears_list(body, before) else "PATCH"
        place = path(self.collection, identifier)
        answer = yield from self.directory.call(method, place, f"change the {self.kind}", body, hidden)
        if missing(answer):
            raise Vanished
        if not answer.good:
            raise self.directory.error(answer)
        old = str(before.get(self.address_field) or "")
        if self.address_field in body and old:
            yield from self._settle_alias(identifier, old, answer)
        return True

    def _settle_alias(self, identifier: str, old: str, answer: Answer) -> Talk[None]:
        """Google makes the old address of a renamed account an alias, as a rule; see to what the settings say."""
        listed = answer.resource.get("aliases")
        aliases = [str(one).lower() for one in listed] if isinstance(listed, list) else []
        if self.directory.setup.keeps_old_address:
            if old.lower() not in aliases:
                place = path(self.collection, identifier, "aliases")
                kept = yield from self.directory.call("POST", place, "keep the old address", {"alias": old})
                if not kept.good and not duplicate(kept):
                    self.warnings.append(f"the old address `{old}` is not kept as an alias: the target refused it")
            return
        place = path(self.collection, identifier, "aliases", old)
        removed = yield from self.directory.call("DELETE", place, "remove the old address")
        if not removed.good and not missing(removed):
            raise self.directory.error(removed)

    # --- delete -------------------------------------------------------------------------------------------------------

    def delete(self) -> Exchanges:
        """Take it away; what is not there is done. Without a link only what an earlier attempt made goes."""
        if self.task.link is not None:
            return (yield from self.remove(self.task.link.identifier))
        found = None
        if self.task.ambiguous:
            found = (yield from self.find()) or (yield from self.find_elsewhere())
        if found is None:
            return Provisioned(outcome="already-gone", active=False)
        if not self.is_ours(found):
            warning = f"the {self.kind} `{self.address}` exists at the target, is not known as ours, and was left alone"
            return Provisioned(outcome="already-gone", active=False, warnings=(warning,))
        return (yield from self.remove(str(found["id"])))

    def erase(self, identifier: str) -> Exchanges:
        """DELETE."""
        answer = yield from self.directory.call("DELETE", path(self.collection, identifier), f"delete the {self.kind}")
        if not answer.good and not missing(answer):
            raise self.directory.error(answer)
        outcome: Outcome = "already-gone" if missing(answer) else "deleted"
        return Provisioned(outcome=outcome, identifier=identifier, active=False)


def _ids(state: Mapping[str, Any]) -> Any:
    return state.get("externalIds")


def _without_demanded(body: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing that Google demands is cleared."""
    kept = {key: value for key, value in body.items() if not (key in _REQUIRED and value is None)}
    if isinstance(kept.get("name"), Mapping):
        named = {key: value for key, value in kept["name"].items() if value is not None or key == "displayName"}
        kept = {**kept, "name": named} if named else {key: value for key, value in kept.items() if key != "name"}
    return kept
