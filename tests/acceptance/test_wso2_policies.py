"""Policies as users of WSO2 Identity Server have them work unchanged, and where its gate was unsound ours is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-wso2-policies")

POLICIES = {path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("policies/*.xml")}
SETTINGS = {"SLUICE_BLOCKING_TIMEOUT": "1"}
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SALES, LEGAL = {ENTERPRISE: {"department": "sales"}}, {ENTERPRISE: {"department": "legal"}}


@pytest.fixture(scope="module")
def providers(api, scim):
    """`acme` is judged by roles, as its role mapping names them; `crm` by the department."""
    mappings = [{"local": "eng", "remote": "Engineering"}]
    api.identity_provider("acme", "scim2", scim.properties, roleMappings=mappings)
    api.identity_provider("crm", "scim2", scim.properties)
    api.service_provider("hr-portal", row("acme", rules=True))
    api.service_provider("sales-portal", row("crm", rules=True))
    api.patch("/service-providers/resident", {"outboundProvisioning": [row("acme", rules=True)]})


def only(request):
    [delivery] = request["deliveries"]
    return delivery


def with_roles(*roles):
    return {"roles": [{"value": role} for role in roles]}


def values_in(request_xml, attribute):
    """The values of an attribute in a recorded XACML request."""
    root = etree.fromstring(request_xml.encode())
    return [value.text for value in root.iterfind(f".//{{*}}Attribute[@AttributeId='{attribute}']/{{*}}AttributeValue")]


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("by-mapped-role", ["eng"]),
        ("by-the-name-at-the-target", ["Engineering"]),
        ("by-a-role-with-a-comma", ["Doe, Jane"]),
        ("as-second-of-many", ["clerk", "eng"]),
    ],
)
def test_a_role_template_lets_in_who_has_the_role(providers, api, name, roles):
    delivery = only(api.provisioned("hr-portal", "create", name, with_roles(*roles)))
    assert (delivery["state"], delivery["decision"]["decision"]) == ("delivered", "Permit")
    assert delivery["decision"]["policies"] == ["provision_acme_by_role"]
    assert delivery["decision"]["rules"] == ["permit_by_role"]


@pytest.mark.parametrize(
    ("name", "roles"), [("other-role", ["clerk"]), ("first-half", ["Doe"]), ("second-half", ["Jane", " Jane"])]
)
def test_a_role_template_keeps_out_who_has_not(providers, api, scim, name, roles):
    delivery = only(api.provisioned("hr-portal", "create", name, with_roles(*roles)))
    assert (delivery["state"], delivery["decision"]["decision"]) == ("refused", "Deny")
    assert delivery["decision"]["rules"] == ["deny_others"]
    assert not any(name.encode() in one.body for one in scim.arrived)


def test_a_role_with_a_comma_is_one_value_in_the_recorded_request(providers, api):
    request = api.provisioned("hr-portal", "create", "jane", with_roles("Doe, Jane", "eng"))
    decision = api.delivery(only(request)["id"])["decisions"][0]
    groups = values_in(decision["request"], "http://wso2.org/identity/provisioning/claim-group")
    assert groups == ["Doe, Jane", "Engineering"]


def test_every_attribute_that_such_policies_name_is_in_the_recorded_request(providers, api):
    attributes = {**with_roles("eng"), "emails": [{"value": "mia@example.com"}]}
    request = api.provisioned("hr-portal", "create", "mia", attributes)
    recorded = api.delivery(only(request)["id"])["decisions"][0]["request"]
    expected = {
        "http://wso2.org/identity/user/user-tenant-domain": "carbon.super",
        "http://wso2.org/identity/user/username": "PRIMARY/mia",
        "http://wso2.org/identity/sp/sp-name": "hr-portal",
        "http://wso2.org/identity/auth/sp-tenant-domain": "carbon.super",
        "http://wso2.org/identity/idp/idp-name": "acme",
        "http://wso2.org/identity/idp/connector-type": "SCIM2",
        "http://wso2.org/identity/identity-action/action-name": "provisioning",
        "http://wso2.org/identity/provisioning/provision-operation": "POST",
        "http://wso2.org/claims/emailaddress": "mia@example.com",
        "http://wso2.org/claims/role": "eng",
        "http://wso2.org/claims/roles": "Internal/eng",
        "urn:scim:schemas:core:1.0:userName": "mia",
        "urn:oasis:names:tc:xacml:1.0:environment:environment-id": "carbon.super",
        "urn:sluice:provisioning:entity-type": "user",
        "urn:sluice:provisioning:effective-operation": "create",
        "urn:sluice:provisioning:inbound-channel": "api",
        "urn:sluice:provisioning:jit": "false",
    }
    assert {name: values_in(recorded, name) for name in expected} == {k: [v] for k, v in expected.items()}


def test_the_resident_service_provider_has_the_name_that_such_policies_know(providers, api):
    request = api.provisioned("resident", "create", "nora", with_roles("eng"))
    assert only(request)["decision"]["decision"] == "NotApplicable"
    recorded = api.delivery(only(request)["id"])["decisions"][0]["request"]
    assert values_in(recorded, "http://wso2.org/identity/sp/sp-name") == ["wso2carbon-local-sp"]


def test_the_refused_removal_leaves_the_account_marked_as_kept(providers, api, scim):
    created = api.provisioned("hr-portal", "create", "olga", with_roles("eng"))
    identifier = only(created)["provisionedIdentifier"]
    removed = only(api.provisioned("hr-portal", "delete", "olga"))
    assert (removed["state"], removed["decision"]["rules"]) == ("refused", ["deny_others"])
    assert "deny_others" in removed["kept"]
    assert removed["provisionedIdentifier"] == identifier
    assert "olga" in [user["userName"] for user in scim.users]
    assert [one.method for one in scim.arrived if identifier in one.path] == []


def test_a_removal_is_judged_by_the_last_known_attributes(providers, api, scim):
    api.provisioned("sales-portal", "create", "paul", SALES)
    removed = only(api.provisioned("sales-portal", "delete", "paul"))
    assert (removed["state"], removed["decision"]["rules"]) == ("delivered", ["permit_by_claim"])
    assert "paul" not in [user["userName"] for user in scim.users]
    decision = api.delivery(removed["id"])["decisions"][-1]
    assert values_in(decision["request"], "http://wso2.org/claims/department") == ["sales"]
    assert values_in(decision["request"], "http://wso2.org/identity/provisioning/provision-operation") == ["DELETE"]


def test_what_a_removal_says_itself_does_not_override_the_last_known_attributes(providers, api, scim):
    api.provisioned("sales-portal", "create", "quinn", SALES)
    # The move to `legal` is refused, and yet it is what is known of quinn from now on.
    assert only(api.provisioned("sales-portal", "replace", "quinn", LEGAL))["state"] == "refused"
    body = {"type": "user", "name": "quinn", "attributes": {"userName": "quinn", **SALES}}
    sent = {"serviceProvider": "sales-portal", "operation": "delete", "entity": body}
    removed = only(api.settled(api.post("/provisioning-requests", sent)["id"]))
    assert (removed["state"], removed["decision"]["decision"]) == ("refused", "Deny")
    assert "quinn" in [user["userName"] for user in scim.users]


def test_a_group_is_judged_too_and_who_lacks_what_a_policy_must_have_waits_undecided(providers, api, scim):
    delivery = only(api.provision("hr-portal", "create", "chess club", type_="group"))
    assert (delivery["state"], delivery["decision"]["decision"]) == ("retrying", "Indeterminate")
    assert "http://wso2.org/identity/provisioning/claim-group" in delivery["reason"]
    recorded = api.delivery(delivery["id"])["decisions"][0]["request"]
    assert values_in(recorded, "urn:sluice:provisioning:entity-type") == ["group"]
    assert values_in(recorded, "http://wso2.org/identity/user/username") == ["chess club"]
    assert scim.groups == []
