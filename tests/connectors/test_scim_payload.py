import pytest

from connectors.claims import CORE_GROUP, CORE_USER
from connectors.errors import Misconfigured
from connectors.profile import load
from connectors.scim_payload import member_values, nested, stored_name, wanted
from tests.support.tasks import ALICE, ENTERPRISE, group_task, members, settings, user_task

PLAIN = settings({})


def test_the_payload_is_the_image_with_schemas_and_our_id():
    assert wanted(user_task(), PLAIN) == {"schemas": [CORE_USER, ENTERPRISE], **ALICE, "externalId": "entity-alice"}


def test_what_belongs_to_the_target_or_goes_apart_is_never_sent():
    attributes = {
        **ALICE,
        "id": "ours",
        "meta": {"version": "1"},
        "password": "p",
        "groups": [{"value": "g"}],
        "schemas": ["urn:example:unused"],
        "externalId": "theirs",
    }
    assert wanted(user_task(attributes=attributes), PLAIN) == wanted(user_task(), PLAIN)


def test_members_are_no_part_of_a_groups_state():
    task = group_task(attributes={"displayName": "engineers", "members": [{"value": "x"}]})
    assert wanted(task, PLAIN) == {
        "schemas": [CORE_GROUP],
        "displayName": "engineers",
        "externalId": "entity-engineers",
    }


def test_what_is_unassigned_is_left_out():
    attributes = {
        "userName": "alice",
        "nickName": None,
        "emails": [],
        "name": {"givenName": "A", "middleName": None},
        "addresses": [{"street": None}],
        "title": "",
        "active": False,
        ENTERPRISE: {"manager": None},
    }
    assert wanted(user_task(attributes=attributes), PLAIN) == {
        "schemas": [CORE_USER],
        "userName": "alice",
        "name": {"givenName": "A"},
        "title": "",
        "active": False,
        "externalId": "entity-alice",
    }


def test_a_name_that_no_attribute_gives_is_the_entitys():
    assert wanted(user_task(attributes={}), PLAIN)["userName"] == "alice"
    assert wanted(group_task(attributes={}), PLAIN)["displayName"] == "engineers"


@pytest.mark.parametrize(
    ("domain", "name", "expected"),
    [
        ("", "alice", "alice"),
        ("", "CORP/alice", "CORP/alice"),
        ("PARTNERS", "alice", "PARTNERS/alice"),
        ("PARTNERS", "partners/alice", "PARTNERS/alice"),
        ("PARTNERS", "CORP/alice", "PARTNERS/alice"),
        ("PARTNERS", "OTHER/alice", "PARTNERS/OTHER/alice"),
        ("PRIMARY", "alice", "alice"),
        ("primary", "CORP/alice", "alice"),
    ],
)
def test_the_targets_user_store_domain_goes_in_front(domain, name, expected):
    task = user_task(domain="CORP")
    assert stored_name(task, settings({"scim2-user-store-domain": domain}), name) == expected


def test_a_mapped_task_becomes_a_nested_resource():
    attributes = {
        "userName": "al",
        "name.givenName": "Alice",
        "name.familyName": "Liddell",
        "emails": ["a@example.com", "b@example.com"],
        "phoneNumbers.work": "1",
        'phoneNumbers[type eq "mobile"].value': "2",
        "phoneNumbers[type eq 'odd']": "3",
        'addresses[type eq "home"].locality': "Oxford",
        'addresses[type eq "home"].country': "GB",
        "active": "true",
        "title": ["Boss"],
        f"{ENTERPRISE}:department": "ops",
        f"{ENTERPRISE}:manager.value": "m1",
        f"{CORE_USER}:nickName": "Al",
        f"{CORE_USER}:name.middleName": "P",
        "urn:example:custom:1.0:User:badge": 7,
        "urn:example:whole:1.0:User": {"a": 1},
        "costCenter": None,
    }
    assert nested(user_task(attributes=attributes, mapped=True)) == {
        "userName": "al",
        "name": {"givenName": "Alice", "familyName": "Liddell", "middleName": "P"},
        "emails": [{"value": "a@example.com"}, {"value": "b@example.com"}],
        "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2", "type": "mobile"}],
        "phoneNumbers[type eq 'odd']": "3",
        "addresses": [{"locality": "Oxford", "type": "home", "country": "GB"}],
        "active": True,
        "title": "Boss",
        ENTERPRISE: {"department": "ops", "manager": {"value": "m1"}},
        "nickName": "Al",
        "urn:example:custom:1.0:User": {"badge": 7},
        "urn:example:whole:1.0:User": {"a": 1},
    }


def test_a_mapped_task_lists_the_schemas_it_uses():
    task = user_task(attributes={"userName": "al", f"{ENTERPRISE}:department": "ops"}, mapped=True)
    assert wanted(task, PLAIN)["schemas"] == [CORE_USER, ENTERPRISE]


def test_a_mapping_may_choose_the_external_id():
    assert wanted(user_task(attributes={"externalId": "4711"}, mapped=True), PLAIN)["externalId"] == "4711"
    assert wanted(user_task(attributes={"userName": "al"}, mapped=True), PLAIN)["externalId"] == "entity-alice"


@pytest.mark.parametrize(
    "name", ["password", "Password", f"{CORE_USER}:password", "urn:scim:schemas:core:1.0:passWord"]
)
def test_a_claim_that_is_mapped_to_the_password_is_refused(name):
    with pytest.raises(Misconfigured, match="is not taken from claims"):
        wanted(user_task(attributes={name: "p"}, mapped=True), PLAIN)


def test_a_password_is_never_part_of_an_image_in_any_case():
    assert "p" not in wanted(user_task(attributes={"Password": "p", "userName": "alice"}), PLAIN).values()


@pytest.mark.parametrize("value", ["false", "False", "no", "0"])
def test_a_mapped_boolean_is_one(value):
    assert wanted(user_task(attributes={"active": value}, mapped=True), PLAIN)["active"] is False


def test_members_carry_what_targets_ask_for():
    everything = load("generic").members
    assert member_values(members(1), everything) == [{"value": "m1", "type": "User", "display": "user1"}]
    bare = load("generic", {"members": {"type": False, "display": False}}).members
    assert member_values(members(1), bare) == [{"value": "m1"}]
