"""Arithmetic (XACML 3.0, appendices A.3.2 and A.3.4), by the rules of IEEE 754 that section 7.4 sets.

Rounding is half to even, division by zero is an error, every other exceptional case gives INF or NaN.
Integers have no bound but the one that keeps a policy from filling the memory.
"""

import math
import operator
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, Final

from service.pdp.datatypes import DOUBLE, canonical_double
from service.pdp.errors import EvaluationError
from service.pdp.functions.signature import AN_INTEGER, XACML_1, Function, Type

_A_DOUBLE: Final = Type(DOUBLE)
_LARGEST_INTEGER_BITS: Final = 13_000
"""Python writes integers of up to 4,300 digits, which is a little more."""


def _add(*terms: int) -> int:
    return sum(terms)


def _add_doubles(*terms: float) -> float:
    return reduce(operator.add, terms)


def _multiply_doubles(*factors: float) -> float:
    return reduce(operator.mul, factors)


def _multiply(*factors: int) -> int:
    product = 1
    for factor in factors:
        product *= factor
        if product.bit_length() > _LARGEST_INTEGER_BITS:
            raise EvaluationError("an integer grew too large: a product has more than 3,900 digits")
    return product


def _divide(dividend: int, divisor: int) -> int:
    """Integer division, the fraction dropped whatever the signs."""
    if divisor == 0:
        raise EvaluationError("an integer was divided by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(dividend: int, divisor: int) -> int:
    """What `integer-divide` leaves; it has the sign of the dividend."""
    return dividend - divisor * _divide(dividend, divisor)


def _divide_doubles(dividend: float, divisor: float) -> float:
    if divisor == 0:
        raise EvaluationError("a double was divided by zero")
    return dividend / divisor


def _floor(value: float) -> float:
    return math.copysign(math.floor(value), value) if math.isfinite(value) else value


def _round(value: float) -> float:
    return math.copysign(round(value), value) if math.isfinite(value) else value


def _double_to_integer(value: float) -> int:
    if not math.isfinite(value):
        raise EvaluationError(f"the double `{canonical_double(value)}` has no integer part")
    return math.trunc(value)


def _integer_to_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise EvaluationError("an integer is too large for a double") from error


def _numeric(name: str, operand: Type, arity: int, call: Callable[..., Any]) -> Function:
    return Function(f"{XACML_1}{name}", (operand,) * arity, operand, call)


def _functions() -> Iterator[Function]:
    for name, operand, call in (
        ("integer-add", AN_INTEGER, _add),
        ("double-add", _A_DOUBLE, _add_doubles),
        ("integer-multiply", AN_INTEGER, _multiply),
        ("double-multiply", _A_DOUBLE, _multiply_doubles),
    ):
        yield Function(f"{XACML_1}{name}", (operand,), operand, call, variadic=True, minimum=2)
    yield _numeric("integer-subtract", AN_INTEGER, 2, operator.sub)
    yield _numeric("double-subtract", _A_DOUBLE, 2, operator.sub)
    yield _numeric("integer-divide", AN_INTEGER, 2, _divide)
    yield _numeric("double-divide", _A_DOUBLE, 2, _divide_doubles)
    yield _numeric("integer-mod", AN_INTEGER, 2, _remainder)
    yield _numeric("integer-abs", AN_INTEGER, 1, abs)
    yield _numeric("double-abs", _A_DOUBLE, 1, abs)
    yield _numeric("round", _A_DOUBLE, 1, _round)
    yield _numeric("floor", _A_DOUBLE, 1, _floor)
    yield Function(f"{XACML_1}double-to-integer", (_A_DOUBLE,), AN_INTEGER, _double_to_integer)
    yield Function(f"{XACML_1}integer-to-double", (AN_INTEGER,), _A_DOUBLE, _integer_to_double)


ARITHMETIC_FUNCTIONS: Final = tuple(_functions())
