"""Talking to an SPML server, and learning from its listTargets which target and capabilities there are."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from lxml.etree import _Element as Element

from connectors import spml_messages as messages
from connectors.connector import Finding, Remember, Reply, Step
from connectors.errors import TargetRefused, TargetUnavailable
from connectors.spml_answers import Answer, Target, read
from connectors.spml_setup import Setup

T = TypeVar("T")
Asking = Generator[Step, Reply | None, T]

REMEMBERED = "spml-targets"
KNOWN_FOR = timedelta(days=1)
# A server that does not list its targets today may after its next upgrade; it is not asked before every delivery.
UNKNOWN_FOR = timedelta(hours=6)
# Without an SPML answer: a server that chokes on listTargets may well know the rest, and says so if it does not.
DOES_NOT_KNOW = frozenset({400, 403, 405, 406, 415, 422, 500, 501})
CAPABILITIES = {messages.PASSWORD: "password", messages.SUSPEND: "suspend", messages.SEARCH: "search"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One message after the other with one server."""

    wire: messages.Wire
    now: datetime

    def ask(self, message: Element, doing: str, *, safe: bool, secrets: Iterable[str] = ()) -> Asking[Answer]:
        """Send a message and read the answer, a failure included; raises what `spml_answers.read` raises."""
        request = self.wire.request(message, doing, safe=safe, secrets=secrets)
        reply = yield request
        assert reply is not None
        return read(reply, now=self.now, doing=doing, secrets=request.secrets)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the server: the target to name in requests, its capabilities (None: it did not say)."""

    target: str | None = None
    capabilities: frozenset[str] | None = None

    def offers(self, capability: str) -> bool:
        """Whether a capability is worth trying: listed, or nothing was listed."""
        return self.capabilities is None or capability in self.capabilities


def learn_targets(talk: Conversation, setup: Setup, remembered: Mapping[str, Any]) -> Asking[Known]:
    """The target to use, remembered or asked for. A server that does not tell is used without."""
    fact = remembered.get(REMEMBERED)
    if not isinstance(fact, Mapping) or fact.get("url") != setup.wire.url:
        fact = yield from _ask(talk, setup)
    return _chosen(setup, [_recalled(target) for target in fact["targets"]])


def _ask(talk: Conversation, setup: Setup) -> Asking[dict[str, Any]]:
    """What listTargets says, as JSON with the URL that said so; a server that cannot say lists no target."""
    fact: dict[str, Any] = {"url": setup.wire.url, "targets": []}
    try:
        answer = yield from talk.ask(messages.list_targets(), "list the targets", safe=True)
    except (TargetRefused, TargetUnavailable) as error:
        if error.status not in DOES_NOT_KNOW:
            raise
        return fact
    if answer.outcome == "success":
        fact["targets"] = [_fact(target) for target in answer.targets()]
        yield Remember(REMEMBERED, fact, KNOWN_FOR)
    elif answer.code == "unsupportedOperation":
        yield Remember(REMEMBERED, fact, UNKNOWN_FOR)
    return fact


def _fact(target: Target) -> dict[str, Any]:
    return {"id": target.id, "entities": list(target.entities), "capabilities": list(target.capabilities)}


def _recalled(fact: Mapping[str, Any]) -> Target:
    return Target(fact["id"], None, tuple(fact["entities"]), tuple(fact["capabilities"]))


def _chosen(setup: Setup, targets: list[Target]) -> Known:
    """The target that is set, else the only one, else the first whose schema has the object class.

    With none of these the requests name no target, and the server takes its default (section 3.2.2).
    """
    if setup.target_id:
        named = [target for target in targets if target.id == setup.target_id]
        return Known(setup.target_id, _capabilities(named[0]) if named else None)
    wanted = setup.object_class.casefold()
    fitting = [target for target in targets if wanted in {entity.casefold() for entity in target.entities}]
    chosen = targets if len(targets) == 1 else fitting
    return Known(chosen[0].id, _capabilities(chosen[0])) if chosen else Known()


def _capabilities(target: Target) -> frozenset[str] | None:
    return frozenset(target.capabilities) if target.capabilities else None


def read_targets(talk: Conversation, setup: Setup, group_object_class: str) -> Asking[tuple[Finding, ...]]:
    """The connection test: what listTargets says, for people. Raises what `Conversation.ask` raises."""
    answer = yield from talk.ask(messages.list_targets(), "list the targets", safe=True)
    if answer.code in {"unsupportedOperation", "unsupportedExecutionMode"}:
        return (Finding(good=True, message="the server answers, but does not list its targets"),)
    answer.confirm("list the targets")
    targets = answer.targets()
    known = _chosen(setup, targets)
    findings = [
        Finding(good=True, message=f"the server answers with {len(targets)} target(s){_names(targets)}"),
        _target_finding(setup, targets, known),
        _capability_finding(known),
    ]
    entities = {entity.casefold() for target in targets for entity in target.entities}
    findings += [
        Finding(good=False, message=f"no target's schema has the object class `{object_class}`")
        for object_class in filter(None, (setup.object_class, group_object_class))
        if entities and object_class.casefold() not in entities
    ]
    return tuple(findings)


def _names(targets: list[Target]) -> str:
    named = [f"`{target.id}`" for target in targets if target.id]
    return f": {', '.join(named)}" if named else ""


def _target_finding(setup: Setup, targets: list[Target], known: Known) -> Finding:
    if setup.target_id and setup.target_id not in {target.id for target in targets}:
        return Finding(good=False, message=f"the server does not list the target `{setup.target_id}`")
    if known.target:
        return Finding(good=True, message=f"requests name the target `{known.target}`")
    return Finding(good=True, message="requests name no target: the server takes its default one")


def _capability_finding(known: Known) -> Finding:
    if known.capabilities is None:
        return Finding(good=True, message="the server does not say which capabilities it has")
    listed = [name for uri, name in CAPABILITIES.items() if uri in known.capabilities]
    return Finding(good=True, message=f"capabilities used from the target's list: {', '.join(listed) or 'none'}")
