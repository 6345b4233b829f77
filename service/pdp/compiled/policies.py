"""Rules, policies and policy sets as closures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from service.pdp.combining import POLICY_ALGORITHMS, RULE_ALGORITHMS, Algorithm
from service.pdp.compiled.expressions import ExpressionCompiler
from service.pdp.compiled.facets import Facets, facets_of_policy, facets_of_target
from service.pdp.compiled.index import build_index
from service.pdp.compiled.targets import Test, compile_target
from service.pdp.conclusion import Duties, assign, conclude, conclude_rule
from service.pdp.context import Context
from service.pdp.errors import EvaluationError
from service.pdp.model import ObligationExpression, Policy, PolicySet, Reference, Rule
from service.pdp.outcome import (
    CLOUDED,
    INDETERMINATE_DP,
    NOTHING,
    VERDICT_OF,
    Outcome,
    failed,
)
from service.pdp.response import Advice, Decider, Decision, Obligation, PolicyId

Evaluate = Callable[[Context], Outcome]
DutiesIn = Callable[[Decision, Context], Duties]

_NO_DUTIES: Final[Duties] = ((), ())


class Compiled:
    """A rule, policy or policy set as a child of a combining algorithm, and what the index may know of it."""

    __slots__ = ("applies", "evaluate", "facets", "outcomes", "target_facets")

    def __init__(
        self, evaluate: Evaluate, applies: Test, target_facets: Facets, facets: Facets, outcomes: Sequence[Outcome]
    ) -> None:
        self.evaluate = evaluate
        self.outcomes = outcomes
        """Those of what it may come to that are known from the policies alone, whatever is asked."""
        self.applies = applies
        self.target_facets = target_facets
        """Those of its target alone: all that an algorithm may use which looks at targets first."""
        self.facets = facets


# A file that did not change keeps its policies, and they keep their closures, when others are loaded anew.
_HELD: Final[WeakKeyDictionary[Policy | PolicySet, Compiled]] = WeakKeyDictionary()


def compiled_evaluation(roots: Sequence[Policy | PolicySet], algorithm: str) -> Evaluate:
    """Root policies as a closure: none, one as itself, or several under a policy set that never shows."""
    if not roots:
        return lambda _: NOTHING
    if len(roots) == 1:
        return compile_policy(roots[0]).evaluate
    chosen = POLICY_ALGORITHMS[algorithm]
    return _combined([compile_policy(root) for root in roots], chosen)


def compile_policy(policy: Policy | PolicySet) -> Compiled:
    """Compile a policy or policy set (3.0 core, sections 7.12 and 7.13), or find it compiled."""
    compiled = _HELD.get(policy)
    if compiled is None:
        compiled = _compile(policy)
        _HELD[policy] = compiled
    return compiled


def _compile(policy: Policy | PolicySet) -> Compiled:
    compiler = ExpressionCompiler()
    if isinstance(policy, Policy):
        algorithm = RULE_ALGORITHMS[policy.algorithm]
        children = [_rule(rule, policy, compiler) for rule in policy.rules]
    else:
        algorithm = POLICY_ALGORITHMS[policy.algorithm]
        children = [compile_policy(child) for child in policy.children if not isinstance(child, Reference)]
    target = compile_target(policy.target, xacml2=policy.xacml2)
    own = facets_of_target(policy.target, xacml2=policy.xacml2)
    facets = facets_of_policy(policy, algorithm, own, _facets(children, algorithm))
    duties = _duties(policy.obligations, compiler)
    known = {} if duties else _concluded(policy.id, children)
    evaluate = _policy(policy, target, _combined(children, algorithm), duties, known)
    return Compiled(evaluate, target or _always, own, facets, tuple(known.values()))


def _facets(children: Sequence[Compiled], algorithm: Algorithm) -> list[Facets]:
    """What an algorithm may use to pass children over."""
    if algorithm.one_child:
        return [child.target_facets for child in children]
    return [child.facets for child in children]


def _concluded(policy_id: PolicyId, children: Sequence[Compiled]) -> dict[int, Outcome]:
    """What a policy makes of its children's known outcomes, by their identity: concluded at load, not at every ask."""
    return {id(one): conclude(policy_id, one, None, _no_duties) for child in children for one in child.outcomes}


def _policy(
    policy: Policy | PolicySet,
    target: Test | None,
    combined: Evaluate,
    duties: DutiesIn | None,
    known: Mapping[int, Outcome],
) -> Evaluate:
    policy_id, xacml2, who = policy.id, policy.xacml2, Decider(policy.id)

    def evaluate(context: Context) -> Outcome:
        target_error: EvaluationError | None = None
        if target is not None:
            try:
                if not target(context):
                    return NOTHING
            except EvaluationError as error:
                if xacml2:  # 2.0 core, section 7.10, table 6: whatever the rules say
                    return failed(INDETERMINATE_DP, who, error)._replace(policies=(policy_id,))
                target_error = error
        outcome = combined(context)
        if outcome is NOTHING:
            return outcome
        if target_error is None and (concluded := known.get(id(outcome))) is not None:
            return concluded
        if duties is None:
            return conclude(policy_id, outcome, target_error, _no_duties)
        return conclude(policy_id, outcome, target_error, lambda effect: duties(effect, context))

    return evaluate


def _combined(children: Sequence[Compiled], algorithm: Algorithm) -> Evaluate:
    """The children combined: all of them, or those that the index finds."""
    combine, has_default, lone_child = algorithm.combine, algorithm.has_default, algorithm.lone_child
    candidates = build_index(_facets(children, algorithm))
    if candidates is None:
        return lambda context: combine(children, context)
    find = candidates
    evaluations = [child.evaluate for child in children]

    def evaluate(context: Context) -> Outcome:
        found = find(context)
        if lone_child and len(found) == 1:
            return evaluations[found[0]](context)
        if not found and not has_default:
            return NOTHING
        return combine([children[position] for position in found], context)

    return evaluate


def _rule(rule: Rule, policy: Policy, compiler: ExpressionCompiler) -> Compiled:
    """A rule (3.0 core, section 7.11)."""
    who, verdict = Decider(policy.id, rule.rule_id), VERDICT_OF[rule.effect]
    clouded = CLOUDED[verdict]
    target = compile_target(rule.target, xacml2=policy.xacml2)
    condition = None if rule.condition is None else compiler.compile(rule.condition)
    duties = _duties(rule.obligations, compiler)
    outcome = Outcome(verdict, deciders=(who,))

    def evaluate(context: Context) -> Outcome:
        try:
            if target is not None and not target(context):
                return NOTHING
            if condition is not None and not condition(context):
                return NOTHING
        except EvaluationError as error:
            return failed(clouded, who, error)
        if duties is None:
            return outcome
        return conclude_rule(who, verdict, lambda effect: duties(effect, context))

    facets = facets_of_target(rule.target, xacml2=policy.xacml2)
    return Compiled(evaluate, target or _always, facets, facets, () if duties else (outcome,))


def _duties(expressions: Sequence[ObligationExpression], compiler: ExpressionCompiler) -> DutiesIn | None:
    """Obligation and advice expressions as a closure; None when there are none."""
    if not expressions:
        return None
    compiled = [
        (expression, [(each, compiler.compile(each.expression)) for each in expression.assignments])
        for expression in expressions
    ]

    def duties(effect: Decision, context: Context) -> Duties:
        obligations: list[Obligation] = []
        advice: list[Advice] = []
        for expression, assignments in compiled:
            if expression.on is effect:
                given = tuple([one for each, value in assignments for one in assign(each, value(context))])
                if expression.is_advice:
                    advice.append(Advice(expression.id, given))
                else:
                    obligations.append(Obligation(expression.id, given))
        return tuple(obligations), tuple(advice)

    return duties


def _always(_: Any) -> bool:
    return True


def _no_duties(_: Decision) -> Duties:
    return _NO_DUTIES
