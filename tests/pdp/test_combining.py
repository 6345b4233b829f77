"""Combining algorithms, by the tables of 3.0 core, appendix C (cases/combining.txt), and what they pass on."""

from itertools import permutations
from pathlib import Path

import pytest

from service.pdp.combining import POLICY_ALGORITHMS, RULE_ALGORITHMS
from service.pdp.errors import EvaluationError
from service.pdp.outcome import (
    DENY,
    INDETERMINATE_D,
    INDETERMINATE_DP,
    INDETERMINATE_P,
    NOT_APPLICABLE,
    NOTHING,
    PERMIT,
    Outcome,
)
from service.pdp.response import Decider, Decision, Erring, Obligation, PolicyId, Status
from tests.support.xacml_text import (
    F,
    algorithm,
    asking,
    condition,
    decide,
    designator,
    load,
    policy,
    policy_set,
    rule,
    subject_is,
    value,
)

VERDICTS = {
    "P": PERMIT,
    "D": DENY,
    "N": NOT_APPLICABLE,
    "IP": INDETERMINATE_P,
    "ID": INDETERMINATE_D,
    "IDP": INDETERMINATE_DP,
}


class Child:
    def __init__(self, name, number=0):
        self.verdict = VERDICTS[name]
        who = Decider(PolicyId(f"{name}-{number}", "1.0"))
        self.outcome = NOTHING
        if self.verdict.extent:
            self.outcome = Outcome(self.verdict, errors=(Erring(who, Status("urn:failed", str(number))),))
        elif self.verdict is not NOT_APPLICABLE:
            obligations = (Obligation(f"{name}-{number}"),)
            self.outcome = Outcome(self.verdict, obligations=obligations, deciders=(who,), policies=(who.policy,))
        self.evaluated = False

    def evaluate(self, _):
        self.evaluated = True
        return self.outcome

    def applies(self, _):
        if self.verdict.extent:
            raise EvaluationError("no target")
        return self.verdict is not NOT_APPLICABLE


def cases():
    path = Path(__file__).parent / "cases" / "combining.txt"
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, children, outcome = (part.strip() for part in line.split("|"))
            kinds, _, short = name.rpartition(" ")
            for kind in kinds.split() or ("rule", "policy"):
                yield pytest.param(kind, short, children, outcome, id=f"{kind} {short}: {children} = {outcome}")


def combined(kind, short, children):
    version, name = short.split(":")
    algorithms = RULE_ALGORITHMS if kind == "rule" else POLICY_ALGORITHMS
    return algorithms[algorithm(name, kind, version)].combine(children, None)


@pytest.mark.parametrize(("kind", "short", "children", "outcome"), list(cases()))
def test_children_are_combined_as_the_appendix_says(kind, short, children, outcome):
    made = [Child(name, number) for number, name in enumerate(children.split()) if name != "-"]
    assert combined(kind, short, made).verdict is VERDICTS[outcome]


@pytest.mark.parametrize("name", ["deny-overrides", "permit-overrides", "deny-unless-permit", "permit-unless-deny"])
def test_the_order_of_children_does_not_change_the_verdict(name):
    for children in permutations(["N", "P", "ID", "IP", "D"]):
        for some in (children[:3], children[:4], children):
            verdicts = {
                combined("rule", f"3.0:{name}", [Child(each) for each in order]).verdict for order in permutations(some)
            }
            assert len(verdicts) == 1


def test_children_after_the_one_that_settles_it_are_not_evaluated():
    children = [Child("P"), Child("D", 1), Child("D", 2)]
    combined("policy", "3.0:deny-overrides", children)
    assert [child.evaluated for child in children] == [True, True, False]


def test_obligations_and_deciders_are_those_that_agree_with_the_verdict():
    outcome = combined("rule", "3.0:deny-overrides", [Child("P", 1), Child("N"), Child("IP", 3), Child("P", 4)])
    assert [obligation.id for obligation in outcome.obligations] == ["P-1", "P-4"]
    assert [decider.policy.id for decider in outcome.deciders] == ["P-1", "P-4"]
    assert [error.who.policy.id for error in outcome.errors] == ["IP-3"]


def test_the_status_of_an_indeterminate_is_that_of_the_first_error():
    outcome = combined("rule", "3.0:deny-overrides", [Child("IP", 1), Child("ID", 2)])
    assert outcome.status.message == "1"
    assert len(outcome.errors) == 2


def test_a_deny_by_default_names_the_policy_and_no_rule():
    result = decide(
        load(policy("p", rule("r", "Permit", subject_is("ann")), combining="deny-unless-permit")), asking("x")
    )
    assert result.decision is Decision.DENY
    assert result.deciders == (Decider(PolicyId("p", "1.0")),)


def failing_obligation(effect):
    one = f'<Apply FunctionId="{F}string-one-and-only">{designator("absent")}</Apply>'
    return (
        f'<ObligationExpressions><ObligationExpression ObligationId="o" FulfillOn="{effect}">'
        f'<AttributeAssignmentExpression AttributeId="x">{one}</AttributeAssignmentExpression>'
        f"</ObligationExpression></ObligationExpressions>"
    )


@pytest.mark.parametrize(("effect", "extent"), [("Permit", "P"), ("Deny", "D")])
def test_an_obligation_that_cannot_be_filled_in_makes_its_rule_indeterminate(effect, extent):
    result = decide(load(policy("p", rule("r", effect, failing_obligation(effect)))), asking("ann"))
    assert (result.decision, result.extent, result.obligations) == (Decision.INDETERMINATE, extent, ())
    assert result.errors[0].who.rule_id == "r"


def test_an_obligation_that_cannot_be_filled_in_makes_its_policy_indeterminate():
    result = decide(load(policy("p", rule("r", "Permit"), failing_obligation("Permit"))), asking("ann"))
    assert (result.decision, result.extent) == (Decision.INDETERMINATE, "P")
    assert result.errors[0].who == Decider(PolicyId("p", "1.0"))


def test_an_obligation_for_the_other_effect_is_not_looked_at():
    result = decide(load(policy("p", rule("r", "Permit", failing_obligation("Deny")))), asking("ann"))
    assert result.decision is Decision.PERMIT


@pytest.mark.parametrize(
    ("effects", "extent"),
    [(["Permit"], "P"), (["Deny"], "D"), (["Permit", "Deny"], "D")],
)
def test_a_target_that_fails_leaves_what_the_rules_would_say(effects, extent):
    rules = [rule(f"r-{number}", effect) for number, effect in enumerate(effects)]
    text = policy("p", *rules, target=subject_is("ann", must="true").replace("subject:subject-id", "subject:absent"))
    for each in (load(text), load(text).plain()):
        result = decide(each, asking("ann"))
        assert (result.decision, result.extent) == (Decision.INDETERMINATE, extent)


def test_a_target_that_fails_over_rules_that_do_not_apply_is_not_applicable():
    text = policy(
        "p",
        rule("r", "Permit", subject_is("bob")),
        target=subject_is("ann", must="true").replace("subject:subject-id", "subject:absent"),
    )
    assert decide(load(text), asking("ann")).decision is Decision.NOT_APPLICABLE


def test_no_permit_by_error_of_a_deny_rule():
    failing = condition(
        f'<Apply FunctionId="{F}string-one-and-only">{designator("absent")}</Apply>'.join(
            [f'<Apply FunctionId="{F}string-equal">{value("x")}', "</Apply>"]
        )
    )
    text = policy_set("s", policy("p", rule("permit", "Permit")), policy("d", rule("deny", "Deny", failing)))
    result = decide(load(text), asking("ann"))
    assert (result.decision, result.extent) == (Decision.INDETERMINATE, "DP")
    assert [error.who.rule_id for error in result.errors] == ["deny"]
