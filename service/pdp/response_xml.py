"""Responses in XML: XACML 3.0 (core, section 5.47) and 2.0 (core, section 6.9).

They are put together as text: a response is small, its shape is fixed, and building a tree first would cost
more than the decision.
"""

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from service.pdp.datatypes import XPATH_EXPRESSION, XPathExpression
from service.pdp.errors import OK
from service.pdp.request import AttributeGroup, Value
from service.pdp.response import Advice, Assignment, Obligation, PolicyId, Response, Result, Status

_HEAD: Final = (
    "<?xml version='1.0' encoding='UTF-8'?>\n<Response xmlns=\"urn:oasis:names:tc:xacml:3.0:core:schema:wd-17\">"
)
_OK: Final = f'<Status><StatusCode Value="{OK}"/></Status>'


def encode_xml(response: Response) -> bytes:
    """Write a response in XML of the version that its request was written in."""
    results = "".join([_result(result, with_policies=response.with_policies) for result in response.results])
    return f"{_HEAD}{results}</Response>".encode()


def _result(result: Result, *, with_policies: bool) -> str:
    parts = [
        f"<Result><Decision>{result.decision.value}</Decision>",
        _status(result.status),
        _listed("Obligations", [_obligation(each) for each in result.obligations]),
        _listed("AssociatedAdvice", [_advice(each) for each in result.advice]),
        "".join([_attributes(group) for group in result.attributes]),
        _policies(result.policies) if with_policies else "",
        "</Result>",
    ]
    return "".join(parts)


def _status(status: Status) -> str:
    if status.code == OK and status.message is None:
        return _OK
    message = "" if status.message is None else f"<StatusMessage>{escape(status.message)}</StatusMessage>"
    detail = _listed(
        "StatusDetail",
        [
            f"<MissingAttributeDetail{_attribute('Category', missing.category)}"
            f"{_attribute('AttributeId', missing.attribute_id)}{_attribute('DataType', missing.data_type)}"
            f"{_attribute('Issuer', missing.issuer)}/>"
            for missing in status.missing
        ],
    )
    return f"<Status><StatusCode{_attribute('Value', status.code)}/>{message}{detail}</Status>"


def _obligation(obligation: Obligation) -> str:
    given = "".join([_assignment(each) for each in obligation.assignments])
    return f"<Obligation{_attribute('ObligationId', obligation.id)}>{given}</Obligation>"


def _advice(advice: Advice) -> str:
    given = "".join([_assignment(each) for each in advice.assignments])
    return f"<Advice{_attribute('AdviceId', advice.id)}>{given}</Advice>"


def _assignment(assignment: Assignment) -> str:
    xpath = assignment.value if assignment.data_type is XPATH_EXPRESSION else None
    return (
        f"<AttributeAssignment{_attribute('AttributeId', assignment.attribute_id)}"
        f"{_attribute('Category', assignment.category)}{_attribute('Issuer', assignment.issuer)}"
        f"{_attribute('DataType', assignment.data_type.uri)}{_xpath(xpath)}>"
        f"{escape(assignment.text)}</AttributeAssignment>"
    )


def _attributes(group: AttributeGroup) -> str:
    attributes = "".join(
        [
            f'<Attribute IncludeInResult="true"{_attribute("AttributeId", attribute.attribute_id)}'
            f"{_attribute('Issuer', attribute.issuer)}>{_values(attribute.values)}</Attribute>"
            for attribute in group.attributes
        ]
    )
    xml_id = _attribute("xml:id", group.xml_id)
    return f"<Attributes{_attribute('Category', group.category)}{xml_id}>{attributes}</Attributes>"


def _values(values: Iterable[Value]) -> str:
    return "".join(
        [
            f"<AttributeValue{_attribute('DataType', value.data_type)}{_xpath(value.xpath)}>"
            f"{escape(value.text)}</AttributeValue>"
            for value in values
        ]
    )


def _xpath(expression: XPathExpression | None) -> str:
    """The attributes that an XPath needs to be understood: its category and its prefixes."""
    if expression is None:
        return ""
    prefixes = "".join([_attribute(f"xmlns:{prefix}", uri) for prefix, uri in expression.namespaces])
    return f"{_attribute('XPathCategory', expression.category)}{prefixes}"


def _policies(policies: Iterable[PolicyId]) -> str:
    return _listed(
        "PolicyIdentifierList",
        [
            f"<{name}{_attribute('Version', policy.version)}>{escape(policy.id)}</{name}>"
            for policy in policies
            for name in ("PolicySetIdReference" if policy.is_set else "PolicyIdReference",)
        ],
    )


def _listed(name: str, items: list[str]) -> str:
    return f"<{name}>{''.join(items)}</{name}>" if items else ""


def _attribute(name: str, value: str | None) -> str:
    return "" if value is None else f" {name}={quoteattr(value)}"
