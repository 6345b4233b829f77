"""Several decisions for one request: the Multiple Decision Profile and scopes of hierarchical resources."""

import pytest

from service.pdp import XML, Decision, Limits, parse_request
from tests.support.xacml_text import (
    NAMESPACE,
    NOW,
    RESOURCE,
    SUBJECT,
    SUBJECT_ID,
    XS,
    F,
    load,
    policy,
    rule,
    subject_is,
    value,
)

RESOURCE_ID = "urn:oasis:names:tc:xacml:1.0:resource:resource-id"
SCOPE = "urn:oasis:names:tc:xacml:2.0:resource:scope"
XPATH = "urn:oasis:names:tc:xacml:3.0:data-type:xpathExpression"
ANN_ONLY = policy("p", rule("ann", "Permit", subject_is("ann")), rule("others", "Deny"), combining="permit-overrides")


def attribute(attribute_id, text, include="true"):
    return f'<Attribute AttributeId="{attribute_id}" IncludeInResult="{include}">{value(text)}</Attribute>'


def subject(name, xml_id=""):
    named = f' xml:id="{xml_id}"' if xml_id else ""
    return f'<Attributes Category="{SUBJECT}"{named}>{attribute(SUBJECT_ID, name)}</Attributes>'


def resource(*attributes, content=""):
    return f'<Attributes Category="{RESOURCE}">{content}{"".join(attributes)}</Attributes>'


def ask(*groups, combined="false"):
    return parse_request(
        (
            f'<Request xmlns="{NAMESPACE}" ReturnPolicyIdList="false" CombinedDecision="{combined}">'
            f"{''.join(groups)}</Request>"
        ).encode(),
        XML,
    )


def references(*requests):
    inside = "".join(
        "<RequestReference>"
        + "".join(f'<AttributesReference ReferenceId="{name}"/>' for name in names)
        + "</RequestReference>"
        for names in requests
    )
    return f"<MultiRequests>{inside}</MultiRequests>"


def decisions(response):
    return [result.decision.value for result in response.results]


def test_a_repeated_category_asks_once_for_each():
    response = load(ANN_ONLY).decide(ask(subject("ann"), subject("bob"), subject("eve")), now=NOW)
    assert decisions(response) == ["Permit", "Deny", "Deny"]
    names = [result.attributes[0].attributes[0].values[0].text for result in response.results]
    assert names == ["ann", "bob", "eve"]


def test_two_repeated_categories_ask_for_every_combination():
    groups = [
        subject("ann"),
        subject("bob"),
        resource(attribute(RESOURCE_ID, "x")),
        resource(attribute(RESOURCE_ID, "y")),
    ]
    assert decisions(load(ANN_ONLY).decide(ask(*groups), now=NOW)) == ["Permit", "Permit", "Deny", "Deny"]


def test_references_pick_the_groups_of_each_decision():
    asked = ask(subject("ann", "a"), subject("bob", "b"), references(["b"], ["a"], ["b"]))
    assert decisions(load(ANN_ONLY).decide(asked, now=NOW)) == ["Deny", "Permit", "Deny"]


def test_a_reference_that_leads_nowhere_is_a_syntax_error():
    response = load(ANN_ONLY).decide(ask(subject("ann", "a"), references(["a"], ["x"])), now=NOW)
    assert decisions(response) == ["Indeterminate"]
    assert "`x` leads nowhere" in response.result.status.message
    assert response.result.status.code.endswith(":syntax-error")


def test_a_doubled_xml_id_is_a_syntax_error():
    response = load(ANN_ONLY).decide(ask(subject("ann", "a"), subject("bob", "a"), references(["a"])), now=NOW)
    assert decisions(response) == ["Indeterminate"]


def test_a_combined_decision_is_the_one_that_all_share():
    snapshot = load(ANN_ONLY)
    assert decisions(snapshot.decide(ask(subject("ann"), subject("ann"), combined="true"), now=NOW)) == ["Permit"]
    assert decisions(snapshot.decide(ask(subject("ann"), subject("bob"), combined="true"), now=NOW)) == [
        "Indeterminate"
    ]


def test_a_combined_decision_cannot_carry_obligations():
    text = policy(
        "p",
        rule("r", "Permit"),
        '<ObligationExpressions><ObligationExpression ObligationId="o" FulfillOn="Permit"/></ObligationExpressions>',
    )
    response = load(text).decide(ask(subject("ann"), subject("bob"), combined="true"), now=NOW)
    assert decisions(response) == ["Indeterminate"]
    assert "obligations" in response.result.status.message


def test_a_response_with_different_decisions_is_as_a_whole_no_permit():
    assert load(ANN_ONLY).decide(ask(subject("ann"), subject("bob")), now=NOW).decision is Decision.INDETERMINATE


def selecting(path):
    inside = (
        f'<Attribute AttributeId="urn:oasis:names:tc:xacml:3.0:multiple:content-selector" IncludeInResult="true">'
        f'<AttributeValue DataType="{XPATH}" XPathCategory="{RESOURCE}">{path}</AttributeValue></Attribute>'
    )
    content = "<Content><r xmlns=''><i n='1'/><g><i n='2'/><i n='3'/></g></r></Content>"
    return ask(subject("ann"), resource(inside, content=content))


NUMBER_IS_2 = policy(
    "p",
    rule(
        "r",
        "Permit",
        f'<Target><AnyOf><AllOf><Match MatchId="{F}string-equal">{value("2")}<AttributeSelector Category="{RESOURCE}"'
        f' ContextSelectorId="urn:oasis:names:tc:xacml:3.0:content-selector" Path="@n" DataType="{XS}string"'
        f' MustBePresent="false"/></Match></AllOf></AnyOf></Target>',
    ),
)


def test_a_selector_of_several_nodes_asks_once_for_each_node():
    response = load(NUMBER_IS_2).decide(selecting("//i"), now=NOW)
    assert decisions(response) == ["NotApplicable", "Permit", "NotApplicable"]
    told = [result.attributes[-1].attributes[0].values[0].text for result in response.results]
    assert told == ["(//i)[1]", "(//i)[2]", "(//i)[3]"]


def test_a_selector_that_cannot_be_run_is_a_syntax_error():
    response = load(NUMBER_IS_2).decide(selecting("//i["), now=NOW)
    assert response.result.status.code.endswith(":syntax-error")


def test_a_selector_that_selects_nothing_asks_for_no_decision():
    assert load(NUMBER_IS_2).decide(selecting("//none"), now=NOW).decision is Decision.INDETERMINATE


def scoped(scope):
    return ask(subject("ann"), resource(attribute(RESOURCE_ID, "root"), attribute(SCOPE, scope)))


def test_a_scope_asks_once_for_each_resource_in_it():
    def tree(resource_id, scope):
        return [resource_id, f"{resource_id}/{scope}"]

    response = load(ANN_ONLY).decide(scoped("Children"), now=NOW, resources=tree)
    assert [(each.resource_id, each.decision) for each in response.results] == [
        ("root", Decision.PERMIT),
        ("root/Children", Decision.PERMIT),
    ]


def test_the_scope_of_one_resource_needs_no_hierarchy():
    assert decisions(load(ANN_ONLY).decide(scoped("Immediate"), now=NOW)) == ["Permit"]


def test_a_scope_without_a_hierarchy_is_indeterminate():
    assert decisions(load(ANN_ONLY).decide(scoped("Descendants"), now=NOW)) == ["Indeterminate"]


def test_a_hierarchy_that_fails_is_indeterminate():
    def tree(*_):
        raise OSError("no answer")

    response = load(ANN_ONLY).decide(scoped("Children"), now=NOW, resources=tree)
    assert "no answer" in response.result.status.message


@pytest.mark.parametrize("limit", [1, 5])
def test_more_decisions_than_the_limit_are_none_at_all(limit):
    snapshot = load(ANN_ONLY, limits=Limits(decisions=limit))
    assert len(snapshot.decide(ask(*[subject("ann")] * limit), now=NOW).results) == limit
    response = snapshot.decide(ask(*[subject("ann")] * (limit + 1)), now=NOW)
    assert decisions(response) == ["Indeterminate"]
    assert f"more than {limit}" in response.result.status.message
