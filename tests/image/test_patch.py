import copy
import json
from pathlib import Path

import pytest

from service.image import ImageErrors, apply_patch, check_image

CASES = json.loads((Path(__file__).parent / "cases" / "patches.json").read_text(encoding="utf-8"))
GROUP = {"displayName": "engineering"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_patch_does_what_the_specification_says(case):
    before = copy.deepcopy(case["before"])
    if "error" in case:
        with pytest.raises(ImageErrors) as caught:
            apply_patch("user", before, case["patch"])
        (error,) = caught.value.errors
        assert [error.field, error.message, error.scim_type] == case["error"]
    else:
        patched = apply_patch("user", before, case["patch"])
        assert patched.attributes == case["after"]
        assert list(patched.ignored) == case.get("ignored", [])
        assert check_image("user", patched.attributes).attributes == patched.attributes
    assert before == case["before"], "a patch must leave the image before it alone"


def patch_group(*operations, members=None):
    return apply_patch("group", GROUP, operations, members=members)


def test_members_who_are_added_and_removed_are_told_and_are_not_in_the_image():
    patched = patch_group(
        {"op": "add", "path": "members", "value": [{"value": "1", "type": "User"}, {"value": "2"}]},
        {"op": "remove", "path": 'members[value eq "3"]'},
    )
    assert (patched.added, patched.removed, patched.replaced) == ({"1", "2"}, {"3"}, None)
    assert patched.attributes == GROUP


def test_the_last_word_on_a_member_counts():
    patched = patch_group(
        {"op": "add", "path": "members", "value": {"value": "1"}},
        {"op": "remove", "path": 'members[value eq "1" or value eq "2"]'},
        {"op": "add", "value": {"members": [{"value": "2"}]}},
    )
    assert (patched.added, patched.removed) == ({"2"}, {"1"})


def test_known_members_do_not_join_twice_and_strangers_do_not_leave():
    patched = patch_group(
        {"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]},
        {"op": "remove", "path": "members", "value": [{"value": "3"}, {"value": "4"}]},
        members=frozenset({"1", "3"}),
    )
    assert (patched.added, patched.removed) == ({"2"}, {"3"})


def test_a_replaced_list_of_members_takes_in_the_operations_around_it():
    patched = patch_group(
        {"op": "add", "path": "members", "value": [{"value": "0"}]},
        {"op": "replace", "path": "members", "value": [{"value": "1"}, {"value": "2"}]},
        {"op": "add", "path": "members", "value": [{"value": "3"}]},
        {"op": "remove", "path": 'MEMBERS[VALUE eq "1"]'},
    )
    assert (patched.added, patched.removed, patched.replaced) == (frozenset(), frozenset(), {"2", "3"})


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "members"},
        {"op": "replace", "path": "members", "value": []},
        {"op": "replace", "value": {"members": None}},
    ],
)
def test_all_members_can_be_removed(operation):
    assert patch_group(operation).replaced == frozenset()


def test_removing_an_empty_list_of_members_removes_nobody():
    patched = patch_group({"op": "remove", "path": "members", "value": []})
    assert (patched.removed, patched.replaced) == (frozenset(), None)


@pytest.mark.parametrize(
    ("operation", "field", "scim_type"),
    [
        ({"op": "remove", "path": 'members[display eq "x"]'}, "patch[0].path", "invalidFilter"),
        ({"op": "remove", "path": 'members[not (value eq "x")]'}, "patch[0].path", "invalidFilter"),
        ({"op": "replace", "path": 'members[value eq "1"].value', "value": "2"}, "patch[0].path", "mutability"),
        ({"op": "add", "path": "members", "value": [{"display": "x"}]}, "patch[0].value[0].value", "invalidValue"),
        ({"op": "add", "path": "members", "value": ["1"]}, "patch[0].value[0]", "invalidValue"),
        ({"op": "add", "path": "password", "value": "x"}, "patch[0].path", "invalidPath"),
    ],
)
def test_what_cannot_be_done_to_a_group_is_refused(operation, field, scim_type):
    with pytest.raises(ImageErrors) as caught:
        patch_group(operation)
    assert [(error.field, error.scim_type) for error in caught.value.errors] == [(field, scim_type)]


def test_members_of_a_user_are_unknown():
    with pytest.raises(ImageErrors, match="unknown attribute `members`"):
        apply_patch("user", {"userName": "a"}, [{"op": "add", "path": "members", "value": []}])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "password", "value": "s3cret!"},
        {"op": "add", "value": {"PassWord": "s3cret!"}},
        {"op": "add", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:password": "s3cret!"}},
    ],
)
def test_a_password_is_taken_out_of_image_operations_and_representation(operation):
    patched = apply_patch("user", {"userName": "a"}, [operation, {"op": "add", "path": "title", "value": "x"}])
    assert patched.password == "s3cret!"
    assert patched.attributes == {"userName": "a", "title": "x"}
    assert patched.operations == ({"op": "add", "path": "title", "value": "x"},)
    assert "s3cret!" not in repr(patched)


def test_the_rest_of_an_operation_with_a_password_is_kept():
    patched = apply_patch(
        "user", {"userName": "a"}, [{"op": "ADD", "value": {"password": "x", "title": "Dr", "id": "1"}}]
    )
    assert patched.operations == ({"op": "add", "value": {"title": "Dr"}},)


def test_a_password_cannot_be_removed_and_null_leaves_it_alone():
    with pytest.raises(ImageErrors, match="a password can be replaced, not removed"):
        apply_patch("user", {"userName": "a"}, [{"op": "remove", "path": "password"}])
    assert apply_patch("user", {"userName": "a"}, [{"op": "replace", "value": {"password": None}}]).password is None


def test_a_password_is_never_repeated_in_an_error():
    with pytest.raises(ImageErrors) as caught:
        apply_patch("user", {"userName": "a"}, [{"op": "add", "path": "password", "value": "s3cret\0"}])
    assert "s3cret" not in str(caught.value)


def test_the_operations_may_stand_elsewhere_in_the_body():
    with pytest.raises(ImageErrors) as caught:
        apply_patch("user", {"userName": "a"}, [{"op": "add", "path": "x", "value": 1}], at="Operations")
    assert caught.value.errors[0].field == "Operations[0].path"


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ("add", "must be a list"),
        ([{"op": "remove", "path": "title"}] * 10_001, "10001 operations"),
        ([{"op": "remove", "path": "a" * 9_000}], "9000 characters"),
        ([{"op": "remove", "path": "emails[" + "not (" * 100 + "primary pr" + ")" * 100 + "]"}], "nests more than"),
        ([{"op": "add", "path": "roles", "value": [{"value": f"{i}-{j}"} for j in range(600)]} for i in "ab"], "1200"),
        ([{"op": "add", "path": f"urn:x:y:k{i}", "value": "x" * 250_000} for i in range(5)], "bytes"),
    ],
)
def test_a_patch_has_limits(operations, message):
    with pytest.raises(ImageErrors, match=message):
        apply_patch("user", {"userName": "a"}, operations)


def test_a_large_change_of_members_is_quick_and_exact():
    leaving = [{"op": "remove", "path": f'members[value eq "{i}"]'} for i in range(300)]
    joining = {"op": "add", "path": "members", "value": [{"value": str(i)} for i in range(5_000, 10_000)]}
    patched = patch_group(*leaving, joining, members=frozenset(map(str, range(5_000))))
    assert (len(patched.removed), len(patched.added)) == (300, 5_000)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "roles", "value": [{"value": "0"}]},
        {"op": "replace", "path": "roles.display", "value": "x"},
        {"op": "remove", "path": 'roles[display eq "x" or type eq "y"]'},
        {"op": "remove", "path": "roles", "value": [{"value": "x"}] * 500},
    ],
)
def test_a_small_body_cannot_keep_the_service_busy(operation):
    many = [{"value": str(index)} for index in range(1_000)]
    with pytest.raises(ImageErrors, match="too large to be applied"):
        apply_patch("user", {"userName": "a", "roles": many}, [operation] * 10_000)
