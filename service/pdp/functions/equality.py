"""Equality and order of values (XACML 3.0, appendices A.3.1, A.3.6 and A.3.8), and negation (A.3.5).

Equality of every type but double is `==` of its values, and order is `<`: `datatypes` says how.
"""

import operator
from collections.abc import Iterator
from typing import Final

from service.pdp.datatypes import (
    ANY_URI,
    BASE64_BINARY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAY_TIME_DURATION,
    DOUBLE,
    HEX_BINARY,
    INTEGER,
    RFC822_NAME,
    STRING,
    TIME,
    X500_NAME,
    YEAR_MONTH_DURATION,
    DataType,
)
from service.pdp.functions.signature import (
    A_BOOLEAN,
    A_STRING,
    XACML_1,
    XACML_3,
    Function,
    Type,
)

_EQUAL_SINCE_1: Final = (
    STRING,
    BOOLEAN,
    INTEGER,
    DOUBLE,
    DATE,
    TIME,
    DATE_TIME,
    ANY_URI,
    X500_NAME,
    RFC822_NAME,
    HEX_BINARY,
    BASE64_BINARY,
)
_DURATIONS: Final = (DAY_TIME_DURATION, YEAR_MONTH_DURATION)
_ORDERED: Final = (INTEGER, DOUBLE, STRING, TIME, DATE, DATE_TIME)
_ORDERS: Final = {
    "greater-than": operator.gt,
    "greater-than-or-equal": operator.ge,
    "less-than": operator.lt,
    "less-than-or-equal": operator.le,
}


def _equal_ignoring_case(first: str, second: str) -> bool:
    """Compare after `string-normalize-to-lower-case` of both."""
    return first.lower() == second.lower()


def _equal_doubles(first: float, second: float) -> bool:
    """Compare as IEEE 754 does, except that NaN equals itself.

    Appendix A.3.1 leads to IEEE 754, which has NaN unequal to everything; the value space of the data type
    (XML Schema part 2, section 3.2.5) has it equal to itself. The published cases IIC350 and IIC358 decide.
    """
    return first == second or (first != first and second != second)  # noqa: PLR0124 - so a NaN is known


def _equality(space: str, data_type: DataType) -> Function:
    value = Type(data_type)
    call = _equal_doubles if data_type is DOUBLE else operator.eq
    return Function(f"{space}{data_type.name}-equal", (value, value), A_BOOLEAN, call)


def _functions() -> Iterator[Function]:
    for data_type in (*_EQUAL_SINCE_1, *_DURATIONS):
        yield _equality(XACML_1, data_type)
    for data_type in _DURATIONS:
        yield _equality(XACML_3, data_type)
    yield Function(f"{XACML_3}string-equal-ignore-case", (A_STRING, A_STRING), A_BOOLEAN, _equal_ignoring_case)
    for data_type in _ORDERED:
        value = Type(data_type)
        for name, call in _ORDERS.items():
            yield Function(f"{XACML_1}{data_type.name}-{name}", (value, value), A_BOOLEAN, call)
    yield Function(f"{XACML_1}not", (A_BOOLEAN,), A_BOOLEAN, operator.not_)


EQUALITY_FUNCTIONS: Final = tuple(_functions())
