"""Strict loading: everything that is wrong is found at load, all at once, with its place and a help sentence."""

import pytest

from service.pdp import Decision, Limits, PolicyErrors, compile_policies
from service.pdp.documents import read_document
from tests.support.xacml_text import (
    NAMESPACE,
    NAMESPACE_2,
    XS,
    F,
    apply,
    asking,
    condition,
    decide,
    designator,
    load,
    policy,
    policy_set,
    reference,
    rule,
    subject_is,
    use,
    value,
    variable,
)

PERMIT = rule("r", "Permit")


def errors_of(*policies, references=(), **more):
    with pytest.raises(PolicyErrors) as caught:
        load(*policies, references=references, **more)
    assert all(error.message and error.help and error.line for error in caught.value.errors)
    return "\n".join(map(str, caught.value.errors))


def bodied(body):
    return policy("p", rule("r", "Permit", body))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            bodied(condition(apply("string-equals", value("a"), value("b")))),
            "unknown function `urn:oasis:names:tc:xacml:1.0:function:string-equals`: did you mean `"
            + F
            + "string-equal`?",
        ),
        (bodied(condition(apply("ande", value("a")))), "did you mean `urn:oasis:names:tc:xacml:1.0:function:and`?"),
        (
            bodied(condition(apply("string-equal", value("a"), designator()))),
            "argument 2 must be a string, not a bag of string: take one value with `string-one-and-only`",
        ),
        (
            bodied(condition(apply("string-is-in", value("a"), value("b")))),
            "argument 2 must be a bag of string, not a string: make a bag with `string-bag`",
        ),
        (bodied(condition(apply("string-equal", value("a")))), "it takes 2 arguments, not 1"),
        (bodied(condition(apply("and", value("a")))), "argument 1 must be a boolean, not a string"),
        (bodied(condition(apply("n-of"))), "it takes at least 1 argument, not 0"),
        (bodied(condition(value("a"))), "a condition must be a boolean, not a string"),
        (bodied(condition(designator(kind="boolean"))), "a condition must be a boolean, not a bag of boolean"),
        (
            bodied(condition(value("a", "integer"))),
            "`a` is no integer",
        ),
        (bodied(condition(value("a", "strin"))), f"did you mean `{XS}string`?"),
        (bodied(condition(apply("integer-divide", value("1", "integer"), value("0", "integer")))), "divided by zero"),
        (
            bodied(condition(apply("string-regexp-match", value("(a"), value("a")))),
            "no usable regular expression",
        ),
        (bodied(condition(apply("any-of", value("a"), designator()))), "the first argument must be a function"),
        (
            bodied(condition(apply("any-of", f'<Function FunctionId="{F}string-equal"/>', value("a"), value("b")))),
            "exactly one argument after the function must be a bag, not 0",
        ),
        (
            bodied(condition(apply("any-of", f'<Function FunctionId="{F}any-of"/>', value("a"), designator()))),
            "cannot be applied to elements of a bag",
        ),
        (
            bodied(condition(apply("map", f'<Function FunctionId="{F}string-normalize-space"/>', designator()))),
            "a condition must be a boolean, not a bag of string",
        ),
        (bodied(condition(f'<Function FunctionId="{F}string-equal"/>')), "a function is not a value"),
        (bodied(condition(use("v"))), "unknown variable `v`"),
        (policy("p", variable("v", use("v")), PERMIT), "circular variable: `v` uses `v`"),
        (bodied("<Target><AnyOf/></Target>"), "<AnyOf> has no <AllOf>"),
        (bodied(subject_is("a").replace("string-equal", "string-concatenate")), "unknown function"),
        (bodied(subject_is("a").replace("string-equal", "integer-equal")), "argument 1 must be a integer"),
        (bodied(subject_is("a", must="yes")), "attribute `MustBePresent` is `yes`"),
        (bodied(condition("")), "<Condition> has no <Apply> or <AttributeDesignator>"),
        (bodied(condition(value("true", "boolean") * 2)), "<AttributeValue> may not stand here in <Condition>"),
        (bodied("<Description/>" * 2), "<Description> may not stand here in <Rule>"),
        (bodied("<Condition/><Target/>"), "<Target> may not stand here in <Rule>"),
        (bodied("stray"), "stray text `stray`: <Rule> holds elements only"),
        (policy("p", '<Rule Effect="Permit"/>'), "attribute `RuleId` is missing: <Rule> requires it"),
        (policy("p", '<Rule RuleId=" " Effect="Permit"/>'), "attribute `RuleId` is empty"),
        (policy("p", '<Rule RuleId="r" Effect="Permit" Efect="x"/>'), "unknown attribute `Efect` of <Rule>"),
        (policy("p", PERMIT, target=""), "<Policy> has no <Target>"),
        (policy("p", PERMIT, combining="deny-override"), "unknown combining algorithm"),
        (policy("p", PERMIT, version="1.a"), "version `1.a` is not made of numbers"),
        (
            policy("p", "<RuleCombinerParameters RuleIdRef='x'/>", PERMIT),
            "RuleIdRef `x` leads nowhere",
        ),
        (policy_set("s", reference("x")), "the reference to policy `x` leads nowhere"),
        (policy_set("s", reference("x", Version="1.x")), "Version `1.x` is no version pattern"),
        (policy_set("s", reference(" ")), "the reference is empty"),
        (policy("p", PERMIT).replace(NAMESPACE, "urn:other"), "the namespace of the root is `urn:other`"),
        (f'<Request xmlns="{NAMESPACE}"/>', "the root is <Request>: it must be <Policy> or <PolicySet>"),
        (policy("p", PERMIT).replace("<Rule ", '<Rule xmlns="urn:x" '), "is not in the namespace of its policy"),
        (
            policy("p", "<x:Rule xmlns:x='urn:x'/>", PERMIT),
            "element `{urn:x}Rule` is not in the namespace of its policy",
        ),
        (
            policy("p", PERMIT, target="<PolicyDefaults><XPathVersion>urn:x</XPathVersion></PolicyDefaults><Target/>"),
            "unknown XPath version `urn:x`",
        ),
    ],
)
def test_a_mistake_is_named_with_a_way_out(text, message):
    assert message in errors_of(text)


def test_errors_carry_file_line_and_path():
    text = policy("p", "\n", rule("a", "Permit"), "\n", rule("b", "Permit", "<Condition/>"))
    with pytest.raises(PolicyErrors) as caught:
        compile_policies([("roles.xml", text.encode())])
    (error,) = caught.value.errors
    assert (error.file, error.line, error.path) == ("roles.xml", 3, "/Policy/Rule[2]/Condition")
    assert str(error).startswith("roles.xml:3: <Condition> has no <Apply>")


def test_all_mistakes_of_a_file_are_told_and_no_more_than_a_hundred():
    text = policy("p", *[rule(f"r-{number}", "permit") for number in range(500)])
    with pytest.raises(PolicyErrors) as caught:
        load(text)
    assert len(caught.value.errors) == 100


def test_a_reference_to_a_file_that_is_broken_is_not_called_unresolved():
    text = errors_of(policy_set("s", reference("p")), references=["<Policy"])
    assert "leads nowhere" not in text
    assert "not well-formed" in text


@pytest.mark.parametrize(
    ("patterns", "version"),
    [
        ({}, "2.0"),
        ({"Version": "1.0"}, "1.0"),
        ({"Version": "1.*"}, "1.5"),
        ({"Version": "1.+"}, "1.5.1"),
        ({"Version": "+"}, "2.0"),
        ({"EarliestVersion": "1.1", "LatestVersion": "1.*"}, "1.5.1"),
        ({"LatestVersion": "1.4"}, "1.0"),
        ({"EarliestVersion": "1.5.1"}, "2.0"),
        ({"Version": "3.0"}, None),
        ({"EarliestVersion": "2.1"}, None),
    ],
)
def test_a_reference_leads_to_the_newest_version_that_fits(patterns, version):
    library = [policy("p", PERMIT, version=each) for each in ("1.0", "1.5", "1.5.1", "2.0")]
    if version is None:
        assert "no version of policy `p` fits" in errors_of(
            policy_set("s", reference("p", **patterns)), references=library
        )
        return
    # `1.5.1` is after `1.*` only if a pattern without `+` is as long as the versions it fits.
    snapshot = load(policy_set("s", reference("p", **patterns)), references=library)
    told = [each.version for each in decide(snapshot, asking("x")).policies if each.id == "p"]
    assert told in ([version], ["1.5"] if patterns.get("LatestVersion") == "1.*" else [version])


def test_the_same_policy_in_two_versions_is_no_duplicate():
    assert load(policy("p", PERMIT), policy("p", PERMIT, version="1.1")).policies[1].version == "1.1"


def test_a_version_written_otherwise_is_the_same_version():
    assert "duplicate PolicyId `p`" in errors_of(policy("p", PERMIT), policy("p", PERMIT, version="1.00"))


def test_a_policy_may_be_referred_to_from_several_places():
    snapshot = load(
        policy_set("s", policy_set("a", reference("p")), policy_set("b", reference("p"))),
        references=[policy("p", PERMIT)],
    )
    assert decide(snapshot, asking("x")).decision is Decision.PERMIT
    assert [(info.id, info.root, info.parent) for info in snapshot.policies] == [
        ("s", True, None),
        ("a", True, "s"),
        ("b", True, "s"),
        ("p", False, None),
    ]


def test_a_reference_that_is_never_used_must_be_right_all_the_same():
    assert "1 argument" in errors_of(policy("p", PERMIT), references=[bodied(condition(apply("not")))])


def test_what_no_policy_may_do_is_a_limit_that_can_be_set():
    limits = Limits(policy_bytes=1_000, expression_depth=2)
    nested = bodied(condition(apply("not", apply("not", value("true", "boolean")))))
    assert "nested deeper than 2" in errors_of(nested, limits=limits)
    large = policy("p", *[rule(f"rule-{number}", "Permit") for number in range(100)])
    with pytest.raises(PolicyErrors, match="more than 1000"):
        load(large, limits=limits)


def test_an_unknown_root_algorithm_is_no_policy_error():
    with pytest.raises(ValueError, match="unknown root algorithm `deny`: use one of deny-overrides"):
        compile_policies([], root_algorithm="deny")


def test_a_file_that_did_not_change_is_not_read_again():
    data = policy("p", PERMIT).encode()
    limits = Limits()
    assert read_document("p.xml", data, limits) is read_document("p.xml", data, limits)


def test_a_constant_regular_expression_is_refused_at_load_in_a_match_too():
    match = subject_is("(a").replace("string-equal", "string-regexp-match")
    assert "no usable regular expression" in errors_of(bodied(match))


def test_policies_of_2_0_are_read_by_their_own_schema():
    text = (
        f'<Policy xmlns="{NAMESPACE_2}" PolicyId="p" RuleCombiningAlgId='
        f'"urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:deny-overrides"><Target><AnyOf/></Target></Policy>'
    )
    assert "unknown element <AnyOf> in <Target>" in errors_of(text)
