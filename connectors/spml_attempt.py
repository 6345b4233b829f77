"""The operations of one delivery attempt to an SPML server, as exchanges.

create   (look up when ambiguous) → add → suspend when disabled; `alreadyExists` → look up → link → update
update   (look up when the state at the target is not known) → suspend → modify → setPassword → resume, what is needed;
         `noSuchIdentifier` → create again
delete   delete, or suspend as set; `noSuchIdentifier` → already gone
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lxml.etree import _Element as Element

from connectors import spml_messages as messages
from connectors.connector import Outcome, Progress, Provisioned, Task
from connectors.errors import ConnectorError, Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from connectors.passwords import changed_password, initial_password
from connectors.spml_answers import Answer, Pso
from connectors.spml_attributes import ILLEGAL, Values, difference, observed, odd_names, without_empty
from connectors.spml_messages import PASSWORD, SEARCH, SUSPEND, Changes, Identity
from connectors.spml_setup import CREDENTIALS, OBJECT_CLASS, Setup
from connectors.spml_targets import Asking, Conversation, Known
from connectors.spml_wanted import Wanted, member_changes, wanted


@dataclass(slots=True)
class State:
    """What the target has now; None where that is not known."""

    identity: Identity
    attributes: Values | None
    members: frozenset[str] | None
    active: bool


class Vanished(Exception):  # private to the attempt: it is what turns an update into a create
    """The target no longer has the object of the identifier."""

    def __init__(self, doing: str, error: ConnectorError) -> None:
        super().__init__(str(error))
        self.doing = doing
        self.error = error


@dataclass
class Attempt:
    """One attempt: the task, the settings for it, and what is known of the server."""

    task: Task
    setup: Setup
    talk: Conversation
    known: Known
    warnings: list[str] = field(default_factory=list)

    def run(self) -> Asking[Provisioned]:
        """Do the task's operation; raises `ConnectorError`."""
        try:
            return (yield from self._operate())
        except Vanished as vanished:
            raise TargetUnavailable(
                f"{vanished.doing}: the object was there, and then was gone", detail=vanished.error.detail
            ) from vanished

    def _operate(self) -> Asking[Provisioned]:
        if self.task.operation == "delete":
            return (yield from self._delete())
        if self.task.link is None:
            return (yield from self._create("created"))
        try:
            return (yield from self._update_linked())
        except Vanished:
            return (yield from self._create("recreated"))

    @cached_property
    def wanted(self) -> Wanted:
        """The state that the target is to have; a delete by identifier never asks."""
        return wanted(self.task, self.setup)

    @property
    def _what(self) -> str:
        return f"the {self.task.entity_type}"

    # --- create -------------------------------------------------------------------------------------------------------

    def _create(self, outcome: Outcome) -> Asking[Provisioned]:
        if self.task.ambiguous:
            found = yield from self._find()
            if found is not None:
                return (yield from self._link_left_behind(found))
        secrets = self._initial_credentials()
        message = messages.add(self.known.target, self._initial_attributes(secrets))
        doing = f"create {self._what}"
        answer = yield from self.talk.ask(message, doing, safe=False, secrets=secrets)
        if answer.code == "alreadyExists":
            return (yield from self._link_existing(answer))
        answer.confirm(doing)
        state = State(self._identity_of(answer), self.wanted.attributes, frozenset(self.wanted.members), active=True)
        yield self._progress(state)
        yield from self._switch(state, on=False)
        return self._provisioned(outcome, state)

    def _initial_credentials(self) -> tuple[str, ...]:
        """The password with which an account starts, where there is one."""
        password = initial_password(self.task, enabled=self.setup.passwords, default=self.setup.default_password)
        if not password:
            return ()
        _require_legal_password(password)
        return (password,)

    def _initial_attributes(self, credentials: tuple[str, ...]) -> Values:
        """Everything of a new object, in the order that WSO2's connector made known."""
        attributes = {
            OBJECT_CLASS: self.wanted.object_class,
            self.setup.name_attribute: self.wanted.attributes[self.setup.name_attribute],
            CREDENTIALS: list(credentials),
            **self.wanted.attributes,
            self.setup.member_attribute: list(self.wanted.members),
        }
        return without_empty(attributes)

    def _identity_of(self, answer: Answer) -> Identity:
        """The identity that the target gave the new object (section 3.6.1.2.2); our name for it as a last resort."""
        pso = answer.pso()
        if pso is not None:
            return self._aimed(pso.identity)
        self.warnings.append(f"the target gave no identifier for `{self.wanted.name}`: the name is used as identifier")
        return Identity(self.wanted.name, self.known.target)

    def _aimed(self, identity: Identity) -> Identity:
        return Identity(identity.id, identity.target or self.known.target, identity.container)

    # --- link ---------------------------------------------------------------------------------------------------------

    def _link_existing(self, answer: Answer) -> Asking[Provisioned]:
        if not self.setup.link_existing:
            raise answer.error(f"create {self._what}")
        found = yield from self._find()
        if found is None:
            raise TargetConflict(
                f"`{self.wanted.name}` exists at the target, but no `{self.wanted.object_class[0]}` of this name "
                "is found there: see the setting spml-lookup-pattern",
                status=answer.status,
                detail=answer.detail or None,
            )
        return (yield from self._link(found))

    def _link_left_behind(self, found: Pso) -> Asking[Provisioned]:
        """Link what an unanswered create may have made; raises `TargetConflict` for what it has not, as set."""
        made_by_us = self._shows_all_wanted(found)
        if not made_by_us and not self.setup.link_existing:
            raise TargetConflict(f"`{self.wanted.name}` exists at the target with other values, and may not be linked")
        return (yield from self._link(found, "created" if made_by_us else "linked"))

    def _shows_all_wanted(self, found: Pso) -> bool:
        """Whether an object has every value that we would give it: SPML knows no external id that could tell."""
        state = self._observed(found, active=True)
        return state.attributes is not None and difference(state.attributes, self.wanted.attributes).replace == {}

    def _find(self) -> Asking[Pso | None]:
        """The object of this name: by its probable identifier, else by a search where the server may know search.

        Raises `TargetConflict` when there are several.
        """
        doing = f"look up {self._what}"
        probable = Identity(self.setup.probable_id(self.wanted.name), self.known.target)
        found = yield from self._ask_for(messages.look_up(probable), doing)
        if not found and self.known.offers(SEARCH):
            message = messages.search(self.known.target, self.setup.name_attribute, self.wanted.name)
            found = yield from self._ask_for(message, doing)
        if len(found) > 1:
            raise TargetConflict(f"`{self.wanted.name}` exists at the target more than once")
        return found[0] if found else None

    def _ask_for(self, message: Element, doing: str) -> Asking[list[Pso]]:
        answer = yield from self.talk.ask(message, doing, safe=True)
        if answer.refused:  # toolkits say `customError` as well as `noSuchIdentifier` for what does not exist
            return []
        answer.confirm(doing)
        return [pso for pso in answer.psos() if self._is_ours(pso)]

    def _is_ours(self, found: Pso) -> bool:
        """Whether an object has our name and class, as far as it shows them: linking another would harm a stranger."""
        expected = {self.setup.name_attribute: [self.wanted.name], OBJECT_CLASS: self.wanted.object_class}
        shown = observed(found.attributes, expected)
        return not any(
            values and {value.casefold() for value in expected[name]}.isdisjoint(value.casefold() for value in values)
            for name, values in shown.items()
        )

    def _link(self, found: Pso, outcome: Outcome = "linked") -> Asking[Provisioned]:
        active = yield from self._is_active(self._aimed(found.identity))
        state = self._observed(found, active=active)
        yield self._progress(state)
        yield from self._update(state)
        return self._provisioned(outcome, state)

    def _is_active(self, identity: Identity) -> Asking[bool]:
        """Whether an account that we find is enabled; taken for granted where the target does not tell."""
        if not self.setup.suspends or SUSPEND not in (self.known.capabilities or ()):
            return True
        doing = f"ask whether {self._what} is enabled"
        answer = yield from self.talk.ask(messages.is_active(identity), doing, safe=True)
        return answer.outcome != "success" or answer.element.get("active", "true") in {"true", "1"}

    def _observed(self, found: Pso, *, active: bool) -> State:
        """The state that a look-up shows, of the attributes that are ours; nothing is known when no data came."""
        identity = self._aimed(found.identity)
        if not found.attributes:
            return State(identity, None, None, active)
        member = self.setup.member_attribute
        members = observed(found.attributes, [member]).get(member, [])
        return State(identity, observed(found.attributes, self._own_names), frozenset(members), active)

    @property
    def _own_names(self) -> list[str]:
        """The attributes that this connector sets; what else an account has is not ours to judge."""
        link = self.task.link
        earlier = (link.delivered or {}).get("attributes") or {} if link else {}
        return list(dict.fromkeys([*self.wanted.attributes, *earlier]))

    # --- update -------------------------------------------------------------------------------------------------------

    def _update_linked(self) -> Asking[Provisioned]:
        state = self._delivered_earlier()
        if self.task.ambiguous or state.attributes is None:
            state = yield from self._look_again(state)
        sent = yield from self._update(state)
        return self._provisioned("updated" if sent else "unchanged", state)

    def _delivered_earlier(self) -> State:
        link = self.task.link
        assert link is not None
        delivered = link.delivered or {}
        identity = self._aimed(Identity.recalled(link.identifier, delivered.get("psoID", {})))
        active = link.active and delivered.get("active", True)
        return State(identity, delivered.get("attributes"), None, active)

    def _look_again(self, state: State) -> Asking[State]:
        """The state as the target shows it; not known where it shows nothing."""
        doing = f"look up {self._what}"
        answer = yield from self.talk.ask(messages.look_up(state.identity), doing, safe=True)
        if answer.code == "noSuchIdentifier":
            raise Vanished(doing, answer.error(doing))
        if not answer.refused:
            answer.confirm(doing)
        found = answer.pso()
        if found is None:
            return State(state.identity, None, None, state.active)
        return self._observed(found, active=state.active)

    def _update(self, state: State) -> Asking[bool]:
        """Bring `state` to what is wanted; whether anything was sent. Disabling comes first, enabling last."""
        sent = yield from self._switch(state, on=False)
        changes = self._changes(state)
        if changes:
            answer = yield from self._modify(state.identity, changes)
            pso = answer.pso()
            if pso is not None:  # a rename may change the identifier (section 3.6.1.4.2)
                state.identity = self._aimed(pso.identity)
            state.attributes = self.wanted.attributes
            yield self._progress(state)
            sent = True
        changed = yield from self._change_password(state)
        switched = yield from self._switch(state, on=True)
        return sent or changed or switched

    def _modify(self, identity: Identity, changes: Changes) -> Asking[Answer]:
        doing = f"update {self._what}"
        try:
            return (yield from self._change(messages.modify(identity, changes, self.setup.style), doing))
        except Vanished as vanished:
            if not any(self.setup.member_attribute in attributes for _, attributes in changes):
                raise
            missing = vanished
        # It may be a member that the target does not know: then the group is not to be created again.
        answer = yield from self.talk.ask(messages.look_up(identity), f"look up {self._what}", safe=True)
        raise missing.error if answer.outcome == "success" else missing

    def _change(self, message: Element, doing: str, secrets: tuple[str, ...] = ()) -> Asking[Answer]:
        """Ask for a change of an object that ought to exist; raises `Vanished` when it does not."""
        answer = yield from self.talk.ask(message, doing, safe=False, secrets=secrets)
        if answer.code == "noSuchIdentifier":
            raise Vanished(doing, answer.error(doing))
        answer.confirm(doing)
        return answer

    def _changes(self, state: State) -> Changes:
        members = member_changes(
            self.task.membership, state.members, self.setup.member_attribute, sure=not self.task.ambiguous
        )
        needed = difference(state.attributes, self.wanted.attributes)
        changes: Changes = (
            ("replace", needed.replace),
            ("delete", {name: [] for name in needed.delete}),
            *members,
        )
        return [(mode, attributes) for mode, attributes in changes if attributes]

    def _change_password(self, state: State) -> Asking[bool]:
        """By the password capability; as the attribute `credentials` where the target does not have it."""
        password = changed_password(self.task, enabled=self.setup.passwords)
        if not password:
            return False
        _require_legal_password(password)
        doing = "set the password"
        if self.known.offers(PASSWORD):
            message = messages.set_password(state.identity, password)
            answer = yield from self.talk.ask(message, doing, safe=False, secrets=(password,))
            if answer.code == "noSuchIdentifier":
                raise Vanished(doing, answer.error(doing))
            if answer.code != "unsupportedOperation":
                answer.confirm(doing)
                return True
        changes: Changes = [("replace", {CREDENTIALS: [password]})]
        yield from self._change(messages.modify(state.identity, changes, self.setup.style), doing, (password,))
        return True

    def _switch(self, state: State, *, on: bool) -> Asking[bool]:
        """Suspend or resume when that is wanted and not so already; whether it was sent."""
        if self.wanted.active is not on or state.active is on:
            return False
        if not self.setup.suspends:
            self.warnings.append(f"`{self.wanted.name}` stays enabled at the target: Enable Suspend is off")
            return False
        doing = f"{'resume' if on else 'suspend'} {self._what}"
        self._require_suspend(doing)
        message = messages.resume(state.identity) if on else messages.suspend(state.identity)
        yield from self._change(message, doing)
        state.active = on
        yield self._progress(state)
        return True

    def _require_suspend(self, doing: str) -> None:
        if not self.known.offers(SUSPEND):
            raise Misconfigured(
                f"{doing}: the target does not list the suspend capability: turn Enable Suspend off, "
                "and map `active` to an attribute if the target has one for it",
                setting="spml-enable-suspend",
            )

    # --- delete -------------------------------------------------------------------------------------------------------

    def _delete(self) -> Asking[Provisioned]:
        state = yield from self._doomed()
        if state is None:
            return Provisioned(outcome="already-gone", active=False, warnings=tuple(self.warnings))
        suspend = self.setup.suspend_on_delete
        doing = f"{'suspend' if suspend else 'delete'} {self._what}"
        if suspend:
            self._require_suspend(doing)
        message = messages.suspend(state.identity) if suspend else messages.delete(state.identity)
        try:
            yield from self._change(message, doing)
        except Vanished:
            return Provisioned(outcome="already-gone", identifier=state.identity.id, active=False)
        state.active = False
        if suspend:
            return self._provisioned("deactivated", state)
        return Provisioned(outcome="deleted", identifier=state.identity.id, active=False)

    def _doomed(self) -> Asking[State | None]:
        """What to delete: the linked object, or what an ambiguous attempt may have left behind."""
        if self.task.link is not None:
            return self._delivered_earlier()
        if not self.task.ambiguous:
            return None
        found = yield from self._find()
        if found is None:
            return None
        if not self.setup.link_existing and not self._shows_all_wanted(found):
            self.warnings.append(f"`{self.wanted.name}` exists at the target with other values, and was left alone")
            return None
        return self._observed(found, active=True)

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _progress(self, state: State) -> Progress:
        return Progress(identifier=state.identity.id, delivered=self._delivered(state))

    def _delivered(self, state: State) -> dict[str, Any]:
        known = {} if state.attributes is None else {"attributes": state.attributes}
        return {"psoID": state.identity.remembered(), "active": state.active, **known}

    def _provisioned(self, outcome: Outcome, state: State) -> Provisioned:
        odd = [f"`{name}` is no attribute name that DSML allows" for name in odd_names(state.attributes or ())]
        return Provisioned(
            outcome=outcome,
            identifier=state.identity.id,
            delivered=self._delivered(state),
            active=state.active,
            warnings=(*self.warnings, *odd),
        )


def _require_legal_password(password: str) -> None:
    """Raise `TargetRefused` when XML cannot carry the password; the message tells nothing of it."""
    if ILLEGAL.search(password):
        raise TargetRefused("the password has a character that cannot be sent in XML")
