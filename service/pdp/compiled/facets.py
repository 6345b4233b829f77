"""What a rule or policy cannot do without: the attribute values one of which a request must have.

A *facet* is a set of (attribute, value) pairs. If a request has none of them, and every attribute in it can be
looked up without an error, the rule or policy is NotApplicable: nothing else about it can matter. A rule may have
several facets; each alone is reason enough to pass it over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.pdp.combining import Algorithm
from service.pdp.compiled.targets import EQUALITIES
from service.pdp.datatypes import DataType
from service.pdp.model import AllOf, AnyOf, Designator, Match, Policy, PolicySet, Target


class Source(NamedTuple):
    """An attribute as a designator looks it up."""

    category: str
    attribute_id: str
    type_uri: str
    issuer: str | None
    must_be_present: bool
    data_type: DataType


Pair = tuple[Source, Any]
Facet = frozenset[Pair]

# A facet of very many values costs more to index than it saves.
_LARGEST_FACET = 4_096


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of a child of a combining algorithm."""

    facets: tuple[Facet, ...]
    guards: frozenset[Source] = frozenset()
    """Attributes that must be free of errors as well, or no facet holds: see `_guards`."""


NO_FACETS = Facets(())


def facets_of_policy(policy: Policy | PolicySet, algorithm: Algorithm, own: Facets, children: list[Facets]) -> Facets:
    """The facets of a policy: `own`, of its target, and one made of its children if it needs one of them.

    A policy of which no child is applicable is NotApplicable itself, its target notwithstanding (3.0 core,
    section 7.12, table 7), unless its algorithm decides by default; or unless it is one of 2.0, where a target in
    error is Indeterminate whatever is in the policy.
    """
    if algorithm.has_default or (policy.xacml2 and policy.target):
        return own
    inner = _union(children)
    if inner is None:
        return own
    return Facets((*own.facets, *inner.facets), own.guards | inner.guards)


def _union(children: list[Facets]) -> Facets | None:
    """One facet that all children together need; None if one of them needs nothing, or it would be too large."""
    if not all(child.facets for child in children):
        return None
    counts = Counter(pair for child in children for facet in child.facets for pair in facet)
    pairs: set[Pair] = set()
    guards: set[Source] = set()
    for child in children:
        pairs |= rarest(child.facets, counts)
        guards |= child.guards
        if len(pairs) > _LARGEST_FACET:
            return None
    return Facets((frozenset(pairs),), frozenset(guards))


def rarest(facets: Iterable[Facet], counts: Mapping[Pair, int]) -> Facet:
    """The facet whose pairs the fewest others share: it leads to the fewest candidates."""
    return min(facets, key=lambda facet: sum(counts[pair] for pair in facet))


def facets_of_target(target: Target, *, xacml2: bool) -> Facets:
    """The facets of a target: one for every `<AnyOf>` that an index can answer."""
    facets = tuple(facet for any_of in target for facet in [_facet(any_of)] if facet is not None)
    if not xacml2 or len(target) == 1 or not facets:
        return Facets(facets)
    guards = _guards(target)
    return NO_FACETS if guards is None else Facets(facets, guards)


def _facet(any_of: AnyOf) -> Facet | None:
    """One match of every `<AllOf>`: without any of them, the `<AnyOf>` does not match."""
    pairs = [_pair(all_of) for all_of in any_of]
    return frozenset(pair for pair in pairs if pair is not None) if None not in pairs else None


def _pair(all_of: AllOf) -> Pair | None:
    """The first match that an index can answer; it alone must hold for the whole to match."""
    for match in all_of:
        if match.function.uri in EQUALITIES and isinstance(match.bag, Designator):
            return source_of(match.bag), match.value.value
    return None


def _guards(target: Target) -> frozenset[Source] | None:
    """The attributes that could make a 2.0 target Indeterminate although a part of it does not match.

    2.0 core, section 7.5. None if something else than the lookup of an attribute could: then nothing may be
    passed over.
    """
    matches: list[Match] = [match for any_of in target for all_of in any_of for match in all_of]
    if any(match.function.uri not in EQUALITIES for match in matches):
        return None
    sources = [source_of(match.bag) for match in matches if isinstance(match.bag, Designator)]
    return frozenset(sources) if len(sources) == len(matches) else None


def source_of(designator: Designator) -> Source:
    """The attribute that a designator asks for."""
    return Source(
        designator.category,
        designator.attribute_id,
        designator.data_type.uri,
        designator.issuer,
        designator.must_be_present,
        designator.data_type,
    )
