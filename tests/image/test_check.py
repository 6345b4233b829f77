import json

import pytest

from service.image import ImageErrors, check_image, naming_attribute, schemas_of

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ALICE = {
    "userName": "alice",
    "externalId": "4711",
    "name": {"givenName": "Alice", "familyName": "Liddell"},
    "emails": [{"value": "alice@example.com", "type": "work", "primary": True}],
    "roles": [{"value": "Doe, Jane"}],
    "active": True,
    ENTERPRISE: {"department": "engineering", "manager": {"value": "7"}},
}


def attributes(given, *, entity_type="user", name="alice", **more):
    return check_image(entity_type, given, name=name, **more).attributes


def problems(given, *, entity_type="user", name="alice", **more):
    with pytest.raises(ImageErrors) as caught:
        check_image(entity_type, given, name=name, **more)
    return caught.value.problems


def test_a_canonical_resource_stays_as_it_is():
    assert attributes(ALICE) == ALICE


def test_names_are_spelled_as_the_specification_spells_them():
    shouted = {
        "USERNAME": "alice",
        "Name": {"GIVENNAME": "A"},
        "EMails": [{"VALUE": "a@x", "Type": "Work"}],
        ENTERPRISE.upper(): {"costcenter": "1"},
    }
    assert attributes(shouted) == {
        "userName": "alice",
        "name": {"givenName": "A"},
        "emails": [{"value": "a@x", "type": "Work"}],
        ENTERPRISE: {"costCenter": "1"},
    }


@pytest.mark.parametrize("address", ["user@corp.local", "root@localhost", "o'brien+x@exämple.test", "no at sign", ""])
def test_odd_addresses_are_real_addresses(address):
    assert attributes({"emails": [{"value": address}]})["emails"] == [{"value": address}]


@pytest.mark.parametrize(("given", "expected"), [("True", True), ("false", False), ("FALSE", False), (True, True)])
def test_booleans_may_come_as_words(given, expected):
    assert attributes({"active": given})["active"] is expected


def test_unassigned_attributes_are_absent():
    unassigned = {
        "title": None,
        "emails": [],
        "name": {},
        "roles": [None, {}],
        "ims": [{"value": None}],
        ENTERPRISE: {},
    }
    assert attributes(unassigned) == {"userName": "alice"}


def test_an_empty_string_is_a_value():
    assert attributes({"title": ""})["title"] == ""


def test_the_same_value_counts_once():
    assert attributes({"roles": [{"value": "x"}, {"VALUE": "x"}]})["roles"] == [{"value": "x"}]


def test_read_only_attributes_are_dropped_and_told_but_for_schemas():
    given = {
        "id": 1,
        "meta": [],
        "groups": "x",
        "schemas": 7,
        ENTERPRISE: {"manager": {"value": "7", "displayName": 3}},
    }
    image = check_image("user", given, name="alice")
    assert image.attributes == {"userName": "alice", ENTERPRISE: {"manager": {"value": "7"}}}
    assert image.ignored == tuple(
        f"entity.attributes.{path}" for path in ("id", "meta", "groups", f"{ENTERPRISE}.manager.displayName")
    )


def test_schemas_are_told_anew_from_what_is_there():
    assert schemas_of("user", ALICE) == ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE]
    assert schemas_of("group", {"displayName": "g"}) == ["urn:ietf:params:scim:schemas:core:2.0:Group"]


def test_unknown_extensions_are_kept_as_they_are():
    extension = {"Badge": None, "list": [1, 2.5, [], {"x": True}], "": {}}
    assert attributes({"urn:x:y:1.0:User": extension})["urn:x:y:1.0:User"] == extension


def test_the_image_shares_nothing_with_what_the_caller_gave():
    given = {"urn:x:y:1.0:User": {"list": [{}]}}
    attributes(given)["urn:x:y:1.0:User"]["list"][0]["new"] = 1
    assert given == {"urn:x:y:1.0:User": {"list": [{}]}}


def test_the_organisations_own_claims_are_kept_under_their_uri():
    assert attributes({"http://wso2.org/claims/badge": ["1", "2"]})["http://wso2.org/claims/badge"] == ["1", "2"]


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"emial": []}, "emial", "unknown attribute `emial`: did you mean `emails`?"),
        ({"favouriteColour": 1}, "favouriteColour", "unknown attribute `favouriteColour`"),
        ({"firstName": "A"}, "firstName", "unknown attribute `firstName`: did you mean `name.givenName`?"),
        (
            {"department": "x"},
            "department",
            f"unknown attribute `department`: it belongs into the object `{ENTERPRISE}`",
        ),
        ({"name": {"lastName": "x"}}, "name.lastName", "`name` has no `lastName`: did you mean `familyName`?"),
        (
            {ENTERPRISE: {"departmnt": "x"}},
            f"{ENTERPRISE}.departmnt",
            "unknown attribute `departmnt`: did you mean `department`?",
        ),
        ({"name": "Alice"}, "name", 'must be an object, such as `{"givenName": …}`, not a string'),
        ({"emails": "a@x"}, "emails", "must be a list, not a string"),
        ({"emails": {"value": "a@x"}}, "emails", "must be a list, not an object"),
        ({"emails": ["a@x"]}, "emails[0]", 'must be an object, such as `{"value": …}`, not a string'),
        ({"emails": [{"value": "a"}, {"value": 1}]}, "emails[1].value", "must be a string, not a number"),
        ({"title": ["x"]}, "title", "must be a string, not a list"),
        ({"title": True}, "title", "must be a string, not a boolean"),
        ({"active": 1}, "active", "must be true or false"),
        ({"active": "yes"}, "active", "must be true or false"),
        (
            {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": "True"}]},
            "emails",
            "marks 2 values as primary: at most one can be",
        ),
        ({"x509Certificates": [{"value": "not base64!"}]}, "x509Certificates[0].value", "must be base64"),
        ({"x509Certificates": [{"value": "AAAAA"}]}, "x509Certificates[0].value", "must be base64"),
        ({"title": "a\0b"}, "title", "holds the character U+0000, which cannot be sent on"),
        ({"title": "\ud83d"}, "title", "holds the character U+D83D, which cannot be sent on"),
        ({"title": "x", "TITLE": "y"}, "TITLE", "is given twice: attribute names are compared without case"),
        ({"": 1}, "", "unknown attribute ``"),
        ({"urn:x:y": "z"}, "urn:x:y", "an extension must be an object, not a string"),
        (
            {f"{ENTERPRISE}:department": "x"},
            f"{ENTERPRISE}:department",
            f'an extension must be an object, not a string: write `{{"{ENTERPRISE}": {{"department": …}}}}`',
        ),
        (
            {"urn:ietf:params:scim:schemas:core:2.0:User": {"title": "x"}},
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "attributes of the core schema stand at the top of the resource",
        ),
        ({"urn:x:y": {"a": {"b": "\ud800"}}}, "urn:x:y.a.b", "holds the character U+D800, which cannot be sent on"),
        ({"urn:x:y": {"a": float("nan")}}, "urn:x:y.a", "is no JSON value"),
        ({"urn:x:y": {"a": b"x"}}, "urn:x:y.a", "is no JSON value"),
        ({"members": []}, "members", "unknown attribute `members`"),
        ({"password": 1}, "password", "must be a string, not a number"),
        ({"password": " "}, "password", "must not be blank"),
        ({"userName": "bob"}, "userName", "is not the entity's name, `alice`: rename an entity by its id"),
        ({"userName": " "}, "userName", "must not be blank"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(given, field, message):
    assert problems(given) == [(f"entity.attributes.{field}", message)]


def test_all_that_is_wrong_is_told_at_once():
    assert [field for field, _ in problems({"a": 1, "emails": [1, {"b": 2}], "title": 3}, at="")] == [
        "a",
        "emails[0]",
        "emails[1].b",
        "title",
    ]


def test_a_name_that_cannot_be_written_is_an_error_that_can():
    ((field, message),) = problems({"a\ud800\n": 1})
    assert (field, message) == ("entity.attributes", "the attribute name `a\\ud800\\n` cannot be taken")


def test_of_a_million_errors_the_first_hundred_are_told():
    found = problems({"urn:x:y": {"list": ["\0"] * 5_000}})
    assert len(found) == 100


def test_values_are_never_repeated_in_an_error():
    given = {"password": "s3cret\0", "title": "secret\0", "active": "secret"}
    assert "cret" not in str(problems(given)).replace("secret_", "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"roles": [{"value": str(i)} for i in range(1_001)]}, "has 1001 values: at most 1000 are taken"),
        ({"title": "x" * 262_145}, "has 262145 characters: at most 262144 are taken"),
        ({"urn:x:y": json.loads('{"a":' * 16 + "1" + "}" * 16)}, "is more than 16 levels deep"),
        ({f"urn:x:y{i}": {"a": "ä" * 200_000} for i in range(3)}, "at most 1048576 are taken"),
    ],
)
def test_an_image_has_limits(given, message):
    assert message in problems(given)[0][1]


@pytest.mark.parametrize("given", [None, [], "x", 1])
def test_a_resource_is_an_object(given):
    assert problems(given)[0][0] == "entity.attributes"


def test_the_name_fills_what_the_caller_left_out():
    assert attributes({}) == {"userName": "alice"}
    assert attributes({}, entity_type="group", name="eng") == {"displayName": "eng"}
    assert (naming_attribute("user"), naming_attribute("group")) == ("userName", "displayName")


@pytest.mark.parametrize(("name", "message"), [("a\0b", "holds the character U+0000"), (" ", "must not be blank")])
def test_a_name_that_fills_in_is_checked_too(name, message):
    ((field, found),) = problems({}, name=name)
    assert field == "entity.attributes.userName"
    assert found.startswith(message)


def test_a_given_name_is_kept_in_its_own_case():
    assert attributes({"userName": "ALICE"})["userName"] == "ALICE"


def test_a_rename_gives_another_name():
    assert attributes({"userName": "bob"}, rename=True)["userName"] == "bob"


def test_without_an_entity_the_resource_names_itself():
    assert attributes({"displayName": "eng"}, entity_type="group", name=None) == {"displayName": "eng"}
    assert problems({}, name=None) == [("entity.attributes.userName", "is missing")]


def test_a_users_display_name_is_not_its_name():
    assert attributes({"displayName": "Al"}) == {"displayName": "Al", "userName": "alice"}


def test_a_password_is_taken_out_and_shown_nowhere():
    image = check_image("user", {"PASSWORD": "s3cret!"}, name="alice")
    assert (image.password, image.attributes) == ("s3cret!", {"userName": "alice"})
    assert "s3cret!" not in repr(image)
    assert check_image("user", {"password": None}, name="alice").password is None


def test_a_group_has_no_password():
    assert problems({"password": "x"}, entity_type="group")[0][0] == "entity.attributes.password"


def test_members_are_taken_out_once_each_and_in_order():
    given = {"members": [{"value": "2", "type": "User", "$ref": "../Users/2"}, {"value": "1"}, {"VALUE": "2"}]}
    image = check_image("group", given, name="eng")
    assert (image.members, image.attributes) == (("2", "1"), {"displayName": "eng"})


@pytest.mark.parametrize(("given", "expected"), [({}, None), ({"members": []}, ()), ({"members": None}, ())])
def test_no_members_are_told_from_members_that_were_not_mentioned(given, expected):
    assert check_image("group", given, name="eng").members == expected


@pytest.mark.parametrize(
    ("members", "field"),
    [("1", "members"), (["1"], "members[0]"), ([{"value": "1"}, {"type": "User"}], "members[1].value"),
     ([{"value": 1}], "members[0].value"), ([{"value": ""}], "members[0].value"), ([None], "members[0]")],
)  # fmt: skip
def test_a_member_needs_an_id(members, field):
    assert [found for found, _ in problems({"members": members}, entity_type="group")] == [f"entity.attributes.{field}"]


def test_a_group_may_have_more_members_than_an_attribute_has_values():
    members = [{"value": str(index)} for index in range(5_000)]
    assert len(check_image("group", {"members": members}, name="eng").members) == 5_000


def test_certificates_may_be_wrapped_as_in_pem():
    assert attributes({"x509Certificates": [{"value": "AAAA\r\nBB==\n"}]})["x509Certificates"] == [
        {"value": "AAAABB=="}
    ]
