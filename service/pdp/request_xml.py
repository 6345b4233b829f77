"""Requests in XML: XACML 3.0 (core, section 5.42) and 2.0 (core, section 6.1), told apart by namespace.

The walk is written for speed and is strict all the same: what the schema does not allow makes the request
invalid, and an invalid request is decided Indeterminate with syntax-error by whoever decides it.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from lxml import etree

from service.pdp.datatypes import DATA_TYPES, XPATH_EXPRESSION
from service.pdp.errors import RequestError, quoted
from service.pdp.limits import Limits
from service.pdp.reports import xpath_value
from service.pdp.request import (
    UNFOLDING,
    Attribute,
    AttributeGroup,
    Request,
    Value,
)
from service.pdp.request2_xml import CONTEXT2, read_request2
from service.pdp.request_walk import InvalidRequestError, check_nodes, only, required, unexpected
from service.pdp.xml_input import XmlError, line_of, namespace, parse_xml
from service.pdp.xpath import XPATH_VERSIONS

CONTEXT3: Final = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"

_XML_ID: Final = "{http://www.w3.org/XML/1998/namespace}id"
_XPATH: Final = XPATH_EXPRESSION.uri
_ALIASES: Final = {uri: known.uri for uri, known in DATA_TYPES.items() if uri != known.uri}
_SPECIAL: Final = UNFOLDING | {None}
_NOT_INCLUDED: Final = ("IncludeInResult", "false")
_ONLY_NOT_INCLUDED: Final = dict([_NOT_INCLUDED])
_FLAGS: Final[dict[Any, tuple[bool, bool]]] = {
    (pair if first else pair[::-1]): (policy_ids == "true", combined == "true")
    for policy_ids in ("true", "false")
    for combined in ("true", "false")
    for pair in [(("ReturnPolicyIdList", policy_ids), ("CombinedDecision", combined))]
    for first in (True, False)
}
_REQUEST_NAMES: Final = frozenset({"ReturnPolicyIdList", "CombinedDecision"})
_GROUP_NAMES: Final = frozenset({"Category"})
_ATTRIBUTE_NAMES: Final = frozenset({"AttributeId", "Issuer", "IncludeInResult"})
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_REQUEST: Final = f"{{{CONTEXT3}}}Request"
_ATTRIBUTES: Final = f"{{{CONTEXT3}}}Attributes"
_ATTRIBUTE: Final = f"{{{CONTEXT3}}}Attribute"
_VALUE: Final = f"{{{CONTEXT3}}}AttributeValue"
_CONTENT: Final = f"{{{CONTEXT3}}}Content"
_DEFAULTS: Final = f"{{{CONTEXT3}}}RequestDefaults"
_MULTI: Final = f"{{{CONTEXT3}}}MultiRequests"
_REFERENCE: Final = f"{{{CONTEXT3}}}RequestReference"
_GROUP_REFERENCE: Final = f"{{{CONTEXT3}}}AttributesReference"


def parse_xml_request(data: bytes, limits: Limits) -> Request:
    """Read a request. Raises `RequestError` when it is not well-formed or exceeds a limit."""
    try:
        root = parse_xml(data, max_bytes=limits.request_bytes)
    except XmlError as error:
        raise RequestError(error.message, error.line or None) from None
    try:
        if root.tag == _REQUEST:
            return _quick(root, limits) or _request(root, limits)
        if namespace(root) == CONTEXT2:
            return read_request2(root, limits)
    except InvalidRequestError as error:
        return Request(error=str(error), version="2.0" if namespace(root) == CONTEXT2 else "3.0")
    return Request(error=f"the root is {quoted(str(root.tag))}, not a <Request> of XACML 3.0 or 2.0")


def _quick(root: etree._Element, limits: Limits) -> Request | None:  # noqa: C901, PLR0912 - one flat loop
    """Read a request as most are: one decision, no content, nothing to be included in the result.

    None if it is any other, or not valid: the careful reader sees to that. A flat walk in document order, with a
    count of the children that are still to come at each level, sees the same tree in half the time (names in
    document order and numbers of children make a tree; that values have none follows when all counts end at 0).
    It is spelt out in one place because most of a whole decision is spent here.
    """
    flags = _FLAGS.get(tuple(root.items()))
    if flags is None:
        return None
    table: dict[Any, Any] = {}
    categories: set[Any] = set()
    groups, attributes, values, category, attribute_id, issuer = len(root), 0, 0, None, None, None
    elements = root.iter()
    next(elements)
    for element in elements:
        tag = element.tag
        if tag == _VALUE:
            data_type = element.get("DataType")
            if not values or data_type is None or data_type == _XPATH:
                return None
            values -= 1
            key = (category, attribute_id, _ALIASES.get(data_type, data_type))
            sent = (element.text or "", issuer, None)
            if key in table:
                table[key].append(sent)
            else:
                table[key] = [sent]
        elif tag == _ATTRIBUTE:
            items = element.items()
            if values or not attributes:
                return None
            attributes -= 1
            values = len(element)
            if len(items) == 2:
                (name, attribute_id), include = items if items[1] == _NOT_INCLUDED else reversed(items)
                issuer = None
                if name != "AttributeId" or include != _NOT_INCLUDED:
                    return None
            else:
                given: dict[Any, Any] = dict(items)
                attribute_id, issuer = given.pop("AttributeId", None), given.pop("Issuer", None)
                if given != _ONLY_NOT_INCLUDED:
                    return None
            if not values or attribute_id in _SPECIAL:
                return None
        elif tag == _ATTRIBUTES and groups and not attributes and not values:
            items = element.items()
            if len(items) != 1 or items[0][0] != "Category":
                return None
            groups -= 1
            attributes = len(element)
            category = items[0][1]
            categories.add(category)
        else:
            return None
    count = len(root)
    if groups or attributes or values or not count or len(categories) < count:
        return None
    if len(table) > limits.attributes or sum(map(len, table.values())) > limits.attributes:
        return None
    return Request.of_table(table, lambda: _request(root, limits).groups, *flags)


def _request(root: etree._Element, limits: Limits) -> Request:
    groups: list[AttributeGroup] = []
    references: tuple[tuple[str, ...], ...] = ()
    xpath_version = "1.0"
    count = 0
    only(root, _REQUEST_NAMES)
    for element in root:
        tag = element.tag
        if tag == _ATTRIBUTES and not references:
            group = read_group(element, limits)
            groups.append(group)
            count += sum([len(attribute.values) for attribute in group.attributes])
        elif tag == _MULTI and groups and not references:
            references = tuple(_references(element))
        elif tag == _DEFAULTS and not groups:
            xpath_version = _xpath_version(element)
        else:
            raise unexpected(element)
    if not groups:
        raise InvalidRequestError("a <Request> needs at least one <Attributes>")
    names = [group.xml_id for group in groups if group.xml_id is not None]
    if len(set(names)) < len(names):
        raise InvalidRequestError("two <Attributes> have the same xml:id")
    if count > limits.attributes:
        raise RequestError(f"the request has {count} attribute values, more than {limits.attributes}")
    return Request(
        tuple(groups),
        return_policy_ids=_boolean(root, "ReturnPolicyIdList"),
        combined_decision=_boolean(root, "CombinedDecision"),
        references=references,
        xpath_version=xpath_version,
    )


def read_group(element: etree._Element, limits: Limits) -> AttributeGroup:
    """Read an `<Attributes>`. Raises `InvalidRequestError` and `RequestError`."""
    only(element, _GROUP_NAMES)
    content: etree._Element | None = None
    attributes: list[Attribute] = []
    for child in element:
        tag = child.tag
        if tag == _ATTRIBUTE:
            attributes.append(_attribute(child))
        elif tag == _CONTENT and content is None and not attributes:
            content = content_of(child, limits)
        else:
            raise unexpected(child)
    return AttributeGroup(required(element, "Category"), tuple(attributes), content, element.get(_XML_ID))


def _attribute(element: etree._Element) -> Attribute:
    only(element, _ATTRIBUTE_NAMES)
    values = []
    for child in element:
        if child.tag != _VALUE:
            raise unexpected(child)
        values.append(_value(child))
    if not values:
        raise InvalidRequestError(f"line {line_of(element)}: an <Attribute> needs at least one <AttributeValue>")
    return Attribute(
        required(element, "AttributeId"),
        tuple(values),
        element.get("Issuer"),
        _boolean(element, "IncludeInResult"),
    )


def _value(element: etree._Element) -> Value:
    data_type = required(element, "DataType")
    if len(element):
        raise unexpected(element[0])
    if data_type == XPATH_EXPRESSION.uri:
        return Value(data_type, element.text or "", xpath_value(element))
    return Value(data_type, element.text or "")


def _xpath_version(element: etree._Element) -> str:
    texts = [(child.text or "").strip() for child in element]
    version = XPATH_VERSIONS.get(texts[0].lower()) if len(texts) == 1 else None
    if version is None:
        raise InvalidRequestError(f"line {line_of(element)}: <RequestDefaults> names no known version of XPath")
    return version


def _references(element: etree._Element) -> Iterator[tuple[str, ...]]:
    for reference in element:
        if reference.tag != _REFERENCE:
            raise unexpected(reference)
        for child in reference:
            if child.tag != _GROUP_REFERENCE:
                raise unexpected(child)
        yield tuple(required(child, "ReferenceId") for child in reference)


def content_of(element: etree._Element, limits: Limits) -> etree._Element:
    """The one child of `<Content>`, as the root of a document of its own (3.0 core, section 5.45)."""
    children = list(element)
    if len(children) != 1:
        raise InvalidRequestError(f"line {line_of(element)}: <Content> must hold exactly one element")
    check_nodes(children[0], limits)
    content = deepcopy(children[0])
    content.tail = None
    return content


def _boolean(element: etree._Element, name: str) -> bool:
    value = _BOOLEANS.get(required(element, name))
    if value is None:
        raise InvalidRequestError(f"line {line_of(element)}: attribute `{name}` must be `true` or `false`")
    return value
