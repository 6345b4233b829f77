"""Expressions as closures: each is called with the context and returns its value or raises `EvaluationError`."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from service.pdp.context import Context, MissingAttributeError
from service.pdp.forms import FORMS
from service.pdp.model import (
    Call,
    Constant,
    Designator,
    Expression,
    Form,
    Selector,
    Variable,
    VariableUse,
)
from service.pdp.response import MissingAttribute
from service.pdp.selection import selected

Value = Callable[[Context], Any]


class ExpressionCompiler:
    """Compiles the expressions of one policy; variables are compiled once."""

    def __init__(self) -> None:
        self._variables: dict[Variable, Value] = {}

    def compile(self, expression: Expression) -> Value:
        """The closure of an expression."""
        match expression:
            case Constant():
                return _constant(expression.value)
            case Designator():
                return designated(expression)
            case Selector():
                return partial(selected, expression)
            case VariableUse():
                return self._variable(expression.variable)
            case Call():
                return _call(expression, [self.compile(argument) for argument in expression.arguments])
            case Form():
                return _form(expression, [self.compile(argument) for argument in expression.arguments])

    def _variable(self, variable: Variable) -> Value:
        if variable not in self._variables:
            evaluate = self.compile(variable.expression)
            self._variables[variable] = lambda context: context.variable(variable, evaluate)
        return self._variables[variable]


def designated(designator: Designator) -> Value:
    """The closure of an attribute designator."""
    data_type = designator.data_type
    key = (designator.category, designator.attribute_id, data_type.uri, designator.issuer)

    def bag(context: Context) -> Any:
        found = context.sent.get(key)
        return context.bag(key, data_type) if found is None else found

    def present(context: Context) -> Any:
        found = context.bag(key, data_type)
        if not found:
            raise MissingAttributeError(MissingAttribute(*key))
        return found

    return present if designator.must_be_present else bag


def _constant(value: Any) -> Value:
    return lambda _: value


def _call(expression: Call, arguments: list[Value]) -> Value:
    """Spelt out for up to two arguments, which nearly all functions have."""
    function = expression.function.call
    if len(arguments) == 1:
        only = arguments[0]
        return lambda context: function(only(context))
    if len(arguments) == 2:
        first, second = arguments
        return lambda context: function(first(context), second(context))
    return lambda context: function(*[argument(context) for argument in arguments])


_AND: Final = "urn:oasis:names:tc:xacml:1.0:function:and"
_OR: Final = "urn:oasis:names:tc:xacml:1.0:function:or"


def _form(expression: Form, arguments: list[Value]) -> Value:
    form = FORMS[expression.uri]
    if len(arguments) == 2 and expression.uri in {_AND, _OR}:
        first, second = arguments
        if expression.uri == _AND:
            return lambda context: first(context) and second(context)
        return lambda context: first(context) or second(context)
    return lambda context: form(expression, arguments, context)
