"""Explanations: on demand, as data and as text, and of the very decision that they come with."""

import json

import pytest

from service.pdp import compile_policies
from tests.support.xacml_cases import NOW, cases_2_0, cases_3_0
from tests.support.xacml_text import (
    F,
    apply,
    asking,
    condition,
    designator,
    load,
    policy,
    policy_set,
    request,
    rule,
    subject_is,
    use,
    value,
    variable,
)

ONE = apply("string-one-and-only", designator("department"))
POLICY = policy(
    "p",
    variable("sales", apply("string-equal", ONE, value("sales"))),
    rule("bob", "Deny", subject_is("bob")),
    rule("sales", "Permit", condition(use("sales"))),
)


def explained(snapshot, asked):
    return snapshot.decide(asked, now=NOW, explain=True).result.explanation


def test_without_asking_there_is_no_explanation():
    assert load(POLICY).decide(asking("ann"), now=NOW).result.explanation is None


def test_the_text_says_who_decided_and_what_was_evaluated():
    text = explained(load(POLICY), request(("department", "string", "sales"))).as_text()
    assert text.splitlines() == [
        "Permit, decided by rule `sales` of policy `p` 1.0",
        "policy `p 1.0` (deny-overrides) at 0.xml:1: Permit",
        "  rule `bob` (Deny) at 0.xml:1: NotApplicable",
        "    target: no match",
        "      match string-equal `bob`: no match",
        "        attribute `urn:oasis:names:tc:xacml:1.0:subject:subject-id` (access-subject): no value",
        "  rule `sales` (Permit) at 0.xml:1: Permit",
        "    condition: true",
        "      variable `sales`: `true`",
        "        function `string-equal`: `true`",
        "          function `string-one-and-only`: `sales`",
        "            attribute `department` (access-subject): `sales`",
        "          `sales`",
    ]


def test_the_text_says_which_attribute_was_missing():
    snapshot = load(policy("p", rule("r", "Permit", subject_is("ann", must="true"))))
    text = explained(snapshot, request(("x", "string", "y"))).as_text()
    assert text.startswith("Indeterminate\ncould not evaluate rule `r` of policy `p` 1.0: missing attribute")
    assert "missing: attribute `urn:oasis:names:tc:xacml:1.0:subject:subject-id` of category" in text


def test_the_data_is_json_with_the_same_tree():
    explanation = explained(load(POLICY), request(("department", "string", "sales")))
    data = json.loads(json.dumps(explanation.as_data()))
    assert data["decision"] == "Permit"
    assert data["deciders"] == [{"policy": "p", "version": "1.0", "rule": "sales"}]
    assert [child["outcome"] for child in data["tree"][0]["children"]] == ["NotApplicable", "Permit"]


def test_what_was_not_evaluated_is_not_explained():
    snapshot = load(policy_set("s", policy("d", rule("no", "Deny")), policy("p", rule("yes", "Permit"))))
    explanation = explained(snapshot, asking("ann"))
    assert [node.name for node in explanation.tree[0].children] == ["d 1.0"]


def test_several_roots_are_several_trees():
    snapshot = load(policy("a", rule("r", "Permit")), policy("b", rule("r", "Permit")))
    assert [node.name for node in explained(snapshot, asking("ann")).tree] == ["a 1.0", "b 1.0"]


def test_an_obligation_is_explained_with_what_it_hands_out():
    given = f'<AttributeAssignmentExpression AttributeId="x">{value("y")}</AttributeAssignmentExpression>'
    text = policy(
        "p",
        rule("r", "Permit"),
        f'<ObligationExpressions><ObligationExpression ObligationId="o" FulfillOn="Permit">{given}'
        f"</ObligationExpression></ObligationExpressions>",
    )
    assert "obligation `o`: x = `y`" in explained(load(text), asking("ann")).as_text()


def test_an_explanation_of_very_much_is_cut_and_says_so():
    rules = [rule(f"r-{number}", "Deny", subject_is(f"s-{number}")) for number in range(6_000)]
    explanation = explained(load(policy("p", *rules)), asking("ann"))
    assert explanation.cut
    assert "more was evaluated" in explanation.as_text()


def test_many_values_are_not_all_shown():
    snapshot = load(policy("p", rule("r", "Permit", condition(apply("string-is-in", value("x"), designator("a"))))))
    text = explained(snapshot, request(("a", "string", *[str(number) for number in range(100)]))).as_text()
    assert "`19` and 80 more" in text


def test_a_higher_order_function_names_what_it_applies():
    test = apply("any-of", f'<Function FunctionId="{F}string-equal"/>', value("x"), designator("a"))
    text = explained(load(policy("p", rule("r", "Permit", condition(test)))), request(("a", "string", "x"))).as_text()
    assert "function `any-of` (string-equal): `true`" in text


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{case.version}-{case.id}")
        for case in (cases_3_0() + cases_2_0())[::4]
        if not case.refused
    ],
)
def test_an_explained_decision_is_the_decision(case):
    snapshot = case.load()
    explained_results = case.decide(snapshot, explain=True).results
    assert [each._replace(explanation=None) for each in explained_results] == list(case.decide(snapshot).results)


def test_a_snapshot_of_nothing_explains_nothing():
    assert explained(compile_policies([]), asking("ann")).as_text() == "NotApplicable\n"
