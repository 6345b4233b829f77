"""Bags and sets of values (XACML 3.0, appendices A.3.10 and A.3.11).

A bag is a tuple; the order of its values means nothing, but is kept so that results are the same every time.
"""

import math
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

from service.pdp.datatypes import (
    ALL_DATA_TYPES,
    DAY_TIME_DURATION,
    DNS_NAME,
    DOUBLE,
    IP_ADDRESS,
    XPATH_EXPRESSION,
    YEAR_MONTH_DURATION,
    DataType,
)
from service.pdp.errors import EvaluationError
from service.pdp.functions.signature import (
    A_BOOLEAN,
    AN_INTEGER,
    XACML_1,
    XACML_2,
    XACML_3,
    Function,
    Type,
)

_Bag = tuple[Any, ...]

_NEWER: Final = {
    IP_ADDRESS: (XACML_2,),
    DNS_NAME: (XACML_2,),
    # XACML 2.0 defined the durations' functions under 1.0, XACML 3.0 under its own address.
    DAY_TIME_DURATION: (XACML_3, XACML_1),
    YEAR_MONTH_DURATION: (XACML_3, XACML_1),
    XPATH_EXPRESSION: (XACML_3,),
}


def _one_and_only(data_type: DataType) -> Callable[[_Bag], Any]:
    def one_and_only(bag: _Bag) -> Any:
        if len(bag) != 1:
            raise EvaluationError(
                f"`{data_type.name}-one-and-only` was given a bag of {len(bag)} values: it needs exactly one"
            )
        return bag[0]

    return one_and_only


def _bag(*values: Any) -> _Bag:
    return values


def _is_in(value: Any, bag: _Bag) -> bool:
    return value in bag


def _intersection(first: _Bag, second: _Bag) -> _Bag:
    members = set(second)
    return tuple(value for value in dict.fromkeys(first) if value in members)


def _at_least_one_member_of(first: _Bag, second: _Bag) -> bool:
    return not set(first).isdisjoint(second)


def _union(first: _Bag, second: _Bag) -> _Bag:
    return tuple(dict.fromkeys(first + second))


def _subset(first: _Bag, second: _Bag) -> bool:
    return set(first) <= set(second)


def _set_equals(first: _Bag, second: _Bag) -> bool:
    return set(first) == set(second)


def _with_one_nan(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function over doubles meet one NaN object only: it equals itself by being the same."""

    @wraps(call)
    def with_one_nan(*arguments: Any) -> Any:
        return call(*(tuple(map(_one_nan, each)) if isinstance(each, tuple) else _one_nan(each) for each in arguments))

    return with_one_nan


def _one_nan(value: float) -> float:
    return math.nan if math.isnan(value) else value


def _bag_functions(space: str, data_type: DataType) -> Iterator[Function]:
    value, bag = Type(data_type), Type(data_type, bag=True)
    prefix = f"{space}{data_type.name}"
    yield Function(f"{prefix}-one-and-only", (bag,), value, _one_and_only(data_type))
    yield Function(f"{prefix}-bag-size", (bag,), AN_INTEGER, len)
    yield Function(f"{prefix}-bag", (value,), bag, _bag, variadic=True)


def _membership_functions(space: str, data_type: DataType) -> Iterator[Function]:
    value, bag = Type(data_type), Type(data_type, bag=True)
    families: tuple[tuple[str, tuple[Type, ...], Type, Callable[..., Any]], ...] = (
        ("is-in", (value, bag), A_BOOLEAN, _is_in),
        ("intersection", (bag, bag), bag, _intersection),
        ("at-least-one-member-of", (bag, bag), A_BOOLEAN, _at_least_one_member_of),
        ("union", (bag, bag), bag, _union),
        ("subset", (bag, bag), A_BOOLEAN, _subset),
        ("set-equals", (bag, bag), A_BOOLEAN, _set_equals),
    )
    for name, parameters, result, call in families:
        called = _with_one_nan(call) if data_type is DOUBLE else call
        yield Function(f"{space}{data_type.name}-{name}", parameters, result, called)


def _functions() -> Iterator[Function]:
    for data_type in ALL_DATA_TYPES:
        for space in _NEWER.get(data_type, (XACML_1,)):
            yield from _bag_functions(space, data_type)
            # There is no equality of expressions (appendix A.3.1), so none of them is in a set.
            if data_type is not XPATH_EXPRESSION:
                yield from _membership_functions(space, data_type)


BAG_FUNCTIONS: Final = tuple(_functions())
