"""Which providers a policy can be about, as far as its targets tell: for people who look for the policy that counts.

A target that compares `sp-name` or `idp-name` with a name confines its policy to that name. Whatever else a target or a
condition asks is not looked at, so a policy may reach less than is told here, and never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from lxml import etree

from service import vocabulary
from service.pdp import DEFAULT_LIMITS
from service.pdp.xml_input import XmlError, line_of, local_name, parse_xml

Names = frozenset[str] | None
"""The names that can match; None: any."""

_EQUAL = ("function:string-equal", "function:string-equal-ignore-case")


@dataclass(frozen=True, slots=True)
class Reach:
    """The providers that a policy can be about, by the names that its targets say; None: any."""

    service_providers: Names = None
    identity_providers: Names = None


def reaches(content: bytes) -> dict[int, Reach]:
    """The reach of each policy and policy set of a file, by the line that it begins on; empty when it is no XML."""
    try:
        root = parse_xml(content, max_bytes=DEFAULT_LIMITS.policy_bytes)
    except XmlError:
        return {}
    return dict(_below(root, Reach()))


def _below(element: etree._Element, outer: Reach) -> Iterator[tuple[int, Reach]]:
    """A policy and those that are written inside of it: what confines the outer one confines them."""
    if local_name(element) not in {"Policy", "PolicySet"}:
        return
    own = _both(outer, _of_target(_child(element, "Target")))
    yield line_of(element), _both(own, _of_rules(element))
    for child in element.iterchildren(etree.Element):
        yield from _below(child, own)


def _of_rules(policy: etree._Element) -> Reach:
    """What the rules reach together."""
    rules = [_of_target(_child(one, "Target")) for one in policy.iterchildren(etree.Element) if _is_rule(one)]
    if not rules:
        return Reach()
    return Reach(_any(one.service_providers for one in rules), _any(one.identity_providers for one in rules))


def _is_rule(element: etree._Element) -> bool:
    return local_name(element) == "Rule"


def _of_target(target: etree._Element | None) -> Reach:
    if target is None:
        return Reach()
    return Reach(_named(target, vocabulary.SP_NAME), _named(target, vocabulary.IDP_NAME))


def _named(target: etree._Element, attribute: str) -> Names:
    """The values that an attribute may have: `<Target>` is a conjunction of disjunctions of conjunctions.

    That is so in 3.0 (core, sections 5.6 to 5.9) and, with `<Subjects>`, `<Subject>` and so on, in 2.0 (5.5 to 5.20).
    """
    groups = target.iterchildren(etree.Element)
    return _all(_any(_all(_matched(m, attribute) for m in _inside(one)) for one in _inside(group)) for group in groups)


def _matched(match: etree._Element, attribute: str) -> Names:
    """What one `<Match>` says about the attribute."""
    value, designator = [*match.iterchildren(etree.Element), None, None][:2]
    if value is None or designator is None or designator.get("AttributeId") != attribute:
        return None
    if not match.get("MatchId", "").endswith(_EQUAL):
        return None
    return frozenset({(value.text or "").strip()})


def _inside(element: etree._Element) -> Iterable[etree._Element]:
    return element.iterchildren(etree.Element)


def _child(element: etree._Element, name: str) -> etree._Element | None:
    return next((one for one in element.iterchildren(etree.Element) if local_name(one) == name), None)


def _both(one: Reach, other: Reach) -> Reach:
    return Reach(
        _all((one.service_providers, other.service_providers)),
        _all((one.identity_providers, other.identity_providers)),
    )


def _all(names: Iterable[Names]) -> Names:
    """What satisfies all of them."""
    known = [one for one in names if one is not None]
    return reduce(frozenset.intersection, known) if known else None


def _any(names: Iterable[Names]) -> Names:
    """What satisfies one of them; an empty choice confines nothing."""
    every = list(names)
    known = [one for one in every if one is not None]
    return frozenset().union(*known) if every and len(known) == len(every) else None
