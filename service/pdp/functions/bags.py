"""Bags and sets of values (XACML 3.0, appendices A.3.10 and A.3.11).

A bag is a tuple; the order of its values means nothing, but is kept so that results are the same every time.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final

from service.pdp.datatypes import (
    ALL_DATA_TYPES,
    DAY_TIME_DURATION,
    DNS_NAME,
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
    # Not the operator `in`: it finds a NaN, which equals nothing.
    return any(map(operator.eq, bag, (value,) * len(bag)))


def _members(bag: _Bag) -> set[Any]:
    """The distinct values of a bag that equal themselves: a NaN is a member of nothing."""
    return {value for value in bag if value == value}  # noqa: PLR0124 - a NaN does not


def _intersection(first: _Bag, second: _Bag) -> _Bag:
    members = _members(second)
    return tuple(value for value in dict.fromkeys(first) if value in members)


def _at_least_one_member_of(first: _Bag, second: _Bag) -> bool:
    return not _members(second).isdisjoint(first)


def _union(first: _Bag, second: _Bag) -> _Bag:
    return tuple(dict.fromkeys(first + second))


def _subset(first: _Bag, second: _Bag) -> bool:
    return _members(second).issuperset(first)


def _set_equals(first: _Bag, second: _Bag) -> bool:
    return _subset(first, second) and _subset(second, first)


def _bag_functions(space: str, data_type: DataType) -> Iterator[Function]:
    value, bag = Type(data_type), Type(data_type, bag=True)
    prefix = f"{space}{data_type.name}"
    yield Function(f"{prefix}-one-and-only", (bag,), value, _one_and_only(data_type))
    yield Function(f"{prefix}-bag-size", (bag,), AN_INTEGER, len)
    yield Function(f"{prefix}-bag", (value,), bag, _bag, variadic=True)


def _membership_functions(space: str, data_type: DataType) -> Iterator[Function]:
    value, bag = Type(data_type), Type(data_type, bag=True)
    prefix = f"{space}{data_type.name}"
    yield Function(f"{prefix}-is-in", (value, bag), A_BOOLEAN, _is_in)
    yield Function(f"{prefix}-intersection", (bag, bag), bag, _intersection)
    yield Function(f"{prefix}-at-least-one-member-of", (bag, bag), A_BOOLEAN, _at_least_one_member_of)
    yield Function(f"{prefix}-union", (bag, bag), bag, _union)
    yield Function(f"{prefix}-subset", (bag, bag), A_BOOLEAN, _subset)
    yield Function(f"{prefix}-set-equals", (bag, bag), A_BOOLEAN, _set_equals)


def _functions() -> Iterator[Function]:
    for data_type in ALL_DATA_TYPES:
        for space in _NEWER.get(data_type, (XACML_1,)):
            yield from _bag_functions(space, data_type)
            # There is no equality of expressions (appendix A.3.1), so none of them is in a set.
            if data_type is not XPATH_EXPRESSION:
                yield from _membership_functions(space, data_type)


BAG_FUNCTIONS: Final = tuple(_functions())
