"""Reading the expressions of a policy and checking their types (3.0 core, sections 5.24 to 5.31).

An expression that is wrong is reported and reads as None; whatever contains it reads as None too, without a
second report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from lxml import etree

from service.pdp.context import Context
from service.pdp.errors import EvaluationError, quoted
from service.pdp.forms import (
    CONTEXTUAL,
    FORMS,
    HIGHER_ORDER,
    LOGICAL,
    FormTypeError,
    applicable_function,
    check_arguments,
    type_of_contextual,
    type_of_higher_order,
    type_of_logical,
)
from service.pdp.functions import FUNCTIONS, Function, Type, suggest
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
from service.pdp.regexp import compile_pattern
from service.pdp.reports import Reports
from service.pdp.request import Request
from service.pdp.xml_input import line_of, local_name, prefixes_of
from service.pdp.xpath import compile_xpath

_EXPRESSIONS: Final = frozenset(
    {"Apply", "AttributeValue", "AttributeDesignator", "AttributeSelector", "VariableReference", "Function"}
)


@dataclass(slots=True)
class Scope:
    """The variables of one policy: defined anywhere in it, read when first used."""

    definitions: dict[str, etree._Element] = field(default_factory=dict)
    read: dict[str, Variable | None] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    reading: list[str] = field(default_factory=list)
    """The variables that are being read, outermost first: one that comes up again is circular."""


class ExpressionReader:
    """Reads expressions of one file; `expression` is the way in."""

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self.limits = reports.limits
        self.xpath_version = "1.0"
        """What the defaults of the policy that is being read say (3.0 core, section 5.5)."""
        self._deepest = 0
        self._size = 0
        # Constants ask nothing of the context that they are evaluated in.
        self._nowhere = Context(Request(), datetime.min.replace(tzinfo=UTC), None, self.limits)

    def expression_in(self, parent: etree._Element, scope: Scope) -> Expression | None:
        """Read the one expression of a condition, variable or assignment; None if it is not right."""
        self._deepest = self._size = 0
        for child in parent:
            if self.is_expression(child):
                return self.expression(child, scope, 1)
        return None

    def is_expression(self, element: etree._Element) -> bool:
        """Whether an element is an expression, by its name."""
        return local_name(element) in _EXPRESSIONS

    def is_bag(self, element: etree._Element) -> bool:
        """Whether an element is an attribute designator or selector, by its name."""
        return local_name(element) in {"AttributeDesignator", "AttributeSelector"}

    def expression(self, element: etree._Element, scope: Scope, depth: int) -> Expression | None:
        """Read an expression that is nested `depth` deep."""
        self._deepest = max(self._deepest, depth)
        self._size += 1
        if depth > self.limits.expression_depth:
            hint = "split it with <VariableDefinition>, or use fewer levels"
            self.reports.report(element, f"expressions are nested deeper than {self.limits.expression_depth}", hint)
            return None
        if self._size == self.limits.expression_size + 1:
            self.reports.report(element, f"more than {self.limits.expression_size} expressions in one", "split it")
        if self._size > self.limits.expression_size:
            return None
        name = local_name(element)
        if name == "Apply":
            return self._apply(element, scope, depth)
        if name == "AttributeValue":
            return self.constant(element)
        if name == "VariableReference":
            return self._variable_use(element, scope, depth)
        if name == "Function":
            hint = "a <Function> may only be the first argument of a higher-order function"
            self.reports.report(element, "a function is not a value", hint)
            return None
        return self.bag(element)

    def constant(self, element: etree._Element) -> Constant | None:
        """Read an `<AttributeValue>`."""
        value = self.reports.value(element)
        return None if value is None else Constant(Type(value[0]), value[1], line_of(element))

    def bag(self, element: etree._Element) -> Designator | Selector | None:
        """Read an attribute designator or selector."""
        if local_name(element) == "AttributeSelector":
            return self.selector(element)
        return self.designator(element)

    def designator(self, element: etree._Element) -> Designator | None:
        """Read an `<AttributeDesignator>`."""
        category = self.reports.text(element, "Category")
        return self.designator_of(element, category, must_be_present=False)

    def designator_of(
        self, element: etree._Element, category: str | None, *, must_be_present: bool
    ) -> Designator | None:
        """Read a designator of a known category; `must_be_present` is what holds when it does not say."""
        data_type = self.reports.data_type(element)
        attribute_id = self.reports.text(element, "AttributeId")
        must = self.reports.boolean(element, "MustBePresent", default=must_be_present)
        if category is None or attribute_id is None or data_type is None:
            return None
        return Designator(category, attribute_id, data_type, element.get("Issuer"), must, line_of(element))

    def selector(self, element: etree._Element) -> Selector | None:
        """Read an `<AttributeSelector>` (3.0 core, section 5.30)."""
        category = self.reports.text(element, "Category")
        return None if category is None else self.selector_of(element, category, "Path")

    def selector_of(self, element: etree._Element, category: str | None, path_name: str) -> Selector | None:
        """Read a selector of a known category, or (None) one that looks into the whole request."""
        data_type = self.reports.data_type(element)
        must = self.reports.boolean(element, "MustBePresent", default=False)
        path = self.reports.text(element, path_name)
        if path is None or data_type is None:
            return None
        try:
            xpath = compile_xpath(path, prefixes_of(element), version=self.xpath_version, limits=self.limits)
        except ValueError as error:
            hint = "name elements with prefixes that the file declares, and ask for one search at a time"
            self.reports.report(element, str(error), hint)
            return None
        return Selector(category, xpath, data_type, element.get("ContextSelectorId"), must, line_of(element))

    def define(self, element: etree._Element, scope: Scope) -> None:
        """Note a `<VariableDefinition>`, to be read when all of the policy's variables are known."""
        variable_id = self.reports.text(element, "VariableId")
        if variable_id is None:
            return
        if variable_id in scope.definitions:
            self.reports.report(element, f"duplicate VariableId {quoted(variable_id)}", "rename one of them")
            return
        scope.definitions[variable_id] = element

    def variable(self, variable_id: str, scope: Scope) -> Variable | None:
        """Read a variable that is defined, once, or return what it was read as."""
        if variable_id not in scope.read:
            deepest, size = self._deepest, self._size
            scope.reading.append(variable_id)
            element = scope.definitions[variable_id]
            expression = self.expression_in(element, scope)
            scope.reading.pop()
            scope.heights[variable_id] = self._deepest
            self._deepest, self._size = deepest, size
            read = None if expression is None else Variable(variable_id, expression, line_of(element))
            scope.read[variable_id] = read
        return scope.read[variable_id]

    def _variable_use(self, element: etree._Element, scope: Scope, depth: int) -> Expression | None:
        variable_id = self.reports.text(element, "VariableId")
        if variable_id is None:
            return None
        if variable_id not in scope.definitions:
            hint = f"add a <VariableDefinition VariableId={quoted(variable_id)}> to the policy"
            self.reports.report(element, f"unknown variable {quoted(variable_id)}", hint)
            return None
        if variable_id in scope.reading:
            circle = " uses ".join(quoted(each) for each in [*scope.reading, variable_id])
            self.reports.report(element, f"circular variable: {circle}", "a variable must not depend on itself")
            return None
        variable = self.variable(variable_id, scope)
        if variable is None:
            return None
        deepest = depth + scope.heights[variable_id]
        self._deepest = max(self._deepest, deepest)
        if deepest > self.limits.expression_depth:
            hint = "variables count with the levels of their expressions"
            self.reports.report(element, f"expressions are nested deeper than {self.limits.expression_depth}", hint)
            return None
        return VariableUse(variable, line_of(element))

    def _apply(self, element: etree._Element, scope: Scope, depth: int) -> Expression | None:
        uri = self.reports.text(element, "FunctionId")
        parts = [child for child in element if self.is_expression(child)]
        function: Function | None = None
        higher_order_fine = True
        if uri in HIGHER_ORDER:
            function, parts = self._function_argument(element, parts)
            higher_order_fine = function is not None
        arguments = [self.expression(part, scope, depth + 1) for part in parts]
        if uri is None or not self.known(element, uri) or not higher_order_fine or None in arguments:
            return None
        return self._typed(element, uri, function, cast("list[Expression]", arguments))

    def _function_argument(
        self, element: etree._Element, parts: list[etree._Element]
    ) -> tuple[Function | None, list[etree._Element]]:
        if not parts or local_name(parts[0]) != "Function":
            hint = "start with <Function FunctionId=…>"
            self.reports.report(element, "the first argument must be a function", hint)
            return None, parts
        uri = self.reports.text(parts[0], "FunctionId")
        function = applicable_function(uri) if uri else None
        if uri and function is None and self.known(parts[0], uri):
            hint = "apply a first-order function"
            self.reports.report(parts[0], f"{quoted(uri)} cannot be applied to elements of a bag", hint)
        return function, parts[1:]

    def known(self, element: etree._Element, uri: str) -> bool:
        """Whether a function exists; reports it with a suggestion if not."""
        if uri in FUNCTIONS or uri in FORMS:
            return True
        near = suggest(uri, FORMS)
        hint = f"did you mean `{near}`?" if near else "the engine knows the functions of XACML 3.0, appendix A"
        self.reports.report(element, f"unknown function {quoted(uri)}", hint)
        return False

    def _typed(
        self, element: etree._Element, uri: str, function: Function | None, arguments: list[Expression]
    ) -> Expression | None:
        types = [argument.type for argument in arguments]
        line = line_of(element)
        built: Call | Form
        try:
            if uri in FUNCTIONS:
                check_arguments(FUNCTIONS[uri], types)
                built = Call(FUNCTIONS[uri], tuple(arguments), line)
            else:
                type_ = type_of_form(uri, function, types)
                prefixes = tuple(prefixes_of(element).items()) if uri in CONTEXTUAL else ()
                built = Form(
                    uri.rpartition(":")[2], uri, function, tuple(arguments), type_, line, prefixes, self.xpath_version
                )
        except FormTypeError as error:
            self.reports.report(element, f"{quoted(uri)}: {error}", error.hint)
            return None
        if not self.fits_pattern(element, uri, arguments):
            return None
        return self._folded(element, built)

    def fits_pattern(self, element: etree._Element, uri: str, arguments: Sequence[Expression]) -> bool:
        """Whether a constant regular expression can be run; reports it if not, long before it is first needed."""
        pattern = _constant(arguments[0]) if uri.endswith("-regexp-match") else None
        if pattern is None:
            return True
        try:
            compile_pattern(pattern.value)
        except ValueError as error:
            hint = "write it as XML Schema part 2, appendix F, says, without back-references"
            self.reports.report(element, str(error), hint)
            return False
        return True

    def _folded(self, element: etree._Element, built: Call | Form) -> Expression | None:
        """A function of constants becomes its value; one that fails can never work, so it is refused."""
        arguments = [_constant(argument) for argument in built.arguments]
        if None in arguments or (isinstance(built, Form) and built.uri in CONTEXTUAL):
            return built
        values = [constant.value for constant in arguments if constant is not None]
        try:
            if isinstance(built, Call):
                value = built.function.call(*values)
            else:
                thunks = [_always(value) for value in values]
                value = FORMS[built.uri](built, thunks, self._nowhere)
        except EvaluationError as error:
            self.reports.report(element, f"this can never be evaluated: {error.message}", "all of it is constant")
            return None
        return Constant(built.type, value, built.line)


def type_of_form(uri: str, function: Function | None, types: list[Type]) -> Type:
    """The type of a special form. Raises `FormTypeError`."""
    if uri in LOGICAL:
        return type_of_logical(uri, types)
    if uri in CONTEXTUAL:
        return type_of_contextual(uri, types)
    assert function is not None
    return type_of_higher_order(uri, function, types)


def _always(value: Any) -> Any:
    return lambda _: value


def _constant(expression: Expression) -> Constant | None:
    if isinstance(expression, VariableUse):
        return _constant(expression.variable.expression)
    return expression if isinstance(expression, Constant) else None
