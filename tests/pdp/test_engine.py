"""The public face of the engine: load, ask, decide, answer."""

from datetime import UTC, datetime

import pytest

from service.pdp import (
    XML,
    Decision,
    PolicyErrors,
    PolicyId,
    RequestError,
    compile_policies,
    encode_response,
    parse_request,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMESPACE = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
SUBJECT = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
SUBJECT_ID = "urn:oasis:names:tc:xacml:1.0:subject:subject-id"
STRING = "http://www.w3.org/2001/XMLSchema#string"
DENY_OVERRIDES = "urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides"


def subject_is(name, *, must_be_present="false"):
    return (
        f'<Target><AnyOf><AllOf><Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal">'
        f'<AttributeValue DataType="{STRING}">{name}</AttributeValue><AttributeDesignator Category="{SUBJECT}"'
        f' AttributeId="{SUBJECT_ID}" DataType="{STRING}" MustBePresent="{must_be_present}"/>'
        f"</Match></AllOf></AnyOf></Target>"
    )


def policy(policy_id, rules, *, version="1.0", target="<Target/>", algorithm=DENY_OVERRIDES):
    return (
        f'<Policy xmlns="{NAMESPACE}" PolicyId="{policy_id}" Version="{version}"'
        f' RuleCombiningAlgId="{algorithm}">{target}{rules}</Policy>'
    ).encode()


def rule(rule_id, effect, body=""):
    return f'<Rule RuleId="{rule_id}" Effect="{effect}">{body}</Rule>'


def asking(name):
    return parse_request(
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="true" CombinedDecision="false">'
        f'<Attributes Category="{SUBJECT}"><Attribute AttributeId="{SUBJECT_ID}" IncludeInResult="false">'
        f'<AttributeValue DataType="{STRING}">{name}</AttributeValue></Attribute></Attributes>'
        f"</Request>".encode(),
        XML,
    )


def test_a_decision_names_the_policy_and_rule_that_decided():
    snapshot = compile_policies(
        [("p.xml", policy("p", rule("yes", "Permit", subject_is("ann")) + rule("no", "Deny", subject_is("bob"))))]
    )
    result = snapshot.decide(asking("ann"), now=NOW).result
    assert result.decision is Decision.PERMIT
    assert result.deciding_policies == (PolicyId("p", "1.0"),)
    assert result.deciding_rules == ("yes",)
    assert snapshot.decide(asking("bob"), now=NOW).result.deciding_rules == ("no",)
    assert snapshot.decide(asking("eve"), now=NOW).decision is Decision.NOT_APPLICABLE


def test_without_policies_nothing_is_applicable():
    snapshot = compile_policies([], root_algorithm="permit-unless-deny")
    assert snapshot.decide(asking("ann"), now=NOW).decision is Decision.NOT_APPLICABLE
    assert snapshot.policies == ()


def test_several_roots_are_combined_and_the_root_above_them_never_shows():
    sources = [
        ("p.xml", policy("p", rule("yes", "Permit"))),
        ("d.xml", policy("d", rule("no", "Deny", subject_is("bob")))),
    ]
    snapshot = compile_policies(sources)
    assert snapshot.decide(asking("ann"), now=NOW).result.policies == (PolicyId("p", "1.0"),)
    response = snapshot.decide(asking("bob"), now=NOW)
    assert response.decision is Decision.DENY
    assert response.result.policies == (PolicyId("p", "1.0"), PolicyId("d", "1.0"))
    assert compile_policies(sources, root_algorithm="permit-overrides").decide(asking("bob"), now=NOW).decision is (
        Decision.PERMIT
    )


def test_a_missing_attribute_is_named_in_the_status_of_an_indeterminate():
    snapshot = compile_policies(
        [("p.xml", policy("p", rule("r", "Permit", subject_is("ann", must_be_present="true"))))]
    )
    request = parse_request(
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        f'<Attributes Category="{SUBJECT}"/></Request>'.encode(),
        XML,
    )
    result = snapshot.decide(request, now=NOW).result
    assert (result.decision, result.extent) == (Decision.INDETERMINATE, "P")
    assert result.status.code == "urn:oasis:names:tc:xacml:1.0:status:missing-attribute"
    assert [missing.attribute_id for missing in result.status.missing] == [SUBJECT_ID]
    assert result.errors[0].who.rule_id == "r"


def test_a_missing_attribute_is_asked_of_the_source_and_only_then():
    snapshot = compile_policies([("p.xml", policy("p", rule("r", "Permit", subject_is("ann"))))])
    asked = []

    def source(*key):
        asked.append(key)
        return ["ann"]

    snapshot.decide(asking("bob"), now=NOW, attributes=source)
    assert asked == []
    request = parse_request(
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        f'<Attributes Category="{SUBJECT}"/></Request>'.encode(),
        XML,
    )
    assert snapshot.decide(request, now=NOW, attributes=source).decision is Decision.PERMIT
    assert asked == [(SUBJECT, SUBJECT_ID, STRING, None)]


def test_a_source_that_fails_makes_the_decision_indeterminate():
    snapshot = compile_policies([("p.xml", policy("p", rule("r", "Permit", subject_is("ann"))))])
    request = parse_request(
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        f'<Attributes Category="{SUBJECT}"/></Request>'.encode(),
        XML,
    )

    def source(*_):
        raise ConnectionError("directory is down")

    result = snapshot.decide(request, now=NOW, attributes=source).result
    assert result.decision is Decision.INDETERMINATE
    assert "directory is down" in result.status.message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("ann", "gave a text instead of values"),
        (5, "TypeError"),
        ([5], "Error"),
        ((1 / 0 for _ in range(1)), "ZeroDivisionError"),
    ],
)
def test_a_source_that_gives_no_texts_makes_the_decision_indeterminate(answer, message):
    snapshot = compile_policies([("p.xml", policy("p", rule("r", "Permit", subject_is("ann"))))])
    request = parse_request(
        f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="false">'
        f'<Attributes Category="{SUBJECT}"/></Request>'.encode(),
        XML,
    )
    result = snapshot.decide(request, now=NOW, attributes=lambda *_: answer).result
    assert result.decision is not Decision.PERMIT
    assert message in (result.status.message or "Error")


def test_the_answer_tells_the_applicable_policies_when_it_was_asked_to():
    snapshot = compile_policies([("p.xml", policy("p", rule("r", "Permit"), version="2.1"))])
    answer = encode_response(snapshot.decide(asking("ann"), now=NOW), XML).decode()
    assert "<Decision>Permit</Decision>" in answer
    assert '<PolicyIdReference Version="2.1">p</PolicyIdReference>' in answer


def test_all_errors_of_all_files_are_told_at_once():
    bad = policy("p", rule("r", "permit") + rule("r", "Deny") + "<Rul/>")
    with pytest.raises(PolicyErrors) as caught:
        compile_policies([("a.xml", bad), ("b.xml", b"<Policy>"), ("c.xml", policy("c", rule("r", "Permit")))])
    texts = [str(error) for error in caught.value.errors]
    assert any("a.xml:1: Effect is `permit`: it must be `Permit` or `Deny`" in text for text in texts)
    assert any("duplicate RuleId `r`" in text for text in texts)
    assert any("unknown element <Rul>" in text and "did you mean <Rule>?" in text for text in texts)
    assert any(text.startswith("b.xml:1: not well-formed XML") for text in texts)


def test_a_request_that_is_not_well_formed_is_refused():
    with pytest.raises(RequestError, match="not well-formed"):
        parse_request(b"<Request", XML)


def test_a_well_formed_invalid_request_is_indeterminate_with_syntax_error():
    snapshot = compile_policies([("p.xml", policy("p", rule("r", "Permit")))])
    result = snapshot.decide(parse_request(f'<Request xmlns="{NAMESPACE}"/>'.encode(), XML), now=NOW).result
    assert result.decision is Decision.INDETERMINATE
    assert result.status.code == "urn:oasis:names:tc:xacml:1.0:status:syntax-error"


def test_the_hash_depends_on_the_sources_and_not_on_their_order():
    a, b = ("a.xml", policy("a", rule("r", "Permit"))), ("b.xml", policy("b", rule("r", "Deny")))
    assert compile_policies([a, b]).hash == compile_policies([b, a]).hash
    assert compile_policies([a, b]).hash != compile_policies([a], references=[b]).hash
    assert compile_policies([a, b]).hash != compile_policies([a, b], root_algorithm="first-applicable").hash
    assert compile_policies([a]).hash.startswith("sha256:")


def test_a_snapshot_lists_its_policies_with_their_rules():
    snapshot = compile_policies(
        [("a.xml", policy("a", rule("r", "Permit")))], references=[("b.xml", policy("b", rule("s", "Deny")))]
    )
    listed = [(info.id, info.kind, info.root, [(r.id, r.effect) for r in info.rules]) for info in snapshot.policies]
    assert listed == [
        ("a", "policy", True, [("r", Decision.PERMIT)]),
        ("b", "policy", False, [("s", Decision.DENY)]),
    ]
