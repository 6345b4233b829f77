"""Reading XACML 2.0 policies into the model of 3.0 (2.0 core, section 5): the reader of 3.0, changed.

Targets name subjects, resources, actions and environments; designators say their category by their name;
obligations hold values only. What 2.0 evaluates differently is for the evaluators, by `xacml2` in the model.
"""

from typing import Final

from lxml import etree

from service.pdp.expressions import ExpressionReader, Scope
from service.pdp.functions import Type
from service.pdp.model import (
    AnyOf,
    AssignmentExpression,
    Constant,
    Designator,
    ObligationExpression,
    Selector,
    Target,
)
from service.pdp.reading import PolicyReader, child, children
from service.pdp.request import ACTION, ENVIRONMENT, RESOURCE, SUBJECT
from service.pdp.xml_input import line_of, local_name

_CATEGORIES: Final = {
    "SubjectAttributeDesignator": SUBJECT,
    "ResourceAttributeDesignator": RESOURCE,
    "ActionAttributeDesignator": ACTION,
    "EnvironmentAttributeDesignator": ENVIRONMENT,
}
_EXPRESSIONS: Final = frozenset(
    {"Apply", "AttributeValue", "AttributeSelector", "VariableReference", "Function", *_CATEGORIES}
)
_PARTS: Final = ("Subject", "Resource", "Action", "Environment")


class ExpressionReader2(ExpressionReader):
    """Reads the expressions of XACML 2.0."""

    def is_expression(self, element: etree._Element) -> bool:
        """Whether an element is an expression, by its name."""
        return local_name(element) in _EXPRESSIONS

    def is_bag(self, element: etree._Element) -> bool:
        """Whether an element is one of the attribute designators or a selector, by its name."""
        return local_name(element) in {"AttributeSelector", *_CATEGORIES}

    def designator(self, element: etree._Element) -> Designator | None:
        """Read one of the four attribute designators (2.0 core, sections 5.37 to 5.40)."""
        category = element.get("SubjectCategory", _CATEGORIES[local_name(element)])
        return self.designator_of(element, category, must_be_present=False)

    def selector(self, element: etree._Element) -> Selector | None:
        """Read an `<AttributeSelector>`, whose path leads through the whole request (2.0 core, section 5.41)."""
        return self.selector_of(element, None, "RequestContextPath")


class PolicyReader2(PolicyReader):
    """Reads a file of XACML 2.0 whose structure was checked."""

    xacml2 = True

    def target(self, element: etree._Element | None) -> Target:
        """Read a `<Target>` (2.0 core, section 5.5): a part that is absent matches everything."""
        if element is None:
            return ()
        parts = [(part, name) for name in _PARTS for part in children(element, f"{name}s")]
        return tuple(self._part(part, name) for part, name in parts)

    def _part(self, element: etree._Element, name: str) -> AnyOf:
        return tuple(self.matches(children(each, f"{name}Match")) for each in children(element, name))

    def obligations(self, element: etree._Element, scope: Scope) -> tuple[ObligationExpression, ...]:  # noqa: ARG002
        """Read `<Obligations>` of a policy or policy set (2.0 core, section 5.34); rules have none."""
        parent = child(element, "Obligations")
        if parent is None:
            return ()
        found = [self._obligation2(each) for each in children(parent, "Obligation")]
        return tuple(obligation for obligation in found if obligation is not None)

    def _obligation2(self, element: etree._Element) -> ObligationExpression | None:
        obligation_id = self.reports.text(element, "ObligationId")
        on = self.effect(element, "FulfillOn")
        assignments = [self._assignment2(each) for each in children(element, "AttributeAssignment")]
        if obligation_id is None or on is None:
            return None
        given = tuple(assignment for assignment in assignments if assignment is not None)
        return ObligationExpression(obligation_id, on, is_advice=False, assignments=given, line=line_of(element))

    def _assignment2(self, element: etree._Element) -> AssignmentExpression | None:
        attribute_id = self.reports.text(element, "AttributeId")
        value = self.reports.value(element)
        if attribute_id is None or value is None:
            return None
        constant = Constant(Type(value[0]), value[1], line_of(element))
        return AssignmentExpression(attribute_id, None, None, constant, line_of(element))
