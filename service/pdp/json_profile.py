"""Requests in JSON (JSON Profile of XACML 3.0, version 1.1); `json_response` writes the answers.

The sections named here are those of the profile. Numbers keep their text, because it tells an integer from a
double and has as many digits as the sender wrote; what the profile leaves to the text is as strict as the XML
reader: unknown and repeated members make a request invalid.
"""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, TypeVar

from lxml import etree

from service.pdp.datatypes import (
    ALL_DATA_TYPES,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    STRING,
    XPATH_EXPRESSION,
    XPathExpression,
)
from service.pdp.errors import RequestError, quoted
from service.pdp.limits import Limits
from service.pdp.request import ACTION, ENVIRONMENT, RESOURCE, SUBJECT, Attribute, AttributeGroup, Request, Value
from service.pdp.request_walk import InvalidRequestError, check_nodes
from service.pdp.xml_input import XmlError, parse_xml
from service.pdp.xpath import XPATH_VERSIONS

_SUBJECT_CATEGORY: Final = "urn:oasis:names:tc:xacml:1.0:subject-category:"
CATEGORIES: Final[Mapping[str, str]] = {
    "AccessSubject": SUBJECT,
    "RecipientSubject": f"{_SUBJECT_CATEGORY}recipient-subject",
    "IntermediarySubject": f"{_SUBJECT_CATEGORY}intermediary-subject",
    "Codebase": f"{_SUBJECT_CATEGORY}codebase",
    "RequestingMachine": f"{_SUBJECT_CATEGORY}requesting-machine",
    "Resource": RESOURCE,
    "Action": ACTION,
    "Environment": ENVIRONMENT,
}
"""Short names of categories (section 4.2, the Category object)."""

_DATA_TYPE_NAMES: Final = {data_type.name: data_type.uri for data_type in ALL_DATA_TYPES}
_REQUEST: Final = frozenset(
    {"ReturnPolicyIdList", "CombinedDecision", "XPathVersion", "Category", "MultiRequests", *CATEGORIES}
)
_CATEGORY: Final = frozenset({"CategoryId", "Id", "Content", "Attribute"})
_ATTRIBUTE: Final = frozenset({"AttributeId", "Value", "Issuer", "DataType", "IncludeInResult"})
_XPATH: Final = frozenset({"XPathCategory", "Namespaces", "XPath"})
_NAMESPACE: Final = frozenset({"Prefix", "Namespace"})
# Characters that no XML document can hold (XML 1.0, section 2.2), halves of surrogate pairs among them.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Read = TypeVar("_Read")


class _Number(NamedTuple):
    """A JSON number as it was written."""

    text: str
    data_type: str


def parse_json_request(data: bytes, limits: Limits) -> Request:
    """Read a request (section 4). Raises `RequestError` when it is not well-formed or exceeds a limit."""
    if len(data) > limits.request_bytes:
        raise RequestError(f"the request has {len(data)} bytes, more than {limits.request_bytes}")
    try:
        return _Reader(limits).request(_document(data))
    except InvalidRequestError as error:
        return Request(error=str(error))


def _document(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object_of,
            parse_int=lambda text: _Number(text, INTEGER.uri),
            parse_float=lambda text: _Number(text, DOUBLE.uri),
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        raise RequestError("not well-formed JSON: it is not encoded in UTF-8") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"not well-formed JSON: {error.msg.lower()}", error.lineno) from None
    except RecursionError:
        raise RequestError("not well-formed JSON: it nests too deeply") from None


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(f"member {quoted(repeated)} occurs twice in one object")
    return members


def _refuse_constant(text: str) -> Any:
    raise RequestError(f"not well-formed JSON: {quoted(text)} must be written as a string")


class _Reader:
    """Reads the objects of section 4.2, each method one of them; `InvalidRequestError` if it is none."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0

    def request(self, document: Any) -> Request:
        request = _members(_members(document, frozenset({"Request"})).get("Request"), _REQUEST)
        groups: list[AttributeGroup] = []
        for name, value in request.items():
            if name == "Category" or name in CATEGORIES:
                groups += _each(name, value, self.category if name == "Category" else self.short(name))
        if not groups:
            raise InvalidRequestError("a request needs at least one category of attributes")
        return Request(
            groups=tuple(groups),
            return_policy_ids=_flag(request, "ReturnPolicyIdList"),
            combined_decision=_flag(request, "CombinedDecision"),
            references=tuple(_references(request)),
            xpath_version=_xpath_version(request),
        )

    def short(self, name: str) -> Callable[[Any], AttributeGroup]:
        """A Category object whose category is the name of the member that holds it."""
        category = CATEGORIES[name]

        def read(value: Any) -> AttributeGroup:
            if _category(_members(value, _CATEGORY).get("CategoryId", category)) != category:
                raise InvalidRequestError("`CategoryId` names another category")
            return self.category({**value, "CategoryId": category})

        return read

    def category(self, value: Any) -> AttributeGroup:
        """The Category object."""
        members = _members(value, _CATEGORY)
        attributes = _each("Attribute", members.get("Attribute", []), self.attribute)
        return AttributeGroup(
            _category(members.get("CategoryId")),
            # An attribute without values is an empty bag, the same as no attribute.
            tuple(attribute for attribute in attributes if attribute.values),
            self.content(_text(members, "Content")) if "Content" in members else None,
            _text(members, "Id") if "Id" in members else None,
        )

    def content(self, text: str) -> etree._Element:
        """The Content object: XML, as it is or in base64."""
        data = text.strip().encode()
        if not data.startswith(b"<"):
            try:
                data = b64decode("".join(text.split()), validate=True)
            except (Base64Error, ValueError):
                raise InvalidRequestError("`Content` is neither XML nor base64") from None
        try:
            root = parse_xml(data, max_bytes=self.limits.request_bytes)
        except XmlError as error:
            raise InvalidRequestError(f"`Content`: {error.message}") from None
        check_nodes(root, self.limits)
        return root

    def attribute(self, value: Any) -> Attribute:
        """The Attribute object."""
        members = _members(value, _ATTRIBUTE)
        if "Value" not in members:
            raise InvalidRequestError("an attribute needs a member `Value`")
        raw = members["Value"]
        values = raw if type(raw) is list else [raw]
        self.count += len(values)
        if self.count > self.limits.attributes:
            raise RequestError(f"the request has more than {self.limits.attributes} attribute values")
        data_type = _data_type(_text(members, "DataType")) if "DataType" in members else _inferred(values)
        return Attribute(
            _text(members, "AttributeId"),
            tuple([_value(each, data_type) for each in values]),
            _text(members, "Issuer") if "Issuer" in members else None,
            _flag(members, "IncludeInResult"),
        )


def _members(value: Any, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"expected an object with {', '.join(f'`{name}`' for name in sorted(known))}")
    if not value.keys() <= known:
        unknown = next(name for name in value if name not in known)
        raise InvalidRequestError(f"unknown member {quoted(unknown)}")
    return value


def _each(name: str, value: Any, read: Callable[[Any], _Read]) -> list[_Read]:
    """Read every element of an array; an object alone counts as an array of one."""
    values = value if isinstance(value, list) else [value]
    results: list[_Read] = []
    for each in values:
        try:
            results.append(read(each))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{name}[{len(results) + 1}]: {error}") from None
    return results


def _text(members: Mapping[str, Any], name: str) -> str:
    return _xml_text(members.get(name), name)


def _xml_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"expected a string as `{name}`")
    if not value.isprintable() and _NO_XML.search(value):
        raise InvalidRequestError(f"`{name}` has characters that XACML cannot hold")
    return value


def _flag(members: Mapping[str, Any], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"expected `true` or `false` as `{name}`")
    return value


def _category(value: Any) -> str:
    text = _xml_text(value, "CategoryId")
    return CATEGORIES.get(text, text)


def _xpath_version(request: Mapping[str, Any]) -> str:
    if "XPathVersion" not in request:
        return "1.0"
    uri = _text(request, "XPathVersion")
    version = XPATH_VERSIONS.get(uri.lower())
    if version is None:
        raise InvalidRequestError(f"unknown `XPathVersion` {quoted(uri)}")
    return version


def _references(request: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The MultiRequests object (section 4.2): the ids of the categories that each decision is about."""
    if "MultiRequests" not in request:
        return
    multiple = _members(request["MultiRequests"], frozenset({"RequestReference"}))
    yield from _each("RequestReference", multiple.get("RequestReference", []), _reference)


def _reference(value: Any) -> tuple[str, ...]:
    members = _members(value, frozenset({"ReferenceId"}))
    return tuple(_each("ReferenceId", members.get("ReferenceId"), lambda each: _xml_text(each, "ReferenceId")))


def _data_type(name: str) -> str:
    """Section 3.3, supported data types: an address, or the short name of a data type of XACML."""
    uri = _DATA_TYPE_NAMES.get(name, name)
    if ":" not in uri:
        nearest = get_close_matches(name, _DATA_TYPE_NAMES, n=1)
        hint = f": did you mean {quoted(nearest[0])}?" if nearest else ""
        raise InvalidRequestError(f"unknown data type {quoted(name)}{hint}")
    return uri


def _inferred(values: Iterable[Any]) -> str:
    """Section 3.3, arrays of values: integers among doubles are doubles, any other mixture is of strings."""
    found = {_data_type_of(value) for value in values}
    if len(found) == 1:
        return found.pop()
    return DOUBLE.uri if found == {INTEGER.uri, DOUBLE.uri} else STRING.uri


def _data_type_of(value: Any) -> str:
    if isinstance(value, _Number):
        return value.data_type
    if isinstance(value, bool):
        return BOOLEAN.uri
    return XPATH_EXPRESSION.uri if isinstance(value, dict) else STRING.uri


def _value(value: Any, data_type: str) -> Value:
    if isinstance(value, str):
        return Value(data_type, _xml_text(value, "Value"))
    if isinstance(value, _Number):
        return Value(data_type, value.text)
    if isinstance(value, bool):
        return Value(data_type, BOOLEAN.format(value))
    if isinstance(value, dict) and data_type == XPATH_EXPRESSION.uri:
        return _xpath_value(_members(value, _XPATH))
    raise InvalidRequestError("a `Value` is a string, a number, `true`, `false`, or an array of these")


def _xpath_value(members: Mapping[str, Any]) -> Value:
    """Section 3.3, the xpathExpression data type: an expression, its category and the prefixes that it uses."""
    namespaces = tuple(_each("Namespaces", members.get("Namespaces", []), _namespace))
    text = _text(members, "XPath")
    category = _category(members.get("XPathCategory"))
    return Value(XPATH_EXPRESSION.uri, text, XPathExpression(text.strip(), namespaces, category))


def _namespace(value: Any) -> tuple[str, str]:
    members = _members(value, _NAMESPACE)
    return _xml_text(members.get("Prefix", ""), "Prefix"), _text(members, "Namespace")
