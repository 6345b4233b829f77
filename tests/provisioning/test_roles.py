import pytest

from service.providers import RoleMapping
from service.provisioning.roles import mapped_groups, mapped_roles, passes_role_filter, with_mapped_roles

MAPPINGS = (RoleMapping("eng", "Engineering"), RoleMapping("Internal/ops", "Operations"))


def holding(*roles):
    return {"userName": "alice", "roles": [{"value": role} for role in roles]}


def test_a_role_is_whole_whatever_is_in_it():
    assert mapped_roles(holding("Doe, Jane", "a b"), ()) == ("Doe, Jane", "a b")


def test_mapped_roles_have_their_remote_names_and_others_stay():
    assert mapped_roles(holding("eng", "sales"), MAPPINGS) == ("Engineering", "sales")


@pytest.mark.parametrize("role", ["ENG", "Internal/eng", "internal/Eng", " eng "])
def test_case_and_the_internal_prefix_do_not_tell_roles_apart(role):
    assert mapped_roles(holding(role), MAPPINGS) == ("Engineering",)


def test_a_mapping_may_name_the_prefix_too():
    assert mapped_roles(holding("ops"), MAPPINGS) == ("Operations",)


def test_roles_that_a_target_knows_as_one_are_one():
    assert mapped_roles(holding("eng", "Internal/eng"), MAPPINGS) == ("Engineering",)


def test_nobody_has_roles_that_were_not_given():
    assert mapped_roles({"userName": "a"}, MAPPINGS) == ()
    assert mapped_roles({"roles": [{"display": "eng"}]}, MAPPINGS) == ()


def test_groups_are_mapped_like_roles():
    assert mapped_groups(("eng", "sales"), MAPPINGS) == ("Engineering", "sales")


def test_the_image_leaves_with_mapped_roles_and_keeps_what_stands_beside_them():
    image = {"userName": "a", "roles": [{"value": "eng", "type": "x"}, {"display": "d"}, {"value": "sales"}]}
    assert with_mapped_roles(image, MAPPINGS) == {
        "userName": "a",
        "roles": [{"value": "Engineering", "type": "x"}, {"display": "d"}, {"value": "sales"}],
    }
    assert image["roles"][0]["value"] == "eng"


def test_the_image_never_names_a_role_twice():
    assert with_mapped_roles(holding("eng", "ENG"), MAPPINGS)["roles"] == [{"value": "Engineering"}]


@pytest.mark.parametrize("mappings", [(), MAPPINGS])
def test_an_image_without_roles_stays_as_it_is(mappings):
    assert with_mapped_roles({"displayName": "g"}, mappings) == {"displayName": "g"}


def test_without_outbound_roles_everybody_passes():
    assert passes_role_filter({"userName": "a"}, (), ())


@pytest.mark.parametrize(
    ("roles", "groups", "passes"),
    [
        (("eng",), (), True),
        (("Internal/ENG",), (), True),
        ((), ("Eng",), True),
        (("sales",), ("staff",), False),
        (("engineering",), (), False),
        (("eng, ops",), (), False),
        ((), (), False),
    ],
)
def test_one_outbound_role_held_as_role_or_group_is_enough(roles, groups, passes):
    assert passes_role_filter(holding(*roles), groups, ("nobody", "internal/eng")) is passes
