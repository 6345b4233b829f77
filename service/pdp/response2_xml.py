"""Responses of XACML 2.0 in XML (2.0 core, section 6.9): for those who asked in 2.0.

2.0 has no advice and no list of policies; what 3.0 policies add of these is left out. Obligations say on which
effect they are due, which is the decision's.
"""

from typing import Final

from service.pdp.response import Decision, Obligation, Response, Result
from service.pdp.response_xml import assignment_xml, attribute_xml, status_xml

_HEAD: Final = (
    "<?xml version='1.0' encoding='UTF-8'?>\n<Response xmlns=\"urn:oasis:names:tc:xacml:2.0:context:schema:os\">"
)
_OBLIGATIONS: Final = 'Obligations xmlns="urn:oasis:names:tc:xacml:2.0:policy:schema:os"'


def encode_xml2(response: Response) -> bytes:
    """Write a response in XML of XACML 2.0."""
    return f"{_HEAD}{''.join([_result(result) for result in response.results])}</Response>".encode()


def _result(result: Result) -> str:
    obligations = [_obligation(each, result.decision) for each in result.obligations]
    due = f"<{_OBLIGATIONS}>{''.join(obligations)}</Obligations>" if obligations else ""
    return (
        f"<Result{attribute_xml('ResourceId', result.resource_id)}>"
        f"<Decision>{result.decision.value}</Decision>{status_xml(result.status)}{due}</Result>"
    )


def _obligation(obligation: Obligation, decision: Decision) -> str:
    given = "".join([assignment_xml(each) for each in obligation.assignments])
    return (
        f'<Obligation{attribute_xml("ObligationId", obligation.id)} FulfillOn="{decision.value}">{given}</Obligation>'
    )
