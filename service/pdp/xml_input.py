"""The only door through which XML comes in: no DTD, no entities, no network, bounded size and depth.

Whoever needs an element of a policy, request or content gets it from `parse_xml`.
"""

import threading
from typing import Any, Final

from lxml import etree

# libxml2 refuses to nest deeper than this (unless huge_tree is set): so recursion over a tree is bounded.
PARSER_DEPTH: Final = 256


class XmlError(ValueError):
    """Bytes that are no XML document which the engine reads."""

    def __init__(self, message: str, line: int) -> None:
        """Keep the message and the line it is about (0: the input as a whole)."""
        super().__init__(message)
        self.message = message
        self.line = line


class _Parsers(threading.local):
    """A parser per thread: making one costs as much as a small document, and shared ones wait for each other."""

    def __init__(self) -> None:
        self.parser = _hardened()


def _hardened() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        collect_ids=False,  # a doubled xml:id is for the reader to report; libxml2 would stop
        remove_comments=True,
        remove_pis=True,
    )


_PARSERS: Final = _Parsers()


def parse_xml(data: bytes | str, *, max_bytes: int) -> etree._Element:
    """Parse one XML document of at most `max_bytes` bytes and return its root.

    Raises `XmlError` when it is too long, not well-formed, nested too deep, or has a document type
    declaration: entities are how XML reads files and grows without bound.
    """
    if len(data) > max_bytes:
        raise XmlError(f"the document has {len(data)} bytes, more than {max_bytes}", 0)
    try:
        root = etree.fromstring(data, _PARSERS.parser)
    except etree.XMLSyntaxError as error:
        raise XmlError(_reason(error), error.lineno or 0) from None
    except ValueError as error:  # text with an encoding declaration, or with NUL characters
        raise XmlError(f"not well-formed XML: {error}", 0) from None
    docinfo: Any = root.getroottree().docinfo
    if docinfo.internalDTD is not None:
        raise XmlError("a document type declaration (DOCTYPE) is not accepted", 1)
    return root


def _reason(error: etree.XMLSyntaxError) -> str:
    text = error.msg or "no reason given"
    if "xcessive depth" in text:
        return f"elements are nested deeper than {PARSER_DEPTH} levels"
    return f"not well-formed XML: {text.rsplit(', line ', 1)[0]}"


def line_of(element: etree._Element) -> int:
    """The line on which an element begins; 0 when it was not read from text."""
    sourceline: Any = element.sourceline
    return sourceline or 0


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace."""
    tag = str(element.tag)
    return tag[tag.find("}") + 1 :]


def prefixes_of(element: etree._Element) -> dict[str, str]:
    """The namespace prefixes in scope at an element, in order; an XPath knows no default namespace."""
    scope: dict[Any, Any] = element.nsmap
    return {str(prefix): str(uri) for prefix, uri in sorted(scope.items(), key=str) if prefix}


def namespace(element: etree._Element) -> str:
    """The namespace of an element, empty when it has none."""
    tag = str(element.tag)
    return tag[1 : tag.find("}")] if tag.startswith("{") else ""


def path_of(element: etree._Element) -> str:
    """Where an element stands, as an XPath without prefixes: `/Policy/Rule[2]/Condition`."""
    steps: list[str] = []
    current: etree._Element | None = element
    while current is not None:
        name = local_name(current)
        before = sum(1 for _ in current.itersiblings(current.tag, preceding=True))
        alone = before == 0 and next(current.itersiblings(current.tag), None) is None
        steps.append(name if alone else f"{name}[{before + 1}]")
        current = current.getparent()
    return "/" + "/".join(reversed(steps))
