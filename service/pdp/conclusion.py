"""The last step of a rule or policy: its own obligations, what an error leaves, and its name in the result.

Both evaluators end here, so that a result is put together in one place.
"""

from collections.abc import Callable, Iterator
from typing import Any

from service.pdp.errors import EvaluationError
from service.pdp.model import AssignmentExpression
from service.pdp.outcome import CLOUDED, NOT_APPLICABLE, Outcome, Verdict, failed, status_of
from service.pdp.response import Advice, Assignment, Decider, Decision, Erring, Obligation, PolicyId

Duties = tuple[tuple[Obligation, ...], tuple[Advice, ...]]
DutiesOf = Callable[[Decision], Duties]
"""Evaluates the obligation and advice expressions that belong to an effect; raises `EvaluationError`."""


def conclude_rule(who: Decider, verdict: Verdict, duties_of: DutiesOf) -> Outcome:
    """The outcome of a rule whose target and condition hold.

    An obligation that cannot be filled in makes the rule Indeterminate (3.0 core, section 7.18).
    """
    try:
        obligations, advice = duties_of(verdict.decision)
    except EvaluationError as error:
        return failed(CLOUDED[verdict], who, error)
    return Outcome(verdict, obligations=obligations, advice=advice, deciders=(who,))


def conclude(policy: PolicyId, combined: Outcome, target_error: EvaluationError | None, duties_of: DutiesOf) -> Outcome:
    """The outcome of a policy or policy set of which the children were combined (3.0 core, section 7.12)."""
    verdict = combined.verdict
    if verdict is NOT_APPLICABLE:
        return combined
    if target_error is not None:
        return clouded(policy, combined, target_error)
    who = Decider(policy)
    policies = (*combined.policies, policy)
    if verdict.extent:
        errors = combined.errors or (Erring(who, combined.status),)
        return combined._replace(errors=errors, policies=policies)
    try:
        obligations, advice = duties_of(verdict.decision)
    except EvaluationError as error:
        return clouded(policy, combined, error)
    return Outcome(
        verdict,
        combined.status,
        combined.obligations + obligations,
        combined.advice + advice,
        combined.deciders or (who,),
        combined.errors,
        policies,
    )


def clouded(policy: PolicyId, combined: Outcome, error: EvaluationError) -> Outcome:
    """The Indeterminate that an error of the policy itself makes of its combined children (table 7)."""
    status = status_of(error)
    return Outcome(
        CLOUDED[combined.verdict],
        status,
        errors=(Erring(Decider(policy), status), *combined.errors),
        policies=(*combined.policies, policy),
    )


def assign(expression: AssignmentExpression, value: Any) -> Iterator[Assignment]:
    """One assignment per value (3.0 core, section 7.18: a bag becomes as many `<AttributeAssignment>`s)."""
    data_type = expression.expression.type.data_type
    for each in value if expression.expression.type.bag else (value,):
        yield Assignment(expression.attribute_id, expression.category, expression.issuer, data_type, each)
