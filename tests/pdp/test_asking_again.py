"""The function access-permitted: policies that ask what they would permit (3.0 core, appendix A.3.16)."""

from service.pdp import Decision
from tests.support.xacml_text import (
    SUBJECT,
    SUBJECT_ID,
    asking,
    condition,
    decide,
    load,
    policy,
    rule,
    subject_is,
    value,
)


def permitted(attributes, category=SUBJECT):
    text = attributes.replace("<", "&lt;")
    return (
        f'<Apply FunctionId="urn:oasis:names:tc:xacml:3.0:function:access-permitted">{value(category, "anyURI")}'
        f"{value(text)}</Apply>"
    )


def named(name):
    return f'<Attribute AttributeId="{SUBJECT_ID}" IncludeInResult="false">{value(name)}</Attribute>'


def test_a_policy_may_permit_what_it_permits_to_somebody_else():
    text = policy(
        "p",
        rule("ann", "Permit", subject_is("ann")),
        rule("deputy", "Permit", subject_is("bob") + condition(permitted(named("ann")))),
        rule("deputy of nobody", "Permit", subject_is("eve") + condition(permitted(named("nobody")))),
    )
    for snapshot in (load(text), load(text).plain()):
        assert decide(snapshot, asking("bob")).deciding_rules == ("deputy",)
        assert decide(snapshot, asking("eve")).decision is Decision.NOT_APPLICABLE
        assert decide(snapshot, asking("bob"), explain=True).decision is Decision.PERMIT


def test_policies_that_ask_themselves_without_end_are_indeterminate():
    snapshot = load(policy("p", rule("r", "Permit", condition(permitted(named("ann"))))))
    result = decide(snapshot, asking("ann"))
    assert result.decision is Decision.INDETERMINATE
    assert "access-permitted" in result.status.message


def test_attributes_that_are_none_are_a_syntax_error():
    for broken in ("<Attribute/>", "</Attributes><Attributes>", "<"):
        snapshot = load(policy("p", rule("r", "Permit", condition(permitted(broken)))))
        result = decide(snapshot, asking("ann"))
        assert result.decision is Decision.INDETERMINATE
        assert result.status.code.endswith(":syntax-error")
