"""Nodes of `<Content>`: attribute selectors, the XPath functions, and selectors of several nodes.

3.0 core, section 7.3.7 and appendix A.3.15. In XACML 2.0 paths lead through the whole request instead, starting
at its `<Request>` (2.0 core, section 5.41).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lxml import etree

from service.pdp.context import Context, parsed
from service.pdp.datatypes import XPATH_EXPRESSION, XPathExpression
from service.pdp.errors import MISSING_ATTRIBUTE, SYNTAX_ERROR, EvaluationError, quoted
from service.pdp.limits import Limits
from service.pdp.model import Selector
from service.pdp.request import AttributeGroup, Request
from service.pdp.xpath import ATTRIBUTE, COMMENT, ELEMENT, INSTRUCTION, TEXT, Node, XPath, compile_xpath

_WITH_VALUE = frozenset({ATTRIBUTE, TEXT, COMMENT, INSTRUCTION})


class _Start(NamedTuple):
    """Where paths start: in a document, at its root or (None) above it."""

    root: etree._Element
    node: Node | None


def selected(selector: Selector, context: Context) -> tuple[Any, ...]:
    """The bag of an attribute selector (3.0 core, section 7.3.7). Raises `EvaluationError`."""
    start = _start(selector.category, context.request)
    if start is not None and selector.context_selector_id is not None:
        start = _context_node(selector, selector.context_selector_id, start, context)
    nodes = () if start is None else selector.xpath.select(start.root, start.node)
    path = selector.xpath.expression
    if not nodes and selector.must_be_present:
        raise EvaluationError(f"the attribute selector {quoted(path)} selects nothing", MISSING_ATTRIBUTE)
    if any(node.kind not in _WITH_VALUE for node in nodes):
        message = f"the attribute selector {quoted(path)} selects elements: it must select attributes or texts"
        raise EvaluationError(message, SYNTAX_ERROR)
    return parsed(path, selector.data_type, [node.text for node in nodes])


def nodes_of(expression: XPathExpression, version: str, context: Context) -> tuple[Node, ...]:
    """The nodes that a value of type xpathExpression selects; none without `<Content>` (appendix A.3.15)."""
    start = _start(expression.category, context.request)
    if start is None:
        return ()
    return _compiled(expression, version, context.limits).select(start.root, start.node)


def content_selectors(
    group: AttributeGroup, expression: XPathExpression, version: str, limits: Limits
) -> Iterator[XPathExpression]:
    """One expression for each node that an expression selects in the content of its group.

    Multiple Decision Profile, section 2.2. Raises `EvaluationError`.
    """
    if expression.category != group.category:
        message = "multiple:content-selector must be about the content of its own category"
        raise EvaluationError(message, SYNTAX_ERROR)
    if group.content is None:
        return
    path = expression.expression
    for number, node in enumerate(_compiled(expression, version, limits).select(group.content), start=1):
        # `//a[1]` is the first `a` of every parent: it is used only where that is the one node meant here.
        for text in (f"{path}[{number}]", f"({path})[{number}]"):
            single = XPathExpression(text, expression.namespaces, expression.category)
            if _compiled(single, version, limits).select(group.content) == (node,):
                yield single
                break


def _start(category: str | None, request: Request) -> _Start | None:
    """Above the content of a category, or at the root of a 2.0 request; None when there is no content."""
    if request.document is not None:
        return _Start(request.document, Node(ELEMENT, "", request.document))
    for group in request.groups:
        if group.category == category and group.content is not None:
            return _Start(group.content, None)
    return None


def _context_node(selector: Selector, attribute_id: str, start: _Start, context: Context) -> _Start | None:
    """The node that a ContextSelectorId refers to (3.0 core, section 5.30); None without such an attribute."""
    category = selector.category or ""
    expressions = context.bag((category, attribute_id, XPATH_EXPRESSION.uri, None), XPATH_EXPRESSION)
    if not expressions:
        return None
    if len(expressions) > 1 or expressions[0].category != category:
        message = f"{quoted(attribute_id)} must be one XPath about {quoted(category)}"
        raise EvaluationError(message, SYNTAX_ERROR)
    xpath = _compiled(expressions[0], context.request.xpath_version, context.limits)
    nodes = xpath.select(start.root, start.node)
    if len(nodes) != 1:
        raise EvaluationError(f"{quoted(attribute_id)} must select one node, not {len(nodes)}")
    return _Start(start.root, nodes[0])


def _compiled(expression: XPathExpression, version: str, limits: Limits) -> XPath:
    try:
        return compile_xpath(expression.expression, dict(expression.namespaces), version=version, limits=limits)
    except ValueError as error:
        raise EvaluationError(str(error), SYNTAX_ERROR) from None
