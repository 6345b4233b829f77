"""The index: which children of a combining algorithm could be applicable to a request, in their order.

A tree of dictionaries: at each node the values of one or more attributes lead to the children that need them;
where many children share a value, a further node tells them apart by what else they need. Whatever is not certain
(an attribute that cannot be looked up, a child without facets) counts as a candidate.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from service.pdp.compiled.facets import Facet, Facets, Source, rarest
from service.pdp.context import Context
from service.pdp.errors import EvaluationError

Candidates = Callable[[Context], Sequence[int]]
"""Returns the positions of the candidates, ascending."""

# Evaluating so few children costs less than telling them apart.
_FEW = 4


class _Entry(NamedTuple):
    position: int
    facets: tuple[Facet, ...]


def build_index(children: Sequence[Facets]) -> Candidates | None:
    """The index over children with these facets, or None when it would not save anything."""
    entries = [_Entry(position, child.facets) for position, child in enumerate(children)]
    lookup = _node(entries)
    if lookup is None:
        return None
    everyone = tuple(range(len(children)))
    guards = frozenset[Source]().union(*(child.guards for child in children if child.facets))
    if not guards:
        return lookup
    return _guarded(lookup, tuple(guards), everyone)


def _guarded(lookup: Candidates, guards: tuple[Source, ...], everyone: tuple[int, ...]) -> Candidates:
    def candidates(context: Context) -> Sequence[int]:
        for guard in guards:
            try:
                if not context.bag(guard[:4], guard.data_type) and guard.must_be_present:
                    return everyone
            except EvaluationError:
                return everyone
        return lookup(context)

    return candidates


def _node(entries: Sequence[_Entry]) -> Candidates | None:
    """A node over some children; None for few, or when none of them has a facet left."""
    if len(entries) <= _FEW or not any(entry.facets for entry in entries):
        return None
    counts = Counter(pair for entry in entries for facet in entry.facets for pair in facet)
    always: list[int] = []
    tables: dict[Source, dict[Any, list[_Entry]]] = {}
    for entry in entries:
        if not entry.facets:
            always.append(entry.position)
            continue
        best = rarest(entry.facets, counts)
        rest = _Entry(entry.position, tuple(facet for facet in entry.facets if facet is not best))
        for source, value in best:
            tables.setdefault(source, {}).setdefault(value, []).append(rest)
    tests = [_table(source, table) for source, table in tables.items()]
    if len(tests) == 1 and not always:
        return tests[0]
    return _merged(tests, tuple(always))


def _table(source: Source, table: dict[Any, list[_Entry]]) -> Candidates:
    """The candidates by the values of one attribute."""
    key, data_type, must_be_present = source[:4], source.data_type, source.must_be_present
    everyone = tuple(sorted({entry.position for entries in table.values() for entry in entries}))
    hits: dict[Any, tuple[int, ...] | Candidates] = {}
    for value, entries in table.items():
        hits[value] = _node(entries) or tuple(entry.position for entry in entries)

    def candidates(context: Context) -> Sequence[int]:
        bag = context.sent.get(key)
        if bag is None:
            try:
                bag = context.bag(key, data_type)
            except EvaluationError:
                return everyone
        if len(bag) == 1:
            hit = hits.get(bag[0], ())
            return hit if isinstance(hit, tuple) else hit(context)
        if not bag:
            return everyone if must_be_present else ()
        found: set[int] = set()
        for value in bag:
            hit = hits.get(value, ())
            found.update(hit if isinstance(hit, tuple) else hit(context))
        return sorted(found)

    return candidates


def _merged(tests: Sequence[Candidates], always: tuple[int, ...]) -> Candidates:
    def candidates(context: Context) -> Sequence[int]:
        found = set(always)
        for test in tests:
            found.update(test(context))
        return sorted(found)

    return candidates
