"""Targets as closures (3.0 core, sections 7.6 and 7.7): each returns whether it matches or raises.

What an error leaves of a match, and which of several errors is told, is that of the plain evaluator.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from service.pdp.compiled.expressions import designated
from service.pdp.context import Context
from service.pdp.errors import EvaluationError
from service.pdp.model import AllOf, AnyOf, Designator, Match, Target
from service.pdp.selection import selected

Test = Callable[[Context], bool]

_F: Final = "urn:oasis:names:tc:xacml:1.0:function:"
# Functions that are `==` of hashable values and cannot fail: their matches can be answered by an index.
EQUALITIES: Final = frozenset(f"{_F}{name}-equal" for name in ("string", "anyURI", "integer", "boolean"))


def compile_target(target: Target, *, xacml2: bool) -> Test | None:
    """The closure of a target; None for one that always matches."""
    if not target:
        return None
    tests = [_any_of(any_of) for any_of in target]
    if len(tests) == 1:
        return tests[0]
    return _all_without_error(tests) if xacml2 else _every(tests)


def _any_of(any_of: AnyOf) -> Test:
    tests = [_all_of(all_of) for all_of in any_of]
    return tests[0] if len(tests) == 1 else _some(tests)


def _all_of(all_of: AllOf) -> Test:
    tests = [_match(match) for match in all_of]
    return tests[0] if len(tests) == 1 else _every(tests)


def _match(match: Match) -> Test:
    bag = designated(match.bag) if isinstance(match.bag, Designator) else partial(selected, match.bag)
    value = match.value.value
    if match.function.uri in EQUALITIES:
        return lambda context: value in bag(context)
    call = match.function.call

    def matches(context: Context) -> bool:
        return _some_applied(call, value, bag(context))

    return matches


def _some_applied(call: Callable[..., bool], constant: Any, bag: Iterable[Any]) -> bool:
    first: EvaluationError | None = None
    for value in bag:
        try:
            if call(constant, value):
                return True
        except EvaluationError as error:
            first = first or error
    if first is not None:
        raise first
    return False


def _some(tests: Sequence[Test]) -> Test:
    """True if any test is, whatever else fails; otherwise the first error."""

    def some(context: Context) -> bool:
        first: EvaluationError | None = None
        for test in tests:
            try:
                if test(context):
                    return True
            except EvaluationError as error:
                first = first or error
        if first is not None:
            raise first
        return False

    return some


def _every(tests: Sequence[Test]) -> Test:
    """False if any test is, whatever else fails; otherwise the first error."""

    def every(context: Context) -> bool:
        first: EvaluationError | None = None
        for test in tests:
            try:
                if not test(context):
                    return False
            except EvaluationError as error:
                first = first or error
        if first is not None:
            raise first
        return True

    return every


def _all_without_error(tests: Sequence[Test]) -> Test:
    """As XACML 2.0 has it (2.0 core, section 7.5): the first error, whatever does not match."""

    def every(context: Context) -> bool:
        matched = True
        for test in tests:
            matched = test(context) and matched
        return matched

    return every
