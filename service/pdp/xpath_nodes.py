"""Nodes that XPath expressions select, with an identity, so that node sets can be compared (appendix A.3.15)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from elementpath import AttributeNode, DocumentNode, TextNode
from lxml import etree

DOCUMENT: Final = "document"
ELEMENT: Final = "element"
ATTRIBUTE: Final = "attribute"
TEXT: Final = "text"
COMMENT: Final = "comment"
INSTRUCTION: Final = "processing-instruction"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a document; equal to another if it is the same node of the same document."""

    kind: str
    text: str = field(compare=False)
    """The string value; empty for elements and documents, whose values policies select as texts."""
    element: etree._Element
    """The element, comment or instruction itself; of an attribute or text the element that it belongs to; of a
    document its root element."""
    place: object = None
    """What tells the attributes, or the texts, of one element apart."""

    def upward(self) -> Iterator["Node"]:
        """This node and all those that it lies in, up to the document."""
        yield self
        above: etree._Element | None = self.element
        root = self.element
        if self.kind not in {ATTRIBUTE, TEXT}:
            above = None if self.kind == DOCUMENT else self.element.getparent()
        while above is not None:
            yield Node(ELEMENT, "", above)
            root, above = above, above.getparent()
        yield Node(DOCUMENT, "", root)


def same_node(first: Iterable[Node], second: Iterable[Node]) -> bool:
    """Whether any node of one set is in the other (xpath-node-equal)."""
    return not set(first).isdisjoint(second)


def node_within(first: Iterable[Node], second: Iterable[Node]) -> bool:
    """Whether any node of the second set is one of the first, or lies below one (xpath-node-match)."""
    roots = set(first)
    return any(not roots.isdisjoint(node.upward()) for node in second)


def document_node(root: etree._Element) -> Node:
    """The document node above a root element."""
    return Node(DOCUMENT, "", root)


def element_node(element: etree._Element) -> Node:
    """The node of an element, comment or processing instruction."""
    # lxml gives comments and instructions its own functions as tags, which its stubs do not know.
    tag: Any = element.tag
    if tag is etree.Comment:
        return Node(COMMENT, element.text or "", element)
    if tag is etree.ProcessingInstruction:
        return Node(INSTRUCTION, element.text or "", element)
    return Node(ELEMENT, "", element)


def node_of_lxml(result: Any) -> Node:
    """A node from what lxml selects: elements, and texts that remember where they stood."""
    if etree.iselement(result):
        return element_node(result)
    owner = result.getparent()
    if result.is_attribute:
        return Node(ATTRIBUTE, str(result), owner, result.attrname)
    if result.is_tail:
        return Node(TEXT, str(result), owner.getparent(), owner)
    return Node(TEXT, str(result), owner)


def node_of_elementpath(result: Any, root: etree._Element) -> Node:
    """A node from what elementpath selects in the document of a root element."""
    if isinstance(result, DocumentNode):
        return document_node(root)
    if isinstance(result, AttributeNode | TextNode):
        owner: Any = result.parent
        if isinstance(result, AttributeNode):
            return Node(ATTRIBUTE, result.string_value, owner.value, result.name)
        return Node(TEXT, result.string_value, owner.value, _before(result, owner))
    return element_node(result.value)


def _before(text: TextNode, owner: Any) -> Any:
    """The element, comment or instruction that a text follows in its element; None if it is the first."""
    before = None
    for sibling in owner.children:
        if sibling is text:
            break
        before = sibling
    return None if before is None else before.value
