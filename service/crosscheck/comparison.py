"""Puts the same policies and requests to our engine and to the other one.

Root policies are compared one by one: how several are combined is a setting of ours, of which the other engine knows
nothing, and a difference in one policy must not hide behind another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

from lxml import etree

from service import pdp
from service.crosscheck import reach
from service.crosscheck.opinion import SecondOpinion
from service.pdp.xml_input import XmlError, parse_xml

Named = tuple[str, bytes]
"""A file: its name, for messages, and its content."""

Outcome = Literal["agree", "differ", "cannot judge"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("agree", "differ", "cannot judge")


class NoRequestError(ValueError):
    """A file is no XACML request in XML; the message says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both engines say about one request and one root policy."""

    policy: str
    """The file of the root policy."""
    request: str
    """The file of the request."""
    ours: str
    """Our decision; for several resources one for each, joined with commas."""
    theirs: str | None = None
    """The other engine's decision, or None when it has none."""
    reasons: tuple[str, ...] = ()
    """Why the other engine has none."""
    hints: tuple[str, ...] = ()
    """Of a difference: faults of the other engine that may be the cause."""

    @property
    def outcome(self) -> Outcome:
        """Agreement needs two decisions."""
        if self.theirs is None:
            return "cannot judge"
        return "agree" if self.theirs == self.ours else "differ"


class Asked:
    """A request that both engines are asked."""

    def __init__(self, name: str, content: bytes) -> None:
        """Read a file. Raises `NoRequestError`."""
        self.name = name
        try:
            self.root = parse_xml(content, max_bytes=pdp.DEFAULT_LIMITS.request_bytes)
            self.request = pdp.parse_request(content, pdp.XML)
        except (XmlError, pdp.RequestError) as error:
            raise NoRequestError(f"{name}: no XACML request in XML: {error}") from error


class Judged:
    """A root policy that both engines are asked by, with the files that it may refer to."""

    def __init__(self, root: Named, others: Sequence[Named]) -> None:
        """Compile a policy. Raises `pdp.PolicyErrors`."""
        self.name, self._content = root
        self._others = others
        self.snapshot = pdp.compile_policies([root], references=others)

    @cached_property
    def documents(self) -> dict[str, etree._Element]:
        """The policy, then everything that it refers to, by file name."""
        by_id: dict[tuple[str, str], dict[str, etree._Element]] = {}
        for name, content in self._others:
            root = _parsed(content)
            for kind in ("PolicyId", "PolicySetId"):
                by_id.setdefault((kind, root.get(kind, "")), {})[name] = root
        found = {self.name: _parsed(self._content)}
        waiting = list(found.values())
        while waiting:
            for reference in reach.referred(waiting.pop()):
                new = {name: root for name, root in by_id.get(reference, {}).items() if name not in found}
                found |= new
                waiting += new.values()
        return found


def compare(
    roots: Sequence[Named], library: Sequence[Named], requests: Iterable[Asked], other: SecondOpinion, *, now: datetime
) -> Iterator[Comparison]:
    """Compare every root policy on every request, in order.

    `library` are the policies that may only be referred to; `now` is the aware datetime that our engine decides at.
    Raises `pdp.PolicyErrors` when our engine refuses a policy, `NoSecondOpinionError` when there is no other engine.
    """
    asked = tuple(requests)
    for root in roots:
        policy = Judged(root, [*(each for each in roots if each is not root), *library])
        for request in asked:
            yield compare_one(policy, request, other, now=now)


def compare_one(policy: Judged, request: Asked, other: SecondOpinion, *, now: datetime) -> Comparison:
    """Compare one root policy on one request. Raises `NoSecondOpinionError`."""
    response = policy.snapshot.decide(request.request, now=now)
    ours = ",".join(result.decision.value for result in response.results)
    comparison = Comparison(policy.name, request.name, ours)
    reasons = (
        *reach.of_policies(policy.documents, other.abilities),
        *reach.of_request(request.name, request.root, policy.documents.values(), other.abilities),
    )
    if reasons:
        return replace(comparison, reasons=reasons)
    root, *references = map(_text, policy.documents.values())
    opinion = other.ask(root, references, _text(request.root))
    if opinion.decision is None:
        return replace(comparison, reasons=(opinion.reason,))
    judged = replace(comparison, theirs=opinion.decision)
    return replace(judged, hints=reach.hints(policy.documents.values())) if judged.outcome == "differ" else judged


def _parsed(content: bytes) -> etree._Element:
    return parse_xml(content, max_bytes=pdp.DEFAULT_LIMITS.policy_bytes)


def _text(root: etree._Element) -> str:
    return etree.tostring(root, encoding="unicode")
