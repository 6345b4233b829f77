"""Conversion between strings and the other types (XACML 3.0, appendix A.3.9)."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from service.pdp.datatypes import (
    ANY_URI,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAY_TIME_DURATION,
    DNS_NAME,
    DOUBLE,
    INTEGER,
    IP_ADDRESS,
    RFC822_NAME,
    TIME,
    X500_NAME,
    YEAR_MONTH_DURATION,
    DataType,
    canonical_double,
)
from service.pdp.errors import SYNTAX_ERROR, EvaluationError
from service.pdp.functions.signature import A_STRING, XACML_3, Function, Type
from service.pdp.temporal import Date, DateTime, Time

_CONVERTED: Final = (
    BOOLEAN,
    INTEGER,
    DOUBLE,
    TIME,
    DATE,
    DATE_TIME,
    ANY_URI,
    DAY_TIME_DURATION,
    YEAR_MONTH_DURATION,
    X500_NAME,
    RFC822_NAME,
    IP_ADDRESS,
    DNS_NAME,
)
_CANONICAL: Final[dict[DataType, Callable[[Any], str]]] = {
    # Where the canonical form is not the one that we write elsewhere.
    DOUBLE: canonical_double,
    TIME: Time.canonical,
    DATE: Date.canonical,
    DATE_TIME: DateTime.canonical,
}


def _from_string(data_type: DataType) -> Callable[[str], Any]:
    def from_string(text: str) -> Any:
        try:
            return data_type.parse(text)
        except ValueError as error:
            raise EvaluationError(str(error), SYNTAX_ERROR) from error

    return from_string


def _functions() -> Iterator[Function]:
    for data_type in _CONVERTED:
        value, name = Type(data_type), data_type.name
        yield Function(f"{XACML_3}{name}-from-string", (A_STRING,), value, _from_string(data_type))
        write = _CANONICAL.get(data_type, data_type.format)
        yield Function(f"{XACML_3}string-from-{name}", (value,), A_STRING, write)


CONVERSION_FUNCTIONS: Final = tuple(_functions())
