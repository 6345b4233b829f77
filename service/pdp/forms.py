"""Functions that decide themselves what to evaluate, or that look into the request.

`and`, `or`, `n-of` and the functions that apply functions (3.0 core, appendix A.3.5 and A.3.12), XPath (A.3.15) and
access-permitted (A.3.16). Arguments come as callables of the context, so that whatever is not needed is not
evaluated. The functions `type_of_…` say at load whether the arguments fit.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import prod
from types import MappingProxyType
from typing import Any, Final

from service.pdp.access import access_permitted
from service.pdp.context import Context
from service.pdp.datatypes import ANY_URI, BOOLEAN, INTEGER, STRING, XPATH_EXPRESSION, XPathExpression
from service.pdp.errors import EvaluationError
from service.pdp.functions import FUNCTIONS, Function, Type
from service.pdp.model import Form
from service.pdp.selection import nodes_of
from service.pdp.xpath import node_within, same_node

Thunk = Callable[[Context], Any]
FormCall = Callable[[Form, Sequence[Thunk], Context], Any]

_BOOLEAN: Final = Type(BOOLEAN)
_INTEGER: Final = Type(INTEGER)
_STRING: Final = Type(STRING)
_ANY_URI: Final = Type(ANY_URI)
_XPATH_EXPRESSION: Final = Type(XPATH_EXPRESSION)
# Texts that `map` makes share nothing: many long ones would fill the memory.
_MOST_CHARACTERS: Final = 10_000_000
_F1: Final = "urn:oasis:names:tc:xacml:1.0:function:"
_F3: Final = "urn:oasis:names:tc:xacml:3.0:function:"


def _and(_: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    return all(argument(context) for argument in arguments)


def _or(_: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    return any(argument(context) for argument in arguments)


def _n_of(_: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    needed = arguments[0](context)
    if needed > len(arguments) - 1:
        raise EvaluationError(f"n-of: {needed} of {len(arguments) - 1} arguments cannot be true")
    for tried, argument in enumerate(arguments[1:], start=1):
        if needed <= 0 or needed > len(arguments) - tried:
            break
        needed -= argument(context)
    return bool(needed <= 0)


def _applications(form: Form, arguments: Sequence[Thunk], context: Context) -> Iterator[Any]:
    """Every application of the function to one element of each argument, in order."""
    call = _function_of(form).call
    values = [argument(context) for argument in arguments]
    choices = [value if isinstance(value, tuple) else (value,) for value in values]
    context.spend(prod(len(choice) for choice in choices))
    return (call(*chosen) for chosen in product(*choices))


def _any(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    return any(_applications(form, arguments, context))


def _all(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    return all(_applications(form, arguments, context))


def _map(form: Form, arguments: Sequence[Thunk], context: Context) -> tuple[Any, ...]:
    values: list[Any] = []
    characters = 0
    for value in _applications(form, arguments, context):
        values.append(value)
        characters += len(value) if isinstance(value, str) else 0
        if characters > _MOST_CHARACTERS:
            raise EvaluationError(f"map: the strings have more than {_MOST_CHARACTERS} characters in all")
    return tuple(values)


def _all_of_any(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    call, first, second = _pair(form, arguments, context)
    return all(any(call(a, b) for b in second) for a in first)


def _pair(form: Form, arguments: Sequence[Thunk], context: Context) -> tuple[Any, Any, Any]:
    first, second = (argument(context) for argument in arguments)
    context.spend(len(first) * len(second))
    return _function_of(form).call, first, second


def _function_of(form: Form) -> Function:
    assert form.function is not None
    return form.function


def _xpath_node_count(form: Form, arguments: Sequence[Thunk], context: Context) -> int:
    return len(nodes_of(arguments[0](context), form.xpath_version, context))


def _xpath_node_equal(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    first, second = (nodes_of(argument(context), form.xpath_version, context) for argument in arguments)
    return same_node(first, second)


def _xpath_node_match(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    first, second = (nodes_of(argument(context), form.xpath_version, context) for argument in arguments)
    return node_within(first, second)


def _access_permitted(_: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    category, attributes = (argument(context) for argument in arguments)
    return access_permitted(category, attributes, context)


def _of_request(call: FormCall) -> FormCall:
    """The same function of XACML 1 and 2: its paths are strings, and lead through the whole request."""

    def called(form: Form, arguments: Sequence[Thunk], context: Context) -> Any:
        return call(form, [partial(_as_xpath, form, argument) for argument in arguments], context)

    return called


def _as_xpath(form: Form, argument: Thunk, context: Context) -> XPathExpression:
    return XPathExpression(argument(context), form.namespaces)


def _any_of_all(form: Form, arguments: Sequence[Thunk], context: Context) -> bool:
    """For every element of the second bag there is one in the first (3.0 core, appendix A.3.12)."""
    call, first, second = _pair(form, arguments, context)
    return all(any(call(a, b) for a in first) for b in second)


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
_XPATH: Final[Mapping[str, FormCall]] = MappingProxyType(
    {
        "xpath-node-count": _xpath_node_count,
        "xpath-node-equal": _xpath_node_equal,
        "xpath-node-match": _xpath_node_match,
    }
)
CONTEXTUAL: Final[Mapping[str, FormCall]] = MappingProxyType(
    {f"{_F3}{name}": call for name, call in _XPATH.items()}
    | {f"{_F1}{name}": _of_request(call) for name, call in _XPATH.items()}
    | {f"{_F3}access-permitted": _access_permitted}
)
"""Functions that look into the request: never evaluated at load, constant or not."""
FORMS: Final[Mapping[str, FormCall]] = MappingProxyType({**LOGICAL, **HIGHER_ORDER, **CONTEXTUAL})

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
    """Arguments that do not fit a function; the message says which and why."""

    def __init__(self, message: str, hint: str = "3.0 core, appendix A.3, gives the types of its arguments") -> None:
        super().__init__(message)
        self.hint = hint


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


def type_of_contextual(uri: str, arguments: Sequence[Type]) -> Type:
    """The type of an XPath function or access-permitted. Raises `FormTypeError`."""
    if uri.endswith("access-permitted"):
        _check_count(arguments, 2)
        _check(arguments, [_ANY_URI, _STRING])
        return _BOOLEAN
    parameter = _STRING if uri.startswith(_F1) else _XPATH_EXPRESSION
    count = 1 if uri.endswith("count") else 2
    _check_count(arguments, count)
    _check(arguments, [parameter] * count)
    return _INTEGER if uri.endswith("count") else _BOOLEAN


def check_arguments(function: Function, arguments: Sequence[Type]) -> None:
    """Raises `FormTypeError` unless the function can be called with arguments of these types."""
    parameters = list(function.parameters)
    if function.variadic:
        last = parameters.pop()
        least = max(function.minimum, len(parameters))
        if len(arguments) < least:
            raise FormTypeError(f"it takes at least {_count(least)}, not {len(arguments)}")
        parameters += [last] * (len(arguments) - len(parameters))
    _check_count(arguments, len(parameters))
    _check(arguments, parameters)


def _check_count(arguments: Sequence[Type], count: int) -> None:
    if len(arguments) != count:
        raise FormTypeError(f"it takes {_count(count)}, not {len(arguments)}")


def _check(arguments: Sequence[Type], expected: Sequence[Type]) -> None:
    for number, (argument, parameter) in enumerate(zip(arguments, expected, strict=True), start=1):
        if not same_type(argument, parameter):
            message = f"argument {number} must be a {parameter}, not a {argument}"
            raise FormTypeError(message, _hint(argument, parameter))


def same_type(one: Type, other: Type) -> bool:
    """Whether two types are the same; data types are singletons."""
    return one.data_type is other.data_type and operator.eq(one.bag, other.bag)


def _hint(argument: Type, parameter: Type) -> str:
    if argument.bag and not parameter.bag and argument.data_type is parameter.data_type:
        return f"take one value with `{argument.data_type.name}-one-and-only`"
    if parameter.bag and not argument.bag and argument.data_type is parameter.data_type:
        return f"make a bag with `{argument.data_type.name}-bag`"
    return "XACML converts nothing by itself: use a function that does"


def _count(number: int) -> str:
    return f"{number} argument" if number == 1 else f"{number} arguments"
