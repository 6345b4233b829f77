"""Deliveries and policies to ask the gate about."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service import pdp, pep
from service.pap import CurrentSnapshot
from service.pip import DeliveryFacts

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLICIES = Path(__file__).parents[2] / "policies"
XACML = 'xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"'
STRING = "http://www.w3.org/2001/XMLSchema#string"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def facts(**changes: Any) -> DeliveryFacts:
    """A user who is created in `sandbox` by `hr-portal`, but for `changes`."""
    known: dict[str, Any] = {
        "tenant": "carbon.super",
        "service_provider": "hr-portal",
        "identity_provider": "sandbox",
        "connector_type": "scim2",
        "entity_type": "user",
        "entity_name": "alice",
        "domain": "PRIMARY",
        "operation": "create",
        "effective_operation": changes.get("operation", "create"),
        "channel": "api",
        "jit": False,
        "attempt": 1,
        "attributes": {"userName": "alice"},
    }
    return DeliveryFacts(**known | changes)


def compiled(*policies: str | bytes) -> CurrentSnapshot:
    """Root policies as the policies in force."""
    sources = [(f"{n}.xml", one.encode() if isinstance(one, str) else one) for n, one in enumerate(policies)]
    snapshot = pdp.compile_policies(sources)
    return CurrentSnapshot(snapshot=snapshot, hash=snapshot.hash, sequence=1, state="ok")


def ask(
    policies: CurrentSnapshot,
    known: DeliveryFacts | None = None,
    *,
    now: datetime = NOON,
    not_applicable: str = "refuse",
    approved: frozenset[str] = frozenset(),
) -> pep.Verdict:
    """What the gate says."""
    return pep.enforce(
        known or facts(),
        snapshot=policies,
        not_applicable=not_applicable,  # type: ignore[arg-type]
        approved_policies=approved,
        now=now,
    )


def policy(name: str, effect: str = "Permit", *, rule: str = "only", inside: str = "", condition: str = "") -> str:
    """A policy of one rule; `inside` goes into the rule, `condition` into its condition."""
    held = f"<Condition>{condition}</Condition>" if condition else ""
    return f"""<Policy {XACML} PolicyId="{name}" Version="1.0"
      RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides">
      <Target/><Rule RuleId="{rule}" Effect="{effect}">{held}{inside}</Rule></Policy>"""


def is_in(value: str, attribute: str, category: str, *, must_be_present: bool = False) -> str:
    """The condition that an attribute has a value."""
    return f"""<Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:string-is-in">
      <AttributeValue DataType="{STRING}">{value}</AttributeValue>
      <AttributeDesignator Category="{category}" AttributeId="{attribute}" DataType="{STRING}"
        MustBePresent="{str(must_be_present).lower()}"/></Apply>"""


def obligation(id_: str, effect: str = "Permit", **texts: str) -> str:
    """An obligation of a rule."""
    assigned = "".join(
        f'<AttributeAssignmentExpression AttributeId="{name}"><AttributeValue DataType="{STRING}">{text}'
        "</AttributeValue></AttributeAssignmentExpression>"
        for name, text in texts.items()
    )
    return f"""<ObligationExpressions><ObligationExpression ObligationId="{id_}" FulfillOn="{effect}">{assigned}
      </ObligationExpression></ObligationExpressions>"""
