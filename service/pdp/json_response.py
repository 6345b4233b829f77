"""Responses in JSON (JSON Profile of XACML 3.0, version 1.1, section 5.2)."""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from service.pdp.datatypes import (
    BOOLEAN,
    DATA_TYPES,
    DOUBLE,
    INTEGER,
    XPATH_EXPRESSION,
    DataType,
    XPathExpression,
)
from service.pdp.request import Attribute, AttributeGroup, Value
from service.pdp.response import Advice, Assignment, MissingAttribute, Obligation, PolicyId, Response, Result, Status

_LARGEST_EXACT: Final = 2**53 - 1
"""Larger integers lose digits in programs that hold JSON numbers as doubles."""


def encode_json(response: Response) -> bytes:
    """Write a response: an object with an array of results, also if there is one only."""
    results = [_result(result, with_policies=response.with_policies) for result in response.results]
    return json.dumps({"Response": results}, separators=(",", ":")).encode()


def _result(result: Result, *, with_policies: bool) -> dict[str, Any]:
    """The Result object."""
    members: dict[str, Any] = {"Decision": result.decision.value, "Status": _status(result.status)}
    if result.obligations:
        members["Obligations"] = [_demand(each) for each in result.obligations]
    if result.advice:
        members["AssociatedAdvice"] = [_demand(each) for each in result.advice]
    if result.attributes:
        members["Category"] = [_category(group) for group in result.attributes]
    if with_policies and result.policies:
        members["PolicyIdentifierList"] = _policies(result.policies)
    return members


def _status(status: Status) -> dict[str, Any]:
    """The Status object."""
    members: dict[str, Any] = {"StatusCode": {"Value": status.code}}
    if status.message is not None:
        members["StatusMessage"] = status.message
    if status.missing:
        members["StatusDetail"] = [_missing(each) for each in status.missing]
    return members


def _missing(missing: MissingAttribute) -> dict[str, Any]:
    """The MissingAttributeDetail object."""
    members = {
        "Category": missing.category,
        "AttributeId": missing.attribute_id,
        "DataType": missing.data_type,
    }
    return members if missing.issuer is None else members | {"Issuer": missing.issuer}


def _demand(demand: Obligation | Advice) -> dict[str, Any]:
    """The ObligationOrAdvice object."""
    members: dict[str, Any] = {"Id": demand.id}
    if demand.assignments:
        members["AttributeAssignment"] = [_assignment(each) for each in demand.assignments]
    return members


def _assignment(assignment: Assignment) -> dict[str, Any]:
    """The AttributeAssignment object."""
    members = {
        "AttributeId": assignment.attribute_id,
        "Value": _json_value(assignment.data_type, assignment.value),
        "DataType": assignment.data_type.uri,
    }
    if assignment.category is not None:
        members["Category"] = assignment.category
    if assignment.issuer is not None:
        members["Issuer"] = assignment.issuer
    return members


def _category(group: AttributeGroup) -> dict[str, Any]:
    members: dict[str, Any] = {"CategoryId": group.category}
    if group.xml_id is not None:
        members["Id"] = group.xml_id
    members["Attribute"] = [each for attribute in group.attributes for each in _attributes(attribute)]
    return members


def _attributes(attribute: Attribute) -> Iterator[dict[str, Any]]:
    """An attribute, as many times as it has data types: in JSON all values are of one (section 3.3)."""
    for data_type, values in groupby(attribute.values, key=lambda value: value.data_type):
        written = [_request_value(value) for value in values]
        members = {
            "AttributeId": attribute.attribute_id,
            "Value": written[0] if len(written) == 1 else written,
            "DataType": data_type,
            "IncludeInResult": True,
        }
        yield members if attribute.issuer is None else members | {"Issuer": attribute.issuer}


def _request_value(value: Value) -> Any:
    if value.xpath is not None:
        return _json_value(XPATH_EXPRESSION, value.xpath)
    data_type = DATA_TYPES.get(value.data_type)
    if data_type not in {BOOLEAN, INTEGER, DOUBLE}:
        return value.text
    try:
        return _json_value(data_type, data_type.parse(value.text))
    except ValueError:
        return value.text  # told as it was sent, although no policy could have used it


def _json_value(data_type: DataType, value: Any) -> Any:
    """The JSON value that stands for a value of a data type; mostly its lexical form (section 3.3)."""
    if data_type is BOOLEAN:
        return value
    if data_type is INTEGER:
        return value if abs(value) <= _LARGEST_EXACT else data_type.format(value)
    if data_type is DOUBLE:
        # Section 3.3, special numeric values: JSON has no NaN, no infinity and no negative zero.
        exact = math.isfinite(value) and not (value == 0 and math.copysign(1, value) < 0)
        return value if exact else data_type.format(value)
    if data_type is XPATH_EXPRESSION:
        return _xpath(value)
    return data_type.format(value)


def _xpath(expression: XPathExpression) -> dict[str, Any]:
    """Section 3.3, the xpathExpression data type."""
    members: dict[str, Any] = {"XPathCategory": expression.category or "", "XPath": expression.expression}
    if expression.namespaces:
        members["Namespaces"] = [
            {"Prefix": prefix, "Namespace": uri} if prefix else {"Namespace": uri}
            for prefix, uri in expression.namespaces
        ]
    return members


def _policies(policies: Iterable[PolicyId]) -> dict[str, Any]:
    """The PolicyIdentifierList object."""
    lists: dict[str, list[dict[str, str]]] = {}
    for policy in policies:
        name = "PolicySetIdReference" if policy.is_set else "PolicyIdReference"
        lists.setdefault(name, []).append({"Id": policy.id, "Version": policy.version})
    return lists
