"""What evaluating a rule, a policy or a policy set comes to, before it is told to anyone."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from service.pdp.context import MissingAttributeError
from service.pdp.errors import EvaluationError
from service.pdp.response import (
    STATUS_OK,
    Advice,
    Decider,
    Decision,
    Erring,
    MissingAttribute,
    Obligation,
    PolicyId,
    Status,
)


class Verdict(Enum):
    """A decision with the extended Indeterminate values of 3.0 core, section 7.10."""

    PERMIT = (Decision.PERMIT, "")
    DENY = (Decision.DENY, "")
    NOT_APPLICABLE = (Decision.NOT_APPLICABLE, "")
    INDETERMINATE_D = (Decision.INDETERMINATE, "D")
    INDETERMINATE_P = (Decision.INDETERMINATE, "P")
    INDETERMINATE_DP = (Decision.INDETERMINATE, "DP")

    def __init__(self, decision: Decision, extent: str) -> None:
        """Keep the decision it is told as, and of an Indeterminate what it could have become."""
        self.decision = decision
        self.extent = extent


PERMIT: Final = Verdict.PERMIT
DENY: Final = Verdict.DENY
NOT_APPLICABLE: Final = Verdict.NOT_APPLICABLE
INDETERMINATE_D: Final = Verdict.INDETERMINATE_D
INDETERMINATE_P: Final = Verdict.INDETERMINATE_P
INDETERMINATE_DP: Final = Verdict.INDETERMINATE_DP

# What an error leaves of a verdict (3.0 core, section 7.12, table 7; section 7.14 for obligations).
CLOUDED: Final = {
    PERMIT: INDETERMINATE_P,
    DENY: INDETERMINATE_D,
    INDETERMINATE_P: INDETERMINATE_P,
    INDETERMINATE_D: INDETERMINATE_D,
    INDETERMINATE_DP: INDETERMINATE_DP,
    NOT_APPLICABLE: NOT_APPLICABLE,
}

VERDICT_OF: Final = {Decision.PERMIT: PERMIT, Decision.DENY: DENY}


class Outcome(NamedTuple):
    """A verdict and what goes with it; the fields are those of `service.pdp.response.Result`."""

    verdict: Verdict
    status: Status = STATUS_OK
    obligations: tuple[Obligation, ...] = ()
    advice: tuple[Advice, ...] = ()
    deciders: tuple[Decider, ...] = ()
    errors: tuple[Erring, ...] = ()
    policies: tuple[PolicyId, ...] = ()


NOTHING: Final = Outcome(NOT_APPLICABLE)


def status_of(error: EvaluationError) -> Status:
    """The status that an evaluation error is told as."""
    missing = error.missing if isinstance(error, MissingAttributeError) else ()
    return Status(error.status_code, error.message, missing)


def failed(verdict: Verdict, who: Decider, error: EvaluationError) -> Outcome:
    """The Indeterminate of something that could not be evaluated."""
    status = status_of(error)
    return Outcome(verdict, status, errors=(Erring(who, status),))


def merged(verdict: Verdict, seen: Sequence[Outcome]) -> Outcome:
    """One outcome out of those that a combining algorithm has seen, none of them NotApplicable.

    Obligations and deciders are those of the children that agree with the verdict (3.0 core, section 7.18);
    errors and applicable policies are those of all.
    """
    if len(seen) == 1 and seen[0].verdict is verdict:
        return seen[0]
    errors = tuple(error for outcome in seen for error in outcome.errors)
    policies = tuple(policy for outcome in seen for policy in outcome.policies)
    if verdict.extent:
        return Outcome(verdict, status_of_all(errors), errors=errors, policies=policies)
    same = [outcome for outcome in seen if outcome.verdict is verdict]
    return Outcome(
        verdict,
        STATUS_OK,
        tuple(obligation for outcome in same for obligation in outcome.obligations),
        tuple(advice for outcome in same for advice in outcome.advice),
        tuple(decider for outcome in same for decider in outcome.deciders),
        errors,
        policies,
    )


def status_of_all(errors: Sequence[Erring]) -> Status:
    """The first error's status, with the missing attributes of all: so that the client can send them at once.

    3.0 core, section 7.17.3: a client may try again with the attributes that the detail names.
    """
    if not errors:
        return STATUS_OK
    first = errors[0].status
    if not first.missing or len(errors) == 1:
        return first
    return Status(first.code, first.message, _unique(error.status.missing for error in errors))


def _unique(missing: Iterable[tuple[MissingAttribute, ...]]) -> tuple[MissingAttribute, ...]:
    return tuple(dict.fromkeys(attribute for some in missing for attribute in some))
