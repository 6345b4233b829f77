"""The shipped policies: what they decide, that they are written down rightly, and WSO2's own shape unchanged."""

import pytest

from service import pap, pdp, vocabulary
from service.policy_folder import PolicyFolder
from service.policy_lint import warnings
from tests.support.gate import ENTERPRISE, POLICIES, ask, compiled, facts

ENGINEER = {"userName": "alice", "roles": [{"value": "eng"}]}
OF_ENGINEERING = {"userName": "bob", ENTERPRISE: {"department": "engineering"}}
XML_SCHEMA = "http://www.w3.org/2001/XMLSchema"
SALES = {"userName": "mallory", "roles": [{"value": "sales"}], ENTERPRISE: {"department": "sales"}}


@pytest.fixture(scope="module")
def shipped():
    folder = PolicyFolder(POLICIES)
    contents = folder.load(folder.survey())
    assert not contents.problems
    kinds = {
        kind: [(one.name, one.content) for one in contents.sources if one.kind == kind] for kind in ("root", "library")
    }
    snapshot = pdp.compile_policies(kinds["root"], references=kinds["library"])
    return pap.CurrentSnapshot(snapshot=snapshot, hash=snapshot.hash, sequence=1, state="ok")


@pytest.mark.parametrize(
    "path", sorted(POLICIES.rglob("*.xml")), ids=lambda path: path.relative_to(POLICIES).as_posix()
)
def test_no_shipped_file_asks_in_vain(path):
    assert not list(warnings(path.name, path.read_bytes()))


@pytest.mark.parametrize("attributes", [ENGINEER, OF_ENGINEERING])
@pytest.mark.parametrize("operation", ["create", "replace", "modify"])
def test_engineering_may_enter_the_sandbox(shipped, attributes, operation):
    verdict = ask(shipped, facts(attributes=attributes, operation=operation))
    assert (verdict.gate, verdict.policies, verdict.rules) == ("open", ("sandbox-users",), ("engineers-may-enter",))


@pytest.mark.parametrize("attributes", [SALES, {"userName": "nobody"}, {"roles": [{"value": "eng, sales"}]}])
@pytest.mark.parametrize("operation", ["create", "replace", "modify"])
def test_everybody_else_is_refused_by_name(shipped, attributes, operation):
    verdict = ask(shipped, facts(attributes=attributes, operation=operation))
    assert verdict.gate == "refused"
    assert verdict.reason == "policy `sandbox-users` rule `everyone-else-stays-out` denies"


@pytest.mark.parametrize("operation", ["delete", "replace", "modify"])
def test_leavers_may_leave(shipped, operation):
    verdict = ask(shipped, facts(attributes=SALES, operation=operation, effective_operation="delete"))
    assert (verdict.gate, verdict.policies, verdict.rules) == ("open", ("leavers-may-leave",), ("removal",))


@pytest.mark.parametrize(("effective", "gate"), [("replace", "open"), ("modify", "open"), ("create", "refused")])
def test_an_account_may_be_switched_off_but_not_created_so(shipped, effective, gate):
    known = facts(attributes={**SALES, "active": False}, operation="modify", effective_operation=effective)
    assert ask(shipped, known).gate == gate


@pytest.mark.parametrize(("name", "gate"), [("engineering", "open"), ("Engineering", "open"), ("sales", "refused")])
def test_only_engineerings_group_may_enter(shipped, name, gate):
    verdict = ask(shipped, facts(entity_type="group", entity_name=name, attributes={"displayName": name}))
    assert (verdict.gate, verdict.policies) == (gate, ("sandbox-groups",))


@pytest.mark.parametrize("other", [{"service_provider": "crm"}, {"identity_provider": "acme"}])
@pytest.mark.parametrize("operation", ["create", "delete"])
def test_the_samples_decide_about_nothing_else(shipped, other, operation):
    for attributes in (ENGINEER, SALES):
        verdict = ask(shipped, facts(attributes=attributes, operation=operation, **other))
        assert (verdict.gate, verdict.decision) == ("refused", "NotApplicable")


def test_the_sample_that_asks_for_approval_works_beside_the_others():
    sandbox, approval = POLICIES / "sandbox.xml", POLICIES / "disabled" / "contractors-need-approval.xml"
    sources = [(path.name, path.read_bytes()) for path in (sandbox, approval)]
    library = [(path.name, path.read_bytes()) for path in (POLICIES / "library").glob("*.xml")]
    snapshot = pdp.compile_policies(sources, references=library)
    policies = pap.CurrentSnapshot(snapshot=snapshot, hash=snapshot.hash, sequence=1, state="ok")
    contractor = {"userType": "Contractor"}
    waiting = ask(policies, facts(attributes={**ENGINEER, **contractor}))
    assert waiting.gate == "awaiting-approval"
    assert "the contractor's manager" in waiting.reason
    known = facts(attributes={**ENGINEER, **contractor})
    assert ask(policies, known, approved=frozenset(waiting.policies)).gate == "open"
    assert ask(policies, facts(attributes={**SALES, **contractor})).gate == "refused"
    assert ask(policies, facts(attributes=ENGINEER)).gate == "open"


def test_the_readme_lists_every_attribute_as_it_is():
    readme = (POLICIES / "README.md").read_text(encoding="utf-8")
    assert vocabulary.with_attributes(readme) == readme


def test_a_readme_without_a_place_for_the_attributes_is_refused():
    with pytest.raises(ValueError, match="no place for the attributes"):
        vocabulary.with_attributes("# Policies\n")


# The shape in which WSO2 Identity Server ships its role template: first-applicable, a target on sp-name, idp-name and
# action-name, one rule per operation that looks for roles in claim-group, attributes that must be present, a last Deny.
_DESIGNATOR = (
    '<AttributeDesignator Category="{}" AttributeId="{}" DataType="http://www.w3.org/2001/XMLSchema#string"'
    ' MustBePresent="true"></AttributeDesignator>'
)


def _match(value, category, attribute):
    return (
        '<Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal">'
        f'<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">{value}</AttributeValue>'
        f"{_DESIGNATOR.format(category, attribute)}</Match>"
    )


def _role_rule(name, method, *roles):
    operation = "http://wso2.org/identity/provisioning/provision-operation"
    held = "".join(
        '<Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:string-is-in">'
        f'<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">{role}</AttributeValue>'
        + _DESIGNATOR.format(vocabulary.PROVISIONING, vocabulary.CLAIM_GROUP)
        + "</Apply>"
        for role in roles
    )
    return (
        f'<Rule Effect="Permit" RuleId="{name}"><Target><AnyOf><AllOf>'
        f"{_match(method, vocabulary.PROVISIONING, operation)}</AllOf></AnyOf></Target><Condition>"
        f'<Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:or">{held}</Apply></Condition></Rule>'
    )


def _wso2_policy(*roles):
    action = "http://wso2.org/identity/identity-action"
    return (
        '<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="crm_roles" Version="1.0"'
        ' RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable">'
        "<Description>as WSO2's users write them</Description><Target><AnyOf><AllOf>"
        + _match("wso2carbon-local-sp", "http://wso2.org/identity/sp", "http://wso2.org/identity/sp/sp-name")
        + _match("crm", "http://wso2.org/identity/idp", "http://wso2.org/identity/idp/idp-name")
        + _match("provisioning", action, f"{action}/action-name")
        + "</AllOf></AnyOf></Target>"
        + _role_rule("create_by_role", "POST", *roles)
        + _role_rule("update_by_role", "PUT", *roles)
        + '<Rule Effect="Deny" RuleId="deny_others"/></Policy>'
    )


@pytest.mark.parametrize(
    ("operation", "roles", "groups", "gate", "rule"),
    [
        ("create", ("finance",), (), "open", "create_by_role"),
        ("create", ("x", "Doe, Jane"), (), "open", "create_by_role"),
        ("create", (), ("finance",), "open", "create_by_role"),
        ("replace", ("finance",), (), "open", "update_by_role"),
        ("replace", ("Doe",), ("Jane",), "refused", "deny_others"),
        ("create", ("Doe", "Jane", "financeX"), (), "refused", "deny_others"),
        ("delete", ("finance",), (), "refused", "deny_others"),
    ],
)
def test_a_policy_in_wso2s_shape_decides_unchanged(operation, roles, groups, gate, rule):
    policies = compiled(_wso2_policy("finance", "Doe, Jane"))
    known = facts(service_provider="resident", identity_provider="crm", operation=operation, roles=roles, groups=groups)
    verdict = ask(policies, known)
    assert (verdict.gate, verdict.rules, verdict.policies) == (gate, (rule,), ("crm_roles",))


def test_a_user_without_any_role_leaves_such_a_policy_undecided():
    policies = compiled(_wso2_policy("finance"))
    verdict = ask(policies, facts(service_provider="resident", identity_provider="crm"))
    assert verdict.gate == "undecided"
    assert "claim-group" in verdict.reason


@pytest.mark.parametrize(
    ("designator", "told"),
    [
        ((vocabulary.PROVISIONING, "http://wso2.org/identity/provisioning/claim-groups", "string"), "claim-group`?"),
        ((vocabulary.USER, "http://wso2.org/claims/emailadress", "string"), "http://wso2.org/claims/emailaddress`?"),
        ((vocabulary.USER, "urn:ietf:params:scim:schemas:core:2.0:User:usrName", "string"), "User:userName`?"),
        (("http://wso2.org/identity/users", "http://example.com/x", "string"), "http://wso2.org/identity/user`?"),
        ((vocabulary.USER, vocabulary.CLAIM_GROUP, "string"), f"its category is `{vocabulary.PROVISIONING}`"),
        ((vocabulary.USER, "urn:ietf:params:scim:schemas:core:2.0:User:active", "string"), "#boolean`"),
        ((vocabulary.PROVISIONING, "urn:sluice:provisioning:jit-or-not-at-all", "string"), "policies/README.md"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_what_was_meant(designator, told):
    category, attribute, kind = designator
    text = f"""<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17">
      <AttributeDesignator Category="{category}" AttributeId="{attribute}" DataType="{XML_SCHEMA}#{kind}"/></Policy>"""
    (warning,) = warnings("x.xml", text.encode())
    assert told in warning.help
    assert (warning.file, warning.line) == ("x.xml", 2)


@pytest.mark.parametrize(
    "attribute",
    ["http://example.com/claims/badge", "urn:example:extension:shoes:size",
     "urn:ietf:params:scim:schemas:core:2.0:User:emails.newsletter", "urn:scim:schemas:core:1.0:phoneNumbers.lab"],
)  # fmt: skip
def test_names_of_the_organisations_own_are_no_slips(attribute):
    text = f"""<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17">
      <AttributeDesignator Category="{vocabulary.USER}" AttributeId="{attribute}"
        DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent="false"/></Policy>"""
    assert not list(warnings("x.xml", text.encode()))


def test_an_obligation_that_would_refuse_is_told():
    text = b'<Policy><ObligationExpression ObligationId="urn:example:bell" FulfillOn="Permit"/></Policy>'
    (warning,) = warnings("x.xml", text)
    assert "`urn:example:bell` is not understood" in warning.message
