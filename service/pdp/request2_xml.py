"""Requests of XACML 2.0 in XML (2.0 core, section 6), read into the request of 3.0."""

from typing import Final

from lxml import etree

from service.pdp.datatypes import XPATH_EXPRESSION
from service.pdp.errors import RequestError
from service.pdp.limits import Limits
from service.pdp.request import (
    ACTION,
    ENVIRONMENT,
    RESOURCE,
    SUBJECT,
    Attribute,
    AttributeGroup,
    Request,
    Value,
)
from service.pdp.request_walk import InvalidRequestError, check_nodes, only, required, unexpected
from service.pdp.xml_input import line_of, local_name

CONTEXT2: Final = "urn:oasis:names:tc:xacml:2.0:context:schema:os"

_PREFIX: Final = f"{{{CONTEXT2}}}"
_SUBJECT_NAMES: Final = frozenset({"SubjectCategory"})
_ATTRIBUTE_NAMES: Final = frozenset({"AttributeId", "DataType", "Issuer"})
_CATEGORIES: Final = {
    f"{_PREFIX}Subject": SUBJECT,
    f"{_PREFIX}Resource": RESOURCE,
    f"{_PREFIX}Action": ACTION,
    f"{_PREFIX}Environment": ENVIRONMENT,
}


def read_request2(root: etree._Element, limits: Limits) -> Request:
    """Read a request of XACML 2.0. Raises `InvalidRequestError` and `RequestError`.

    Subjects of the same category are one (2.0 core, section 6.2); several resources are several decisions
    (Multiple Resource Profile 2.0), which 3.0 says with a repeated category.
    """
    if root.tag != f"{_PREFIX}Request":
        raise InvalidRequestError(f"the root is <{local_name(root)}>, not <Request>")
    check_nodes(root, limits)
    merged: dict[str, list[Attribute]] = {}
    resources: list[AttributeGroup] = []
    for element in root:
        only(element, _SUBJECT_NAMES if element.tag == f"{_PREFIX}Subject" else frozenset())
        category = _CATEGORIES.get(str(element.tag))
        if category is None:
            raise unexpected(element)
        attributes = _attributes(element)
        if category == RESOURCE:
            resources.append(AttributeGroup(RESOURCE, tuple(attributes)))
        else:
            merged.setdefault(element.get("SubjectCategory", category), []).extend(attributes)
    if not resources:
        raise InvalidRequestError("a <Request> needs at least one <Resource>")
    groups = [AttributeGroup(category, tuple(attributes)) for category, attributes in merged.items()]
    count = sum(len(attribute.values) for group in groups + resources for attribute in group.attributes)
    if count > limits.attributes:
        raise RequestError(f"the request has {count} attribute values, more than {limits.attributes}")
    return Request((*groups, *resources), version="2.0", document=root)


def _attributes(element: etree._Element) -> list[Attribute]:
    attributes = []
    for child in element:
        if child.tag == f"{_PREFIX}Attribute":
            attributes.append(_attribute(child))
        elif child.tag != f"{_PREFIX}ResourceContent" or attributes:
            raise unexpected(child)
    return attributes


def _attribute(element: etree._Element) -> Attribute:
    only(element, _ATTRIBUTE_NAMES)
    data_type = required(element, "DataType")
    values = []
    for child in element:
        if child.tag != f"{_PREFIX}AttributeValue":
            raise unexpected(child)
        if data_type == XPATH_EXPRESSION.uri:
            raise InvalidRequestError(f"line {line_of(child)}: XACML 2.0 has no data type {data_type}")
        values.append(Value(data_type, "".join(str(text) for text in child.itertext())))
    if not values:
        raise InvalidRequestError(f"line {line_of(element)}: an <Attribute> needs at least one <AttributeValue>")
    return Attribute(required(element, "AttributeId"), tuple(values), element.get("Issuer"))
