"""The combining algorithms of 3.0 core, appendix C: from the outcomes of the children to one outcome.

An algorithm evaluates children in their order and stops as soon as the result is certain. A child that is
NotApplicable never changes a result: the index of the compiled engine depends on it.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from service.pdp.context import Context
from service.pdp.errors import PROCESSING_ERROR, EvaluationError
from service.pdp.outcome import (
    DENY,
    INDETERMINATE_D,
    INDETERMINATE_DP,
    INDETERMINATE_P,
    NOT_APPLICABLE,
    NOTHING,
    PERMIT,
    Outcome,
    Verdict,
    merged,
    status_of,
)
from service.pdp.response import Status


class Child(Protocol):
    """A rule, policy or policy set under a combining algorithm."""

    def evaluate(self, context: Context) -> Outcome:
        """Evaluate it; never raises `EvaluationError`."""

    def applies(self, context: Context) -> bool:
        """Evaluate its target only. Raises `EvaluationError`."""


Combine = Callable[[Iterable[Child], Context], Outcome]


def _until(stop: Verdict, children: Iterable[Child], context: Context) -> list[Outcome]:
    """The outcomes of the applicable children, in order, up to the first that is `stop`."""
    seen: list[Outcome] = []
    for child in children:
        outcome = child.evaluate(context)
        if outcome.verdict is not NOT_APPLICABLE:
            seen.append(outcome)
            if outcome.verdict is stop:
                break
    return seen


def _overrides(strong: Verdict, weak: Verdict) -> Combine:
    """C.2 to C.5: one `strong` child settles it; errors that could have been `strong` cloud a `weak` one.

    C.10 and C.12, the algorithms of XACML 1.0 over rules, decide the same: a rule fails towards its effect only.
    They merely know no difference between the Indeterminates.
    """
    strong_error = INDETERMINATE_D if strong is DENY else INDETERMINATE_P
    weak_error = INDETERMINATE_D if weak is DENY else INDETERMINATE_P

    def combine(children: Iterable[Child], context: Context) -> Outcome:
        seen = _until(strong, children, context)
        if len(seen) < 2:
            return seen[0] if seen else NOTHING
        return merged(verdict_of({outcome.verdict for outcome in seen}), seen)

    def verdict_of(verdicts: set[Verdict]) -> Verdict:
        if strong in verdicts:
            return strong
        if INDETERMINATE_DP in verdicts:
            return INDETERMINATE_DP
        if strong_error in verdicts:
            return INDETERMINATE_DP if weak_error in verdicts or weak in verdicts else strong_error
        return weak if weak in verdicts else weak_error

    return combine


def _unless(exception: Verdict, default: Verdict) -> Combine:
    """C.6 and C.7: `exception` if any child says so, otherwise `default`, whatever else happened."""

    def combine(children: Iterable[Child], context: Context) -> Outcome:
        seen = _until(exception, children, context)
        settled = bool(seen) and seen[-1].verdict is exception
        return merged(exception if settled else default, seen)

    return combine


def _first_applicable(children: Iterable[Child], context: Context) -> Outcome:
    """C.8: the first child that is applicable or fails."""
    for child in children:
        outcome = child.evaluate(context)
        if outcome.verdict is not NOT_APPLICABLE:
            return outcome
    return NOTHING


def _only_one_applicable(children: Iterable[Child], context: Context) -> Outcome:
    """C.9: the only child whose target matches; two of them, or a target that fails, are Indeterminate."""
    chosen: Child | None = None
    for child in children:
        try:
            if not child.applies(context):
                continue
        except EvaluationError as error:
            return Outcome(INDETERMINATE_DP, status_of(error))
        if chosen is not None:
            status = Status(PROCESSING_ERROR, "more than one policy is applicable where only one may be")
            return Outcome(INDETERMINATE_DP, status)
        chosen = child
    return NOTHING if chosen is None else chosen.evaluate(context)


def _legacy_deny_overrides_of_policies(children: Iterable[Child], context: Context) -> Outcome:
    """C.11, of XACML 1.0: a policy that fails counts as Deny."""
    seen: list[Outcome] = []
    for child in children:
        outcome = child.evaluate(context)
        if outcome.verdict is NOT_APPLICABLE:
            continue
        seen.append(outcome)
        if outcome.verdict is not PERMIT:
            return merged(DENY, seen)
    return merged(PERMIT, seen) if seen else NOTHING


def _legacy_permit_overrides_of_policies(children: Iterable[Child], context: Context) -> Outcome:
    """C.13, of XACML 1.0: a Deny outweighs the failure of another policy."""
    seen = _until(PERMIT, children, context)
    if not seen:
        return NOTHING
    verdicts = {outcome.verdict for outcome in seen}
    for settled in (PERMIT, DENY):
        if settled in verdicts:
            return merged(settled, seen)
    return merged(verdicts.pop() if len(verdicts) == 1 else INDETERMINATE_DP, seen)


class Algorithm(NamedTuple):
    """A combining algorithm: how it combines, and whether it can be NotApplicable over applicable children."""

    combine: Combine
    has_default: bool = False
    """It decides although no child is applicable: such a policy cannot be skipped because of its rules."""
    one_child: bool = False
    """It looks at the targets of its children first."""
    lone_child: bool = False
    """With no more than one applicable child, the outcome of that child is its outcome."""


def _algorithms(kind: str) -> dict[str, Algorithm]:
    new = f"urn:oasis:names:tc:xacml:3.0:{kind}-combining-algorithm:"
    old = f"urn:oasis:names:tc:xacml:1.0:{kind}-combining-algorithm:"
    older = f"urn:oasis:names:tc:xacml:1.1:{kind}-combining-algorithm:"
    deny_overrides = Algorithm(_overrides(DENY, PERMIT), lone_child=True)
    permit_overrides = Algorithm(_overrides(PERMIT, DENY), lone_child=True)
    legacy_deny, legacy_permit = deny_overrides, permit_overrides
    if kind == "policy":
        legacy_deny = Algorithm(_legacy_deny_overrides_of_policies)
        legacy_permit = Algorithm(_legacy_permit_overrides_of_policies)
    return {
        f"{new}deny-overrides": deny_overrides,
        f"{new}ordered-deny-overrides": deny_overrides,
        f"{new}permit-overrides": permit_overrides,
        f"{new}ordered-permit-overrides": permit_overrides,
        f"{new}deny-unless-permit": Algorithm(_unless(PERMIT, DENY), has_default=True),
        f"{new}permit-unless-deny": Algorithm(_unless(DENY, PERMIT), has_default=True),
        f"{old}first-applicable": Algorithm(_first_applicable, lone_child=True),
        f"{old}deny-overrides": legacy_deny,
        f"{old}permit-overrides": legacy_permit,
        f"{older}ordered-deny-overrides": legacy_deny,
        f"{older}ordered-permit-overrides": legacy_permit,
    }


RULE_ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(_algorithms("rule"))
POLICY_ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    _algorithms("policy")
    | {
        "urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:only-one-applicable": Algorithm(
            _only_one_applicable, one_child=True
        )
    }
)
