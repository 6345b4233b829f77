"""Several decisions for one request (Multiple Decision Profile 1.0; Hierarchical Resource Profile 3.0).

A request may ask for several decisions in four ways, which are unfolded one after the other: by references to
its groups of attributes (section 2.4), by repeated categories (2.3), by an XPath that selects nodes of the
content (2.2), and by the scope of a hierarchical resource (2.1).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

from service.pdp.datatypes import XPATH_EXPRESSION, XPathExpression
from service.pdp.errors import PROCESSING_ERROR, SYNTAX_ERROR, EvaluationError, quoted
from service.pdp.limits import Limits
from service.pdp.request import (
    MULTIPLE_SELECTOR,
    RESOURCE,
    RESOURCE_SCOPES,
    Attribute,
    AttributeGroup,
    Request,
    Value,
)
from service.pdp.response import STATUS_OK, Decision, Result, Status
from service.pdp.selection import content_selectors

ResourceSource = Callable[[str, str], Iterable[str]]
"""Called with a resource id and a scope (`Children`, `Descendants`); returns resource ids, the root first."""

CONTENT_SELECTOR: Final = "urn:oasis:names:tc:xacml:3.0:content-selector"
RESOURCE_ID: Final = "urn:oasis:names:tc:xacml:1.0:resource:resource-id"


class Individual(NamedTuple):
    """A request for one decision, and the resource it is about when that is how the several differ."""

    request: Request
    resource_id: str | None = None


def individual_requests(request: Request, limits: Limits, resources: ResourceSource | None) -> Sequence[Individual]:
    """The requests for one decision that a request stands for, in order.

    Raises `EvaluationError` when it cannot be unfolded, or asks for more decisions than `limits` allow.
    """
    unfolded: list[Individual] = []
    for combination in _combinations(request, limits):
        for selected in product(*[_selected(group, request, limits) for group in combination]):
            unfolded += _by_scope(request.with_groups(selected), resources)
            if len(unfolded) > limits.decisions:
                raise EvaluationError(f"the request asks for more than {limits.decisions} decisions")
    if request.version == "2.0" and len(unfolded) > 1:
        return [Individual(each.request, each.resource_id or _resource_id(each.request)) for each in unfolded]
    return unfolded


def combined(results: Sequence[Result]) -> Result:
    """One result of several (section 3, CombinedDecision): the decision that they share.

    It cannot say which of them an obligation belongs to: with obligations or advice it is Indeterminate.
    """
    first = results[0].decision
    status = STATUS_OK
    if any(result.obligations or result.advice for result in results):
        status = Status(PROCESSING_ERROR, "decisions with obligations or advice cannot be combined")
    elif any(result.decision is not first for result in results):
        status = Status(PROCESSING_ERROR, "the decisions to be combined differ")
    elif first is Decision.INDETERMINATE:
        status = results[0].status
    decision = first if status is STATUS_OK else Decision.INDETERMINATE
    return Result(
        decision,
        status,
        (),
        (),
        tuple(decider for result in results for decider in result.deciders),
        tuple(error for result in results for error in result.errors),
        tuple(dict.fromkeys(policy for result in results for policy in result.policies)),
        "DP" if decision is Decision.INDETERMINATE else "",
    )


def _combinations(request: Request, limits: Limits) -> Iterator[tuple[AttributeGroup, ...]]:
    """Groups of attributes such that no category is repeated, as often as that can be done."""
    for groups in _by_references(request):
        categories: dict[str, list[AttributeGroup]] = {}
        for group in groups:
            categories.setdefault(group.category, []).append(group)
        count = 1
        for alternatives in categories.values():
            count *= len(alternatives)
        if count > limits.decisions:
            raise EvaluationError(f"the request asks for {count} decisions, more than {limits.decisions}")
        yield from product(*categories.values())


def _by_references(request: Request) -> Iterator[Sequence[AttributeGroup]]:
    if not request.references:
        yield request.groups
        return
    named = {group.xml_id: group for group in request.groups if group.xml_id is not None}
    for references in request.references:
        for reference in references:
            if reference not in named:
                message = f"<AttributesReference> {quoted(reference)} leads nowhere"
                raise EvaluationError(message, SYNTAX_ERROR)
        yield [named[reference] for reference in references]


def _selected(group: AttributeGroup, request: Request, limits: Limits) -> list[AttributeGroup]:
    """A group per node that its multiple:content-selector selects, or itself if it has none (section 2.2)."""
    for position, attribute in enumerate(group.attributes):
        if attribute.attribute_id == MULTIPLE_SELECTOR:
            expressions = [value.xpath for value in attribute.values if value.xpath is not None]
            if len(expressions) != 1 or len(attribute.values) != 1:
                message = "multiple:content-selector must have one value of data type xpathExpression"
                raise EvaluationError(message, SYNTAX_ERROR)
            before, after = group.attributes[:position], group.attributes[position + 1 :]
            return [
                group._replace(attributes=(*before, _selector(attribute, each), *after))
                for each in content_selectors(group, expressions[0], request.xpath_version, limits)
            ]
    return [group]


def _selector(attribute: Attribute, expression: XPathExpression) -> Attribute:
    value = Value(XPATH_EXPRESSION.uri, expression.expression, expression)
    return attribute._replace(attribute_id=CONTENT_SELECTOR, values=(value,))


def _by_scope(request: Request, resources: ResourceSource | None) -> list[Individual]:
    """A request per resource in the scope that the request names (section 2.1)."""
    for position, group in enumerate(request.groups):
        scopes = [each.values[0].text for each in group.attributes if each.attribute_id in RESOURCE_SCOPES]
        if group.category == RESOURCE and scopes:
            before, after = request.groups[:position], request.groups[position + 1 :]
            return [
                Individual(request.with_groups((*before, _about(group, each), *after)), each)
                for each in _expanded(group, scopes[0], resources)
            ]
    return [Individual(request)]


def _expanded(group: AttributeGroup, scope: str, resources: ResourceSource | None) -> Sequence[str]:
    roots = [each.values[0].text for each in group.attributes if each.attribute_id == RESOURCE_ID]
    if len(roots) != 1:
        raise EvaluationError(f"a scope of resources needs one resource-id, not {len(roots)}", SYNTAX_ERROR)
    if scope == "Immediate":
        return roots
    if resources is None:
        raise EvaluationError(f"nothing is known about the hierarchy of resources that scope {quoted(scope)} needs")
    try:
        return tuple(resources(roots[0], scope))
    except Exception as error:
        raise EvaluationError(f"the hierarchy of resources failed: {type(error).__name__}: {error}") from error


def _about(group: AttributeGroup, resource_id: str) -> AttributeGroup:
    """The group with this resource in place of the root of the scope, and without the scope."""
    attributes = tuple(
        each._replace(values=(each.values[0]._replace(text=resource_id),)) if each.attribute_id == RESOURCE_ID else each
        for each in group.attributes
        if each.attribute_id not in RESOURCE_SCOPES
    )
    return group._replace(attributes=attributes)


def _resource_id(request: Request) -> str | None:
    for group in request.groups:
        if group.category == RESOURCE:
            for attribute in group.attributes:
                if attribute.attribute_id == RESOURCE_ID:
                    return attribute.values[0].text
    return None
