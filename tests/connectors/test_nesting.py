from hypothesis import given
from hypothesis import strategies as st

from connectors.catalog import BUILT_IN
from connectors.connector import Member
from connectors.nesting import WAYS, chosen, nesting, told_members
from tests.support.tasks import settings

NAMES = st.sampled_from("abcdef")
WORLDS = st.dictionaries(NAMES, st.lists(st.tuples(NAMES, st.booleans()), max_size=6))


def member(name, is_group=False):
    return Member(f"{'group' if is_group else 'user'}-{name}", name, name, "group" if is_group else "user")


def told(world, way, start="a"):
    def members_of(entity_id):
        return [member(*one) for one in world.get(entity_id.removeprefix("group-"), [])]

    return told_members(
        members_of(f"group-{start}"),
        way,
        type_of=lambda one: one.type,
        id_of=lambda one: one.entity_id,
        members_of=members_of,
    )


def reachable(world, name, seen=()):
    """The users in a group, by plain recursion."""
    for one, is_group in world.get(name, []):
        if not is_group:
            yield one
        elif one not in seen:
            yield from reachable(world, one, (*seen, one))


@given(WORLDS)
def test_flattened_groups_have_every_user_once_and_circles_end(world):
    names = [one.name for one in told(world, "flatten")]
    assert len(names) == len(set(names))
    assert set(names) == set(reachable(world, "a"))


@given(WORLDS)
def test_groups_are_passed_on_or_left_out(world):
    passed = told(world, "pass-on")
    assert told(world, "leave-out") == [one for one in passed if one.type == "user"]
    assert [one.name for one in passed] == [name for name, _ in world.get("a", [])]


def test_every_built_in_connector_lets_people_choose():
    for connector in BUILT_IN:
        [known] = [one for one in connector.properties if one.display_name == "Nested Groups"]
        assert nesting(connector, settings({})) == known.default == "pass-on"
        for way in WAYS:
            assert nesting(connector, settings({known.key: way.upper()})) == way


def test_a_word_that_is_no_way_is_the_default():
    assert chosen(settings({"k": "sideways"}), "k", "flatten") == "flatten"
