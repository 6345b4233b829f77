"""Where XACML 2.0 differs: what 2.0 policies and requests mean, and how they are answered."""

import pytest
from lxml import etree

from service.pdp import XML, Decision, compile_policies, encode_response, parse_request
from tests.support.xacml_text import NAMESPACE_2, NOW, XS, F, value

CONTEXT = "urn:oasis:names:tc:xacml:2.0:context:schema:os"
INTERMEDIARY = "urn:oasis:names:tc:xacml:1.0:subject-category:intermediary-subject"
RESOURCE_ID = "urn:oasis:names:tc:xacml:1.0:resource:resource-id"


def match(part, attribute_id, text, must="false", category=""):
    of = f' SubjectCategory="{category}"' if category else ""
    return (
        f"<{part}s><{part}><{part}Match MatchId='{F}string-equal'>{value(text)}<{part}AttributeDesignator{of}"
        f" AttributeId='{attribute_id}' DataType='{XS}string' MustBePresent='{must}'/></{part}Match></{part}></{part}s>"
    )


def rule(rule_id, effect, target=""):
    return f"<Rule RuleId='{rule_id}' Effect='{effect}'><Target>{target}</Target></Rule>"


def policy(*parts, target="", combining="deny-overrides", policy_id="p"):
    return (
        f"<Policy xmlns='{NAMESPACE_2}' PolicyId='{policy_id}' RuleCombiningAlgId="
        f"'urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:{combining}'><Target>{target}</Target>"
        f"{''.join(parts)}</Policy>"
    )


def request(*subjects, resources=("file",), action="read"):
    def attribute(attribute_id, *texts):
        values = "".join(f"<AttributeValue>{text}</AttributeValue>" for text in texts)
        return f"<Attribute AttributeId='{attribute_id}' DataType='{XS}string'>{values}</Attribute>"

    return parse_request(
        (
            f"<Request xmlns='{CONTEXT}'>"
            + "".join(
                f"<Subject{of}>{attribute(attribute_id, *texts)}</Subject>" for of, attribute_id, *texts in subjects
            )
            + "".join(f"<Resource>{attribute(RESOURCE_ID, resource)}</Resource>" for resource in resources)
            + f"<Action>{attribute('action', action)}</Action><Environment/></Request>"
        ).encode(),
        XML,
    )


def decided(text, asked):
    snapshot = compile_policies([("p.xml", text.encode())])
    response = snapshot.decide(asked, now=NOW)
    assert response == snapshot.plain().decide(asked, now=NOW)
    return response


def test_all_values_of_an_attribute_count():
    text = policy(rule("r", "Permit", match("Subject", "role", "editor")))
    assert decided(text, request(("", "role", "guest", "editor"))).decision is Decision.PERMIT


def test_subjects_of_one_category_are_one_subject():
    text = policy(rule("r", "Permit", match("Subject", "role", "editor") + match("Action", "action", "read")))
    asked = request(("", "role", "guest"), ("", "role", "editor"))
    assert decided(text, asked).decision is Decision.PERMIT
    assert len(decided(text, asked).results) == 1


def test_a_designator_asks_the_category_of_subjects_that_it_names():
    text = policy(rule("r", "Permit", match("Subject", "role", "proxy", category=INTERMEDIARY)))
    other = f" SubjectCategory='{INTERMEDIARY}'"
    assert decided(text, request((other, "role", "proxy"))).decision is Decision.PERMIT
    assert decided(text, request(("", "role", "proxy"))).decision is Decision.NOT_APPLICABLE


@pytest.mark.parametrize("order", [1, -1])
def test_an_error_in_a_target_outweighs_a_part_that_does_not_match(order):
    parts = [match("Subject", "absent", "x", must="true"), match("Action", "action", "write")][::order]
    rules = [rule(f"r-{number}", "Permit", "".join(sorted(parts, reverse=True))) for number in range(9)]
    assert decided(policy(*rules), request(("", "role", "guest"))).decision is Decision.INDETERMINATE


def test_a_policy_whose_target_fails_is_indeterminate_whatever_is_in_it():
    text = policy(
        *[rule(f"r-{number}", "Permit", match("Action", "action", "write")) for number in range(9)],
        target=match("Subject", "absent", "x", must="true"),
    )
    result = decided(text, request(("", "role", "guest"))).result
    assert (result.decision, result.extent) == (Decision.INDETERMINATE, "DP")


def test_a_policy_without_a_version_is_version_1_0():
    assert compile_policies([("p.xml", policy().encode())]).policies[0].version == "1.0"


def test_several_resources_are_several_decisions_each_with_its_resource():
    text = policy(rule("r", "Permit", match("Resource", RESOURCE_ID, "file")))
    response = decided(text, request(("", "role", "guest"), resources=("file", "folder")))
    root = etree.fromstring(encode_response(response, XML))
    assert [(each.get("ResourceId"), each[0].text) for each in root] == [
        ("file", "Permit"),
        ("folder", "NotApplicable"),
    ]


def test_an_answer_is_in_2_0_and_says_on_which_effect_an_obligation_is_due():
    obligation = (
        f"<Obligations><Obligation ObligationId='o' FulfillOn='Permit'><AttributeAssignment AttributeId='a'"
        f" DataType='{XS}integer'>007</AttributeAssignment></Obligation></Obligations>"
    )
    response = decided(policy(rule("r", "Permit"), obligation), request(("", "role", "guest")))
    root = etree.fromstring(encode_response(response, XML))
    assert root.tag == f"{{{CONTEXT}}}Response"
    given = root.find(f".//{{{NAMESPACE_2}}}Obligation")
    assert (given.get("FulfillOn"), given[0].text) == ("Permit", "7")


def test_policies_of_both_versions_work_together():
    three = (
        '<PolicySet xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicySetId="s" Version="1.0"'
        ' PolicyCombiningAlgId="urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:deny-overrides"><Target/>'
        "<PolicyIdReference>p</PolicyIdReference></PolicySet>"
    )
    text = policy(rule("r", "Permit", match("Subject", "role", "editor")))
    snapshot = compile_policies([("s.xml", three.encode())], references=[("p.xml", text.encode())])
    assert snapshot.decide(request(("", "role", "editor")), now=NOW).decision is Decision.PERMIT
