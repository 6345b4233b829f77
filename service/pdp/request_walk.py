"""What the readers of XML requests share: the error for an invalid request, and checks of single elements."""

from lxml import etree

from service.pdp.errors import RequestError, quoted
from service.pdp.limits import Limits
from service.pdp.xml_input import line_of, local_name


class InvalidRequestError(ValueError):
    """A well-formed request that its schema does not allow."""


def check_nodes(root: etree._Element, limits: Limits) -> None:
    """Raise `RequestError` if a document has more nodes or text than an XPath may be let loose on."""
    nodes = text = 0
    for element in root.iter():
        nodes += 2 + len(element.attrib)
        text += len(element.text or "") + len(element.tail or "") + sum(map(len, element.attrib.values()))
        if nodes > limits.content_nodes:
            raise RequestError(f"the content has more than {limits.content_nodes} nodes", line_of(root))
        if text > limits.content_text:
            raise RequestError(f"the content has more than {limits.content_text} characters", line_of(root))


def only(element: etree._Element, names: frozenset[str]) -> None:
    """Raise `InvalidRequestError` if an element has an attribute that the schema does not know.

    Those of other namespaces (xml:id, xsi:schemaLocation) are nobody's business.
    """
    for name in element.attrib:
        if name not in names and not str(name).startswith("{"):
            message = f"line {line_of(element)}: unknown attribute {quoted(str(name))} of <{local_name(element)}>"
            raise InvalidRequestError(message)


def required(element: etree._Element, name: str) -> str:
    """An attribute that the schema requires. Raises `InvalidRequestError`."""
    value = element.get(name)
    if value is None:
        raise InvalidRequestError(f"line {line_of(element)}: <{local_name(element)}> has no attribute `{name}`")
    return value


def unexpected(element: etree._Element) -> InvalidRequestError:
    """The error for an element that must not stand where it stands."""
    parent = element.getparent()
    inside = "" if parent is None else f" in <{local_name(parent)}>"
    return InvalidRequestError(f"line {line_of(element)}: unexpected element {quoted(str(element.tag))}{inside}")
