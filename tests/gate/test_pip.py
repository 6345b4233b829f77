"""What a policy sees of a delivery."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from service import pdp, vocabulary
from service.image import check_image
from service.pip import Described, Indescribable, describe, is_secret
from tests.support.gate import ENTERPRISE, XACML, ask, compiled, facts, policy

W = "http://wso2.org/claims/"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User:"
USER, PROVISIONING = vocabulary.USER, vocabulary.PROVISIONING

ALICE = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Liddell"},
    "active": True,
    "emails": [{"value": "a@example.com", "type": "work", "primary": True}, {"value": "a@example.org", "type": "home"}],
    "roles": [{"value": "Doe, Jane"}, {"value": "Application/portal-admin"}],
    "meta": {"created": "2026-01-31T08:00:00Z", "lastModified": "yesterday"},
    ENTERPRISE: {"department": "engineering", "employeeNumber": 17},
    "urn:example:scim:extension:shoes": {"size": 42, "width": 9.5, "brand": "x"},
}


def values(known, id_, kind="string"):
    found = [one for one in describe(known).attributes if one.id == id_ and one.type == kind]
    return tuple(value for one in found for value in one.values)


def ids(known):
    return {one.id for one in describe(known).attributes}


@pytest.mark.parametrize(
    ("category", "id_", "value"),
    [
        (USER, "http://wso2.org/identity/user/user-tenant-domain", "carbon.super"),
        (USER, "http://wso2.org/identity/user/username", "PRIMARY/alice"),
        ("http://wso2.org/identity/sp", "http://wso2.org/identity/sp/sp-name", "hr-portal"),
        ("http://wso2.org/identity/sp", "http://wso2.org/identity/auth/sp-tenant-domain", "carbon.super"),
        ("http://wso2.org/identity/idp", "http://wso2.org/identity/idp/idp-name", "sandbox"),
        ("http://wso2.org/identity/idp", "http://wso2.org/identity/idp/connector-type", "SCIM2"),
        (vocabulary.ACTION, "http://wso2.org/identity/identity-action/action-name", "provisioning"),
        (PROVISIONING, "http://wso2.org/identity/provisioning/provision-operation", "PATCH"),
        (PROVISIONING, "urn:sluice:provisioning:entity-type", "user"),
        (PROVISIONING, "urn:sluice:provisioning:effective-operation", "create"),
        (PROVISIONING, "urn:sluice:provisioning:inbound-channel", "api"),
        (vocabulary.ENVIRONMENT, "urn:oasis:names:tc:xacml:1.0:environment:environment-id", "carbon.super"),
    ],
)  # fmt: skip
def test_the_circumstances_have_the_names_that_wso2_policies_ask_for(category, id_, value):
    known = facts(operation="modify", effective_operation="create")
    assert Described(category, id_, "string", (value,)) in describe(known).attributes


@pytest.mark.parametrize(
    ("operation", "method"), [("create", "POST"), ("replace", "PUT"), ("modify", "PATCH"), ("delete", "DELETE")]
)
def test_the_inbound_operation_is_told_as_its_http_method(operation, method):
    assert values(facts(operation=operation), vocabulary.PROVISION_OPERATION) == (method,)


@pytest.mark.parametrize(
    ("ours", "wso2"), [("scim2", "SCIM2"), ("scim", "scim"), ("spml", "spml"), ("googleapps", "googleapps"), ("x", "x")]
)
def test_a_connector_type_is_spelled_as_wso2_spells_it(ours, wso2):
    assert values(facts(connector_type=ours), vocabulary.CONNECTOR_TYPE) == (wso2,)


def test_the_resident_service_provider_has_wso2s_name():
    assert values(facts(service_provider="resident"), vocabulary.SP_NAME) == ("wso2carbon-local-sp",)


@pytest.mark.parametrize("operation", ["create", "replace", "modify", "delete"])
def test_every_operation_carries_the_last_known_attributes_and_roles(operation):
    known = facts(operation=operation, attributes=ALICE, roles=("Engineering",), groups=("staff",))
    assert values(known, W + "emailaddress") == ("a@example.com", "a@example.org")
    assert values(known, vocabulary.CLAIM_GROUP) == ("Engineering", "staff")


@pytest.mark.parametrize(
    ("id_", "kind", "expected"),
    [
        (W + "givenname", "string", ("Alice",)),
        (W + "emails.work", "string", ("a@example.com",)),
        (W + "active", "string", ("true",)),
        (W + "identity/accountDisabled", "string", ("false",)),
        (W + "department", "string", ("engineering",)),
        (W + "role", "string", ("Doe, Jane", "Application/portal-admin", "staff")),
        (W + "roles", "string", ("Internal/Doe, Jane", "Application/portal-admin")),
        (W + "groups", "string", ("staff",)),
        ("urn:scim:schemas:core:1.0:userName", "string", ("alice",)),
        ("urn:scim:schemas:core:1.0:emails.work", "string", ("a@example.com",)),
        ("urn:scim:schemas:core:1.0:active", "string", ("true",)),
        ("urn:scim:schemas:core:1.0:groups", "string", ("staff",)),
        ("urn:scim:schemas:extension:enterprise:1.0:department", "string", ("engineering",)),
        (CORE + "userName", "string", ("alice",)),
        (CORE + "emails", "string", ("a@example.com", "a@example.org")),
        (CORE + "emails.home", "string", ("a@example.org",)),
        (CORE + "emails.primary", "boolean", ("true",)),
        (CORE + "active", "boolean", ("true",)),
        (CORE + "meta.created", "dateTime", ("2026-01-31T08:00:00Z",)),
        (CORE + "meta.lastModified", "string", ("yesterday",)),
        (CORE + "roles", "string", ("Doe, Jane", "Application/portal-admin")),
        (ENTERPRISE + ":department", "string", ("engineering",)),
        (ENTERPRISE + ":employeeNumber", "integer", ("17",)),
        ("urn:example:scim:extension:shoes:size", "integer", ("42",)),
        ("urn:example:scim:extension:shoes:width", "double", ("9.5",)),
        ("urn:sluice:provisioning:jit", "boolean", ("false",)),
        ("urn:sluice:provisioning:attempt", "integer", ("1",)),
    ],
)
def test_an_attribute_is_found_under_every_name_it_has(id_, kind, expected):
    assert values(facts(attributes=ALICE, roles=("Engineering",), groups=("staff",)), id_, kind) == expected


def test_a_group_is_told_apart_from_a_user_and_named():
    known = facts(
        entity_type="group",
        entity_name="engineering",
        attributes={"displayName": "engineering", "members": [{"value": "2819c223"}]},
    )
    assert values(known, vocabulary.ENTITY_TYPE) == ("group",)
    assert values(known, vocabulary.USERNAME) == ("engineering",)
    assert values(known, W + "displayName") == ("engineering",)
    assert values(known, "urn:ietf:params:scim:schemas:core:2.0:Group:displayName") == ("engineering",)
    assert b"2819c223" not in describe(known).xml


def test_names_of_attributes_are_spelled_as_the_schema_spells_them():
    assert values(facts(attributes={"USERNAME": "x", "Name": {"GIVENNAME": "G"}}), CORE + "userName") == ("x",)
    assert values(facts(attributes={"Name": {"GIVENNAME": "G"}}), CORE + "name.givenName") == ("G",)


def test_a_text_that_means_a_truth_value_is_one_where_scim_types_it():
    assert values(facts(attributes={"active": "False"}), CORE + "active", "boolean") == ("false",)


def test_no_password_and_no_other_secret_is_described():
    secret = "hunter2"
    known = facts(
        attributes={
            "password": secret,
            "urn:x:y": {"apiKey": secret, "otp_seed": secret, "inner": [{"clientSecret": secret, "secretary": "Bob"}]},
            "http://wso2.org/claims/identity/secretkey": secret,
        }
    )
    assert secret not in describe(known).xml.decode()
    assert values(known, "urn:x:y:inner.secretary") == ("Bob",)


@pytest.mark.parametrize("name", ["password", "userPassword", "PASSWORD", "api_key", "APIKey", "totp", "access-token"])
def test_names_of_secrets_are_known(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["secretary", "tokenizer", "userName", "pinboard", "department"])
def test_names_that_only_look_like_secrets_are_not(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    "attributes",
    [
        {"groups": [{"value": "admins", "display": "admins"}]},
        {"http://wso2.org/claims/groups": "admins"},
        {"http://wso2.org/identity/user/username": "admins"},
        {"urn:ietf:params:scim:schemas:core:2.0:User:groups": "admins"},
        {"urn:ietf:params:scim:schemas:core:2.0:User": {"groups": ["admins"]}},
        {"urn:scim:schemas:core:1.0": {"groups": ["admins"]}},
        {"urn:scim:schemas:core": {"1.0:groups": ["admins"]}},
        {"urn:sluice:provisioning:entity-type": "admins"},
    ],
)
def test_a_caller_cannot_claim_what_only_we_may_say(attributes):
    described = describe(facts(attributes={"userName": "alice", **attributes})).attributes
    ours = vocabulary.known_attributes()
    assert not [one for one in described if one.id in ours and "admins" in one.values]


def test_a_claim_of_the_organisations_own_is_carried_under_its_uri():
    assert values(
        facts(attributes={"http://example.com/claims/badge": "red, blue"}), "http://example.com/claims/badge"
    ) == ("red, blue",)


def test_the_record_is_the_request_and_always_the_same():
    shuffled = dict(reversed(ALICE.items()))
    one, other = describe(facts(attributes=ALICE)), describe(facts(attributes=shuffled))
    assert one.xml == other.xml
    assert one.request.error is None
    root = etree.fromstring(one.xml)
    assert root.tag.startswith("{" + XACML.split('"')[1])
    assert root.get("ReturnPolicyIdList") == "true"


def test_a_value_that_xml_cannot_carry_is_named():
    with pytest.raises(Indescribable, match=r"nickname.*U\+0000"):
        describe(facts(attributes={"nickName": "a\0b"}))


def test_every_id_of_the_table_is_there_once_and_has_a_category_of_ours():
    rows = vocabulary.attribute_table()
    assert len({row.id for row in rows}) == len(rows)
    assert {row.category for row in rows} == set(vocabulary.CATEGORIES)


def test_whatever_a_full_user_has_is_in_the_table():
    known = facts(attributes=ALICE, roles=("Engineering",), groups=("staff",))
    own = {id_ for id_ in ids(known) if id_.startswith("urn:example:")}
    assert ids(known) - own <= set(vocabulary.known_attributes()) | {
        f"urn:scim:schemas:extension:enterprise:1.0:{name}" for name in ("department", "employeeNumber")
    }


text = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="￾￿"))
scalars = st.one_of(text, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none())
names = st.one_of(text, st.sampled_from(["emails", "active", "name", ENTERPRISE, "type", "value", "primary", "roles"]))
json = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=15)


@given(st.dictionaries(names, json))
@settings(deadline=None)
def test_any_resource_makes_a_request_that_reads_back_as_it_was_described(resource):
    described = describe(facts(attributes=resource))
    assert described.request.error is None
    read = {
        (group.category, one.attribute_id): tuple(value.text for value in one.values)
        for group in described.request.groups
        for one in group.attributes
        if len({value.data_type for value in one.values}) == 1
    }
    for one in described.attributes:
        if sum(other.id == one.id for other in described.attributes) == 1:
            assert read[one.category, one.id] == one.values


@given(st.lists(text.filter(bool), min_size=1, unique=True))
@settings(deadline=None)
def test_each_role_stays_one_whole_value(roles):
    known = facts(attributes={"roles": [{"value": role} for role in roles]}, roles=tuple(roles))
    assert values(known, vocabulary.CLAIM_GROUP) == tuple(roles)
    assert values(known, W + "role") == tuple(roles)


def test_the_largest_image_that_is_taken_can_be_judged():
    many = [{"value": f"v{n}", "display": f"d{n}", "type": f"t{n % 9}", "primary": False} for n in range(1000)]
    plural = ("emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates")
    given = {"userName": "alice", **dict.fromkeys(plural, many)}
    image = check_image("user", given, name="alice").attributes
    roles = tuple(one["value"] for one in many)
    described = describe(facts(attributes=image, roles=roles, groups=tuple(f"g{n}" for n in range(1000))))
    assert sum(len(one.values) for one in described.attributes) > pdp.DEFAULT_LIMITS.attributes
    verdict = ask(compiled(policy("all")), facts(attributes=image, roles=roles))
    assert verdict.gate == "open"
