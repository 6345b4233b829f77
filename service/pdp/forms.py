"""Functions that decide themselves what to evaluate: `and`, `or`, `n-of`, and those that apply functions.

3.0 core, appendix A.3.5 and A.3.12. Arguments come as callables of the context, so that whatever is not needed
is not evaluated. `type_of_form` says at load whether the arguments fit.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from service.pdp.context import Context
from service.pdp.datatypes import BOOLEAN, INTEGER
from service.pdp.errors import EvaluationError
from service.pdp.functions import FUNCTIONS, Function, Type

Thunk = Callable[[Context], Any]
FormCall = Callable[[Function | None, Sequence[Thunk], Context], Any]

_BOOLEAN: Final = Type(BOOLEAN)
_INTEGER: Final = Type(INTEGER)
_F1: Final = "urn:oasis:names:tc:xacml:1.0:function:"
_F3: Final = "urn:oasis:names:tc:xacml:3.0:function:"


def _and(_: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    return all(argument(context) for argument in arguments)


def _or(_: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    return any(argument(context) for argument in arguments)


def _n_of(_: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    needed = arguments[0](context)
    if needed > len(arguments) - 1:
        raise EvaluationError(f"n-of: {needed} of {len(arguments) - 1} arguments cannot be true")
    for tried, argument in enumerate(arguments[1:], start=1):
        if needed <= 0 or needed > len(arguments) - tried:
            break
        needed -= argument(context)
    return bool(needed <= 0)


def _applications(function: Function, arguments: Sequence[Thunk], context: Context) -> Iterator[Any]:
    """Every application of the function to one element of each argument, in order."""
    values = [argument(context) for argument in arguments]
    choices = [value if isinstance(value, tuple) else (value,) for value in values]
    return (function.call(*chosen) for chosen in product(*choices))


def _any(function: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    assert function is not None
    return any(_applications(function, arguments, context))


def _all(function: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    assert function is not None
    return all(_applications(function, arguments, context))


def _map(function: Function | None, arguments: Sequence[Thunk], context: Context) -> tuple[Any, ...]:
    assert function is not None
    return tuple(_applications(function, arguments, context))


def _all_of_any(function: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    assert function is not None
    first, second = (argument(context) for argument in arguments)
    return all(any(function.call(a, b) for b in second) for a in first)


def _any_of_all(function: Function | None, arguments: Sequence[Thunk], context: Context) -> bool:
    """For every element of the second bag there is one in the first (3.0 core, appendix A.3.12)."""
    assert function is not None
    first, second = (argument(context) for argument in arguments)
    return all(any(function.call(a, b) for a in first) for b in second)


LOGICAL: Final[Mapping[str, FormCall]] = MappingProxyType({f"{_F1}and": _and, f"{_F1}or": _or, f"{_F1}n-of": _n_of})
HIGHER_ORDER: Final[Mapping[str, FormCall]] = MappingProxyType(
    {
        f"{_F1}any-of": _any,
        f"{_F3}any-of": _any,
        f"{_F1}all-of": _all,
        f"{_F3}all-of": _all,
        f"{_F1}any-of-any": _any,
        f"{_F3}any-of-any": _any,
        f"{_F1}all-of-any": _all_of_any,
        f"{_F1}any-of-all": _any_of_all,
        f"{_F1}all-of-all": _all,
        f"{_F1}map": _map,
        f"{_F3}map": _map,
    }
)
FORMS: Final[Mapping[str, FormCall]] = MappingProxyType({**LOGICAL, **HIGHER_ORDER})

# The logical functions as values: a higher-order function may apply them too, then to evaluated arguments.
_EAGER: Final[Mapping[str, Function]] = MappingProxyType(
    {
        f"{_F1}and": Function(f"{_F1}and", (_BOOLEAN,), _BOOLEAN, lambda *values: all(values), variadic=True),
        f"{_F1}or": Function(f"{_F1}or", (_BOOLEAN,), _BOOLEAN, lambda *values: any(values), variadic=True),
    }
)


def applicable_function(uri: str) -> Function | None:
    """The function of this address that a higher-order function can apply, or None."""
    return FUNCTIONS.get(uri) or _EAGER.get(uri)


class FormTypeError(ValueError):
    """Arguments that do not fit a form; the message says which and why."""


def type_of_logical(uri: str, arguments: Sequence[Type]) -> Type:
    """The type of `and`, `or` or `n-of`. Raises `FormTypeError`."""
    expected = [_BOOLEAN] * len(arguments)
    if uri.endswith("n-of"):
        if not arguments:
            raise FormTypeError("it takes at least 1 argument, not 0")
        expected[0] = _INTEGER
    _check(arguments, expected)
    return _BOOLEAN


def type_of_higher_order(uri: str, function: Function, arguments: Sequence[Type]) -> Type:
    """The type of a higher-order function over these arguments. Raises `FormTypeError`."""
    name = uri.rpartition(":")[2]
    bags = sum(argument.bag for argument in arguments)
    if name in {"any-of", "all-of", "map"} and bags != 1:
        raise FormTypeError(f"exactly one argument after the function must be a bag, not {bags}")
    if name in {"all-of-any", "any-of-all", "all-of-all"} and (bags, len(arguments)) != (2, 2):
        raise FormTypeError("after the function it takes two bags")
    if not arguments:
        raise FormTypeError("after the function it takes at least 1 argument")
    check_arguments(function, [Type(argument.data_type) for argument in arguments])
    if name == "map":
        return Type(function.result.data_type, bag=True)
    if function.result != _BOOLEAN:
        raise FormTypeError(f"the function it applies must return a boolean, not a {function.result}")
    return _BOOLEAN


def check_arguments(function: Function, arguments: Sequence[Type]) -> None:
    """Raises `FormTypeError` unless the function can be called with arguments of these types."""
    parameters = list(function.parameters)
    if function.variadic:
        last = parameters.pop()
        least = max(function.minimum, len(parameters))
        if len(arguments) < least:
            raise FormTypeError(f"it takes at least {_count(least)}, not {len(arguments)}")
        parameters += [last] * (len(arguments) - len(parameters))
    elif len(arguments) != len(parameters):
        raise FormTypeError(f"it takes {_count(len(parameters))}, not {len(arguments)}")
    _check(arguments, parameters)


def _check(arguments: Sequence[Type], expected: Sequence[Type]) -> None:
    for number, (argument, parameter) in enumerate(zip(arguments, expected, strict=True), start=1):
        if not same_type(argument, parameter):
            hint = _hint(argument, parameter)
            raise FormTypeError(f"argument {number} must be a {parameter}, not a {argument}{hint}")


def same_type(one: Type, other: Type) -> bool:
    """Whether two types are the same; data types are singletons."""
    return one.data_type is other.data_type and operator.eq(one.bag, other.bag)


def _hint(argument: Type, parameter: Type) -> str:
    if argument.bag and not parameter.bag and argument.data_type is parameter.data_type:
        return f": take one value with `{argument.data_type.name}-one-and-only`"
    if parameter.bag and not argument.bag and argument.data_type is parameter.data_type:
        return f": make a bag with `{argument.data_type.name}-bag`"
    return ""


def _count(number: int) -> str:
    return f"{number} argument" if number == 1 else f"{number} arguments"
