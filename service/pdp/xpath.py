"""XPath over the `<Content>` of a request (XACML 3.0, sections 5.30 and 7.3.7, appendix A.3.15).

Expressions of XPath 1.0 run in libxml2, those of 2.0 in elementpath, which is far slower. Both get no functions
of ours, no variables and no way to other documents; `xpath_bounds` refuses what could run for long.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from elementpath import (
    ElementPathError,
    MissingContextError,
    XPath1Parser,
    XPath2Parser,
    XPathContext,
    XPathNode,
)
from elementpath.tdop import Parser
from lxml import etree

from service.pdp.errors import EvaluationError, quoted
from service.pdp.limits import Limits
from service.pdp.xpath_bounds import check_bounds
from service.pdp.xpath_nodes import (
    ATTRIBUTE,
    COMMENT,
    DOCUMENT,
    ELEMENT,
    INSTRUCTION,
    TEXT,
    Node,
    document_node,
    node_of_elementpath,
    node_of_lxml,
    node_within,
    same_node,
)

__all__ = [
    "ATTRIBUTE",
    "COMMENT",
    "DOCUMENT",
    "ELEMENT",
    "INSTRUCTION",
    "TEXT",
    "XPATH_VERSIONS",
    "Node",
    "XPath",
    "compile_xpath",
    "node_within",
    "same_node",
]

XPATH_VERSIONS: Final[Mapping[str, str]] = {
    "http://www.w3.org/tr/1999/rec-xpath-19991116": "1.0",
    "http://www.w3.org/tr/2007/rec-xpath20-20070123": "2.0",
}
"""Versions by the addresses that name them in policies and requests, in lower case: many write `Rec-xpath`."""

_CACHED_EXPRESSIONS: Final = 1_024
_PARSERS: Final = {"1.0": XPath1Parser, "2.0": XPath2Parser}
_PATHS: Final = frozenset({"/", "//"})
# Only expressions with one of these, or the path `/` alone, can select the document node.
_DOCUMENT_SELECTORS: Final = frozenset(
    {".", "..", "self", "parent", "ancestor", "ancestor-or-self", "descendant-or-self"}
)

# Takes the root element and the context element, which is None for the document node.
_Selector = Callable[[Any, Any], Iterator[Node]]


@dataclass(frozen=True, slots=True, eq=False)
class XPath:
    """A compiled expression. It may be shared between threads."""

    expression: str
    version: str
    _selector: _Selector

    def select(self, root: etree._Element, context: Node | None = None) -> tuple[Node, ...]:
        """Select nodes of the document whose root element is given.

        The context node is the document node, unless another one of the same document is given. Raises
        `EvaluationError` if the expression selects something else than nodes, or fails.
        """
        element: etree._Element | None = None
        if context is not None and context.kind != DOCUMENT:
            element = context.element
            if context.kind != ELEMENT:
                raise EvaluationError(f"XPath {quoted(self.expression)} was applied to no element")
        try:
            return tuple(self._selector(root, element))
        except (etree.XPathError, ElementPathError, ValueError, ArithmeticError) as error:
            raise EvaluationError(f"XPath {quoted(self.expression)} failed: {error}") from error


def compile_xpath(expression: str, namespaces: Mapping[str, str], *, version: str, limits: Limits) -> XPath:
    """Compile an expression of XPath "1.0" or "2.0".

    `namespaces` gives addresses for prefixes; a default namespace does not apply to names in XPath. ValueError
    says why an expression is malformed, too large, or not one whose time is bounded.
    """
    prefixes = tuple(sorted((prefix, uri) for prefix, uri in namespaces.items() if prefix))
    return _compiled(expression, prefixes, version, limits)


@lru_cache(maxsize=_CACHED_EXPRESSIONS)
def _compiled(expression: str, prefixes: tuple[tuple[str, str], ...], version: str, limits: Limits) -> XPath:
    namespaces = dict(prefixes)
    try:
        tree = _parsed(expression, namespaces, version, limits)
        if version == "2.0":
            return XPath(expression, version, _selector_2(expression, tree, limits))
        return XPath(expression, version, _selector_1(expression, tree, namespaces))
    except (ValueError, TypeError, ArithmeticError, ElementPathError, etree.XPathError) as error:
        reason = getattr(error, "message", None) or str(error)
    except RecursionError:
        reason = "it nests too deeply"
    raise ValueError(f"XPath {quoted(expression)} cannot be used: {reason}")


def _parsed(expression: str, namespaces: dict[str, str], version: str, limits: Limits) -> Any:
    if len(expression) > limits.xpath_length:
        raise ValueError(f"it has more than {limits.xpath_length} characters")
    parser = _PARSERS[version](namespaces=namespaces)
    if parser.tokenizer is None:
        parser.tokenizer = parser.create_tokenizer(parser.symbol_table)
    # Not `parser.parse`, which evaluates what is constant before anybody has judged it.
    tree = Parser.parse(parser, expression)
    check_bounds(tree, limits)
    return tree


def _selector_1(expression: str, tree: Any, namespaces: dict[str, str]) -> _Selector:
    def compiled(text: str) -> etree.XPath:
        return etree.XPath(text, namespaces=namespaces, regexp=False)

    if any(token.symbol == ":" and token[-1].label == "function" for token in tree.iter()):
        raise ValueError("XPath 1.0 has no functions with a prefix")
    # lxml takes no document node as the context node; a path that begins with `/` needs none.
    absolute = _absolute(expression, tree)
    from_element, from_document = compiled(expression), compiled(absolute)
    # lxml leaves the document node out of what it returns. It is the node that lies in no other.
    may_select_document = any(_selects_document(token) for token in tree.iter())
    test_from_element = compiled(f"boolean(({expression})[not(parent::node())])")
    test_from_document = compiled(f"boolean(({absolute})[not(parent::node())])")

    def select(root: etree._Element, element: etree._Element | None) -> Iterator[Node]:
        start = root if element is None else element
        result = (from_document if element is None else from_element)(start)
        if not isinstance(result, list):
            raise EvaluationError(f"XPath {quoted(expression)} selects no nodes but a value")
        if may_select_document and (test_from_document if element is None else test_from_element)(start):
            yield document_node(root)
        yield from map(node_of_lxml, result)

    return select


def _selects_document(token: Any) -> bool:
    return token.symbol in _DOCUMENT_SELECTORS or (token.symbol == "/" and not len(token))


def _absolute(expression: str, tree: Any) -> str:
    """Begin every relative path of an expression at the document node."""
    for position in sorted(_relative_starts(tree), reverse=True):
        expression = f"{expression[:position]}/{expression[position:]}"
    return expression


def _relative_starts(token: Any) -> Iterator[int]:
    """Positions in the source at which relative paths begin, those within predicates excepted."""
    symbol = token.symbol
    if symbol in _PATHS:
        if len(token) > 1:
            yield from _relative_starts(token[0])
    elif symbol == "[":
        yield from _relative_starts(token[0])
    elif token.label in {"operator", "function", "expression"}:
        for child in token:
            yield from _relative_starts(child)
    elif token.label != "literal":
        yield min(part.span[0] for part in token.iter())


def _selector_2(expression: str, tree: Any, limits: Limits) -> _Selector:
    _check_constants(tree)

    def select(root: etree._Element, element: etree._Element | None) -> Iterator[Node]:
        nodes = sum(2 + len(each.attrib) for each in root.iter())
        if nodes > limits.xpath2_nodes:
            raise EvaluationError(f"XPath 2.0 may look at {limits.xpath2_nodes} nodes: the content has {nodes}")
        context = XPathContext(root.getroottree())
        if element is not None and context.root is not None:
            context.item = next(node for node in context.root.iter() if node.value is element)
        for result in tree.select(context):
            if not isinstance(result, XPathNode):
                raise EvaluationError(f"XPath {quoted(expression)} selects no nodes but a value")
            yield node_of_elementpath(result, root)

    return select


def _check_constants(tree: Any) -> None:
    """Evaluate an expression without a document; ElementPathError if its constants have wrong types."""
    try:
        tree.evaluate()
    except MissingContextError:
        return
