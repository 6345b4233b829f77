import pytest

from connectors.claims import CORE_USER
from connectors.profile import load
from connectors.scim_payload import wanted
from connectors.scim_shape import read, shaped
from tests.support.tasks import ALICE, ENTERPRISE, settings, user_task

RESOURCE = wanted(user_task(), settings({}))


def shape(**keys):
    return load("generic", {"user": keys}).user


def test_the_generic_shape_changes_nothing():
    assert shaped(RESOURCE, shape()) == RESOURCE


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name.givenName} {name.familyName}", "Alice Liddell"),
        ("{nickName} | {userName}", "alice"),
        ("{nickName} {title}", None),
        ("{name.givenName} {nickName} X", "Alice X"),
        ("fixed", "fixed"),
        ("{emails.value}", "alice@example.com"),
        (f"{{{ENTERPRISE}:department}}", "engineering"),
    ],
)
def test_what_is_required_is_filled_from_what_is_there(template, expected):
    assert shaped(RESOURCE, shape(required={"displayName": template})).get("displayName") == expected


def test_what_is_there_is_not_overwritten():
    assert shaped(RESOURCE, shape(required={"userName": "x", "name.givenName": "x"})) == RESOURCE


def test_a_required_part_makes_its_whole():
    bare = {"schemas": [CORE_USER], "userName": "al"}
    fitted = shaped(bare, shape(required={"name.formatted": "{userName}", f"{ENTERPRISE}:department": "none"}))
    assert fitted == {
        "schemas": [CORE_USER, ENTERPRISE],
        "userName": "al",
        "name": {"formatted": "al"},
        ENTERPRISE: {"department": "none"},
    }
    assert bare == {"schemas": [CORE_USER], "userName": "al"}


def test_what_is_dropped_is_gone_with_what_it_leaves_empty():
    dropped = ["active", "name.givenName", "name.familyName", "emails.type", f"{ENTERPRISE}:department", "nothing"]
    assert shaped(RESOURCE, shape(dropped=dropped)) == {
        "schemas": [CORE_USER],
        "userName": "alice",
        "emails": [{"value": "alice@example.com", "primary": True}],
        "externalId": "entity-alice",
    }


def test_a_whole_extension_can_be_dropped():
    assert ENTERPRISE not in str(shaped(RESOURCE, shape(dropped=[ENTERPRISE])))


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([{"value": "a"}, {"value": "b", "primary": True}], "b"),
        ([{"value": "a"}, {"value": "b"}], "a"),
        ([{"value": "a"}], "a"),
    ],
)
def test_of_several_values_the_primary_one_is_kept(values, kept):
    fitted = shaped({**RESOURCE, "emails": values}, shape(single=["emails", "phoneNumbers"]))
    assert [one["value"] for one in fitted["emails"]] == [kept]


def test_a_path_is_read_wherever_it_leads():
    assert read(ALICE, "name.givenName") == "Alice"
    assert read(ALICE, "emails.value") == "alice@example.com"
    assert read(ALICE, ENTERPRISE) == {"department": "engineering"}
    assert read(ALICE, "userName.nothing") is None
    assert read({"emails": []}, "emails.value") is None
