import copy
import json
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, PatchOp, User

from connectors.profile import load
from connectors.scim_changes import batches, changes, everything, patch_message, pathless, relevant, touched
from tests.support.tasks import ENTERPRISE

TEXT = st.text(st.characters(whitelist_categories=("L", "N", "P", "S")), min_size=1, max_size=8)

Person = User[EnterpriseUser]
PersonPatch = PatchOp[Person]
ADDRESSES = [f"{name}@example.com" for name in "abcdé"]
GENERIC = load("generic").patch
FEW = hypothesis_settings(max_examples=50, deadline=None)


def some(**fields):
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


def elements(values, **fields):
    return st.lists(
        st.fixed_dictionaries({"value": values}, optional=fields),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one["value"],
    )


RESOURCES = st.fixed_dictionaries(
    {"schemas": st.just([User.__schema__, ENTERPRISE]), "userName": TEXT},
    optional={
        "externalId": TEXT,
        "title": TEXT,
        "active": st.booleans(),
        "name": some(givenName=TEXT, familyName=TEXT, middleName=TEXT),
        "emails": elements(st.sampled_from(ADDRESSES), type=st.sampled_from(["work", "home"])),
        "roles": elements(TEXT, display=TEXT),
        ENTERPRISE: some(department=TEXT, costCenter=TEXT, manager=some(value=TEXT)),
    },
)


def normal(user):
    """A resource in a form that compares: the order of multiple values says nothing."""
    plain = {key: value for key, value in user.items() if key not in {"schemas", "meta"}}
    return {
        key: sorted(value, key=partial(json.dumps, sort_keys=True)) if isinstance(value, list) else value
        for key, value in plain.items()
        if value != {}
    }


def patched(resource, operations):
    """Apply operations as somebody else's implementation of RFC 7644 does."""
    user = Person.model_validate(copy.deepcopy(resource))
    if operations:
        PersonPatch.model_validate(patch_message(operations, GENERIC)).patch(user)
    return normal(user.model_dump())


@FEW
@given(RESOURCES, RESOURCES)
def test_the_changes_turn_one_state_into_the_other(before, after):
    assert patched(before, changes(before, after)) == normal(after)


@FEW
@given(RESOURCES, RESOURCES)
def test_the_changes_do_the_same_without_paths(before, after):
    operations = pathless(changes(before, after), after)
    assert all("path" not in one for one in operations if one["op"] != "remove")
    assert patched(before, operations) == normal(after)


@FEW
@given(RESOURCES)
def test_a_state_does_not_differ_from_itself(resource):
    shuffled = {key: value[::-1] if isinstance(value, list) else value for key, value in resource.items()}
    assert changes(resource, dict(reversed(shuffled.items()))) == []


@FEW
@given(RESOURCES, RESOURCES)
def test_writing_everything_leaves_nothing_of_what_it_names(before, after):
    result = patched(before, everything(after))
    assert {key: result.get(key) for key in normal(after) if not isinstance(after[key], dict)} == {
        key: value for key, value in normal(after).items() if not isinstance(value, dict)
    }
    assert changes(relevant(result, after, ()), after) == []


@FEW
@given(RESOURCES, RESOURCES)
def test_what_others_set_at_the_target_stays(there, after):
    operations = changes(relevant(there, after, ()), after)
    assert not [one for one in operations if one["op"] == "remove"]
    result = patched(there, operations)
    assert [result[key] for key in normal(there) if key not in after] == [
        value for key, value in normal(there).items() if key not in after
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"title": "Boss"}, [{"op": "add", "path": "title", "value": "Boss"}]),
        ({"title": "A"}, {"title": "B"}, [{"op": "replace", "path": "title", "value": "B"}]),
        ({"title": "A"}, {}, [{"op": "remove", "path": "title"}]),
        (
            {"name": {"givenName": "A", "familyName": "L"}},
            {"name": {"givenName": "B"}},
            [
                {"op": "replace", "path": "name.givenName", "value": "B"},
                {"op": "remove", "path": "name.familyName"},
            ],
        ),
        ({}, {"name": {"givenName": "B"}}, [{"op": "add", "path": "name", "value": {"givenName": "B"}}]),
        ({"name": {"givenName": "B"}}, {}, [{"op": "remove", "path": "name"}]),
        (
            {"emails": [{"value": "a"}, {"value": "b"}]},
            {"emails": [{"value": "b"}, {"value": "c"}]},
            [{"op": "replace", "path": "emails", "value": [{"value": "b"}, {"value": "c"}]}],
        ),
        (
            {},
            {ENTERPRISE: {"department": "ops"}},
            [{"op": "add", "path": f"{ENTERPRISE}:department", "value": "ops"}],
        ),
        (
            {ENTERPRISE: {"department": "ops", "manager": {"value": "1", "displayName": "M"}}},
            {ENTERPRISE: {"manager": {"value": "2", "displayName": "M"}}},
            [
                {"op": "replace", "path": f"{ENTERPRISE}:manager.value", "value": "2"},
                {"op": "remove", "path": f"{ENTERPRISE}:department"},
            ],
        ),
        ({"schemas": ["a"], "id": "1", "meta": {}, "members": []}, {"schemas": ["b"]}, []),
        ({"active": True}, {"active": False}, [{"op": "replace", "path": "active", "value": False}]),
    ],
)
def test_each_change_is_one_operation(before, after, expected):
    assert changes(before, after) == expected


def test_a_change_is_spelled_as_the_target_reads_it():
    ways = replace(GENERIC, capitals=True, boolean_words=True)
    operations = [
        {"op": "replace", "path": "active", "value": False},
        {"op": "add", "path": "emails", "value": [{"value": "a", "primary": True}]},
        {"op": "remove", "path": "title"},
    ]
    assert patch_message(operations, ways)["Operations"] == [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "emails", "value": [{"value": "a", "primary": "True"}]},
        {"op": "Remove", "path": "title"},
    ]
    assert operations[0]["value"] is False


def test_a_password_goes_without_a_path_too():
    operations = [{"op": "replace", "path": "password", "value": "p"}]
    assert pathless(operations, {"userName": "a"}) == [{"op": "replace", "value": {"password": "p"}}]


def test_what_was_touched_is_read_from_paths_and_values():
    patch = [
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "x"},
        {"op": "remove", "path": f"{ENTERPRISE}:department"},
        {"op": "add", "value": {"title": "x", "name": {"givenName": "y"}}},
    ]
    assert list(touched(patch)) == ["emails", f"{ENTERPRISE}:department", "title", "name.givenName"]


def test_operations_are_cut_into_messages():
    assert list(batches([{"op": str(number)} for number in range(5)], 2)) == [
        [{"op": "0"}, {"op": "1"}],
        [{"op": "2"}, {"op": "3"}],
        [{"op": "4"}],
    ]
    assert list(batches([], 2)) == []
