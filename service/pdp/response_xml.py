"""Responses in XML of XACML 3.0 (core, section 5.47).

They are put together as text: a response is small, its shape is fixed, and building a tree first would cost
more than the decision.
"""

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from service.pdp.datatypes import XPATH_EXPRESSION, XPathExpression
from service.pdp.errors import OK
from service.pdp.request import AttributeGroup, Value
from service.pdp.response import (
    STATUS_OK,
    Advice,
    Assignment,
    Decision,
    Obligation,
    PolicyId,
    Response,
    Result,
    Status,
)

_HEAD: Final = (
    "<?xml version='1.0' encoding='UTF-8'?>\n<Response xmlns=\"urn:oasis:names:tc:xacml:3.0:core:schema:wd-17\">"
)
_OK: Final = f'<Status><StatusCode Value="{OK}"/></Status>'


def encode_xml(response: Response) -> bytes:
    """Write a response in XML of XACML 3.0."""
    if len(response.results) == 1 and _is_plain(response.results[0], with_policies=response.with_policies):
        return _PLAIN[response.results[0].decision]
    results = "".join([_result(result, with_policies=response.with_policies) for result in response.results])
    return f"{_HEAD}{results}</Response>".encode()


def _is_plain(result: Result, *, with_policies: bool) -> bool:
    """Whether a result tells nothing but its decision, as most do."""
    return not (
        result.obligations
        or result.advice
        or result.attributes
        or (with_policies and result.policies)
        or result.status is not STATUS_OK
    )


def _result(result: Result, *, with_policies: bool) -> str:
    parts = [
        f"<Result><Decision>{result.decision.value}</Decision>",
        status_xml(result.status),
        _listed("Obligations", [_obligation(each) for each in result.obligations]),
        _listed("AssociatedAdvice", [_advice(each) for each in result.advice]),
        "".join([_attributes(group) for group in result.attributes]),
        _policies(result.policies) if with_policies else "",
        "</Result>",
    ]
    return "".join(parts)


def status_xml(status: Status) -> str:
    """A `<Status>`."""
    if status.code == OK and status.message is None:
        return _OK
    message = "" if status.message is None else f"<StatusMessage>{escape(status.message)}</StatusMessage>"
    detail = _listed(
        "StatusDetail",
        [
            f"<MissingAttributeDetail{attribute_xml('Category', missing.category)}"
            f"{attribute_xml('AttributeId', missing.attribute_id)}{attribute_xml('DataType', missing.data_type)}"
            f"{attribute_xml('Issuer', missing.issuer)}/>"
            for missing in status.missing
        ],
    )
    return f"<Status><StatusCode{attribute_xml('Value', status.code)}/>{message}{detail}</Status>"


def _obligation(obligation: Obligation) -> str:
    given = "".join([assignment_xml(each) for each in obligation.assignments])
    return f"<Obligation{attribute_xml('ObligationId', obligation.id)}>{given}</Obligation>"


def _advice(advice: Advice) -> str:
    given = "".join([assignment_xml(each) for each in advice.assignments])
    return f"<Advice{attribute_xml('AdviceId', advice.id)}>{given}</Advice>"


def assignment_xml(assignment: Assignment) -> str:
    """An `<AttributeAssignment>`."""
    xpath = assignment.value if assignment.data_type is XPATH_EXPRESSION else None
    return (
        f"<AttributeAssignment{attribute_xml('AttributeId', assignment.attribute_id)}"
        f"{attribute_xml('Category', assignment.category)}{attribute_xml('Issuer', assignment.issuer)}"
        f"{attribute_xml('DataType', assignment.data_type.uri)}{_xpath(xpath)}>"
        f"{escape(assignment.text)}</AttributeAssignment>"
    )


def _attributes(group: AttributeGroup) -> str:
    attributes = "".join(
        [
            f'<Attribute IncludeInResult="true"{attribute_xml("AttributeId", attribute.attribute_id)}'
            f"{attribute_xml('Issuer', attribute.issuer)}>{_values(attribute.values)}</Attribute>"
            for attribute in group.attributes
        ]
    )
    xml_id = attribute_xml("xml:id", group.xml_id)
    return f"<Attributes{attribute_xml('Category', group.category)}{xml_id}>{attributes}</Attributes>"


def _values(values: Iterable[Value]) -> str:
    return "".join(
        [
            f"<AttributeValue{attribute_xml('DataType', value.data_type)}{_xpath(value.xpath)}>"
            f"{escape(value.text)}</AttributeValue>"
            for value in values
        ]
    )


def _xpath(expression: XPathExpression | None) -> str:
    """The attributes that an XPath needs to be understood: its category and its prefixes."""
    if expression is None:
        return ""
    prefixes = "".join([attribute_xml(f"xmlns:{prefix}", uri) for prefix, uri in expression.namespaces])
    return f"{attribute_xml('XPathCategory', expression.category)}{prefixes}"


def _policies(policies: Iterable[PolicyId]) -> str:
    return _listed(
        "PolicyIdentifierList",
        [
            f"<{name}{attribute_xml('Version', policy.version)}>{escape(policy.id)}</{name}>"
            for policy in policies
            for name in ("PolicySetIdReference" if policy.is_set else "PolicyIdReference",)
        ],
    )


_PLAIN: Final = {
    decision: f"{_HEAD}<Result><Decision>{decision.value}</Decision>{_OK}</Result></Response>".encode()
    for decision in Decision
}


def _listed(name: str, items: list[str]) -> str:
    return f"<{name}>{''.join(items)}</{name}>" if items else ""


def attribute_xml(name: str, value: str | None) -> str:
    """An attribute with its leading space, or nothing for None."""
    return "" if value is None else f" {name}={quoteattr(value)}"
