"""The plain evaluator: one policy against one request, straight from the model, nothing prepared.

It is the reference: the compiled engine must report the same in every detail, and differential tests hold it
to that. It is written to be checked against the specification, not to be fast.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from service.pdp.combining import POLICY_ALGORITHMS, RULE_ALGORITHMS
from service.pdp.conclusion import assign, conclude, conclude_rule
from service.pdp.context import Context, MissingAttributeError
from service.pdp.errors import EvaluationError
from service.pdp.forms import FORMS
from service.pdp.model import (
    AllOf,
    AnyOf,
    Call,
    Constant,
    Designator,
    Expression,
    Form,
    Match,
    ObligationExpression,
    Policy,
    PolicySet,
    Reference,
    Rule,
    Selector,
    Target,
    VariableUse,
)
from service.pdp.outcome import (
    CLOUDED,
    INDETERMINATE_DP,
    NOTHING,
    VERDICT_OF,
    Outcome,
    failed,
)
from service.pdp.response import Advice, Assignment, Decider, Decision, MissingAttribute, Obligation
from service.pdp.selection import selected


class RuleChild:
    """A rule as a child of its policy's combining algorithm."""

    def __init__(self, evaluator: "Evaluator", rule: Rule, policy: Policy) -> None:
        self._evaluator = evaluator
        self._rule = rule
        self._policy = policy

    def evaluate(self, context: Context) -> Outcome:
        """Evaluate the rule."""
        return self._evaluator.rule(self._rule, self._policy, context)

    def applies(self, context: Context) -> bool:
        """Evaluate the rule's target."""
        return self._evaluator.target(self._rule.target, self._policy, context)


class PolicyChild:
    """A policy or policy set as a child of a policy set's combining algorithm."""

    def __init__(self, evaluator: "Evaluator", policy: Policy | PolicySet) -> None:
        self._evaluator = evaluator
        self._policy = policy

    def evaluate(self, context: Context) -> Outcome:
        """Evaluate the policy or policy set."""
        return self._evaluator.policy(self._policy, context)

    def applies(self, context: Context) -> bool:
        """Evaluate its target."""
        return self._evaluator.target(self._policy.target, self._policy, context)


class Evaluator:
    """Evaluates policies of the model. It has no state; the explaining evaluator overrides its methods."""

    def roots(self, policies: Sequence[Policy | PolicySet], algorithm: str, context: Context) -> Outcome:
        """Evaluate root policies: none, one as itself, or several under a policy set that never shows."""
        if not policies:
            return NOTHING
        if len(policies) == 1:
            return self.policy(policies[0], context)
        children = (PolicyChild(self, policy) for policy in policies)
        return POLICY_ALGORITHMS[algorithm].combine(children, context)

    def policy(self, policy: Policy | PolicySet, context: Context) -> Outcome:
        """Evaluate a policy or policy set (3.0 core, sections 7.12 and 7.13)."""
        target_error: EvaluationError | None = None
        try:
            if not self.target(policy.target, policy, context):
                return NOTHING
        except EvaluationError as error:
            if policy.xacml2:  # 2.0 core, section 7.10, table 6: whatever the rules say
                return failed(INDETERMINATE_DP, Decider(policy.id), error)._replace(policies=(policy.id,))
            target_error = error
        combined = self.combined(policy, context)
        obligations = partial(self.obligations, policy.obligations, context)
        return conclude(policy.id, combined, target_error, obligations)

    def combined(self, policy: Policy | PolicySet, context: Context) -> Outcome:
        """Evaluate and combine the children of a policy or policy set, its own target apart."""
        if isinstance(policy, Policy):
            rules = (RuleChild(self, rule, policy) for rule in policy.rules)
            return RULE_ALGORITHMS[policy.algorithm].combine(rules, context)
        children = (PolicyChild(self, child) for child in policy.children if not isinstance(child, Reference))
        return POLICY_ALGORITHMS[policy.algorithm].combine(children, context)

    def rule(self, rule: Rule, policy: Policy, context: Context) -> Outcome:
        """Evaluate a rule (3.0 core, section 7.11)."""
        who = Decider(policy.id, rule.rule_id)
        verdict = VERDICT_OF[rule.effect]
        try:
            if not self.target(rule.target, policy, context):
                return NOTHING
            if rule.condition is not None and not self.condition(rule.condition, context):
                return NOTHING
        except EvaluationError as error:
            return failed(CLOUDED[verdict], who, error)
        return conclude_rule(who, verdict, partial(self.obligations, rule.obligations, context))

    def condition(self, expression: Expression, context: Context) -> bool:
        """Whether a condition holds (3.0 core, section 7.9). Raises `EvaluationError`."""
        return bool(self.expression(expression, context))

    def target(self, target: Target, policy: Policy | PolicySet, context: Context) -> bool:
        """Whether a target matches (3.0 core, section 7.7). Raises `EvaluationError`.

        In XACML 2.0 an error outweighs a part that does not match (2.0 core, section 7.5); in 3.0 it does not.
        """
        tries = (partial(self.any_of, any_of) for any_of in target)
        if policy.xacml2:
            matched = [attempt(context) for attempt in tries]  # all of them: the last may be in error
            return all(matched)
        return _every(tries, context)

    def any_of(self, any_of: AnyOf, context: Context) -> bool:
        """Whether an `<AnyOf>` matches (3.0 core, section 7.7, table 2). Raises `EvaluationError`."""
        return _some((partial(self.all_of, all_of) for all_of in any_of), context)

    def all_of(self, all_of: AllOf, context: Context) -> bool:
        """Whether an `<AllOf>` matches (3.0 core, section 7.7, table 3). Raises `EvaluationError`."""
        return _every((partial(self.match, match) for match in all_of), context)

    def match(self, match: Match, context: Context) -> bool:
        """Whether a `<Match>` is true for any value of its bag (3.0 core, section 7.6)."""
        bag = self.expression(match.bag, context)
        call = match.function.call
        return _some((partial(_applied, call, match.value.value, value) for value in bag), context)

    def expression(self, expression: Expression, context: Context) -> Any:
        """The value of an expression: a value, or a tuple for a bag. Raises `EvaluationError`."""
        match expression:
            case Constant():
                return expression.value
            case Designator():
                return designated(expression, context)
            case Selector():
                return selected(expression, context)
            case VariableUse(variable):
                return context.variable(variable, partial(self.expression, variable.expression))
            case Call():
                values = [self.expression(argument, context) for argument in expression.arguments]
                return expression.function.call(*values)
            case Form():
                thunks = [partial(self.expression, argument) for argument in expression.arguments]
                return FORMS[expression.uri](expression, thunks, context)

    def obligations(
        self, expressions: Iterable[ObligationExpression], context: Context, effect: Decision
    ) -> tuple[tuple[Obligation, ...], tuple[Advice, ...]]:
        """What is to be done with an effect (3.0 core, section 7.18). Raises `EvaluationError`."""
        obligations: list[Obligation] = []
        advice: list[Advice] = []
        for expression in expressions:
            if expression.on is not effect:
                continue
            given = self.assignments(expression, context)
            if expression.is_advice:
                advice.append(Advice(expression.id, given))
            else:
                obligations.append(Obligation(expression.id, given))
        return tuple(obligations), tuple(advice)

    def assignments(self, expression: ObligationExpression, context: Context) -> tuple[Assignment, ...]:
        """The attributes that go with an obligation or advice. Raises `EvaluationError`."""
        return tuple(
            assignment
            for each in expression.assignments
            for assignment in assign(each, self.expression(each.expression, context))
        )


def designated(designator: Designator, context: Context) -> tuple[Any, ...]:
    """The bag of an `<AttributeDesignator>` (3.0 core, section 7.3.5). Raises `EvaluationError`."""
    key = (designator.category, designator.attribute_id, designator.data_type.uri, designator.issuer)
    bag = context.bag(key, designator.data_type)
    if not bag and designator.must_be_present:
        raise MissingAttributeError(MissingAttribute(*key))
    return bag


def _applied(call: Callable[..., bool], constant: Any, value: Any, _: Context) -> bool:
    return call(constant, value)


def _some(attempts: Iterable[Callable[[Context], bool]], context: Context) -> bool:
    """True if any attempt is, whatever else fails; otherwise raises the first error."""
    first: EvaluationError | None = None
    for attempt in attempts:
        try:
            if attempt(context):
                return True
        except EvaluationError as error:
            first = first or error
    if first is not None:
        raise first
    return False


def _every(attempts: Iterable[Callable[[Context], bool]], context: Context) -> bool:
    """False if any attempt is, whatever else fails; otherwise raises the first error."""
    first: EvaluationError | None = None
    for attempt in attempts:
        try:
            if not attempt(context):
                return False
        except EvaluationError as error:
            first = first or error
    if first is not None:
        raise first
    return True
