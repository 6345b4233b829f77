"""The SCIM 2.0 connector against targets that play the quirks of each profile, strictly.

What a target's profile forbids ends the test: the simulation refuses it. What is unknown beforehand is played for the
generic profile, too.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from connectors.connector import Exchange, Link, Member, Membership
from connectors.errors import Misconfigured, TargetConflict, TargetRefused
from connectors.profile import load, names
from connectors.scim2 import Scim2
from connectors.scim_discovery import NOTHING_SAID, no_patch
from tests.support.driving import run
from tests.support.simulated_target import PLAYED, UNANNOUNCED, SimulatedTarget
from tests.support.tasks import ALICE, ENTERPRISE, group_task, settings, unanswered, user_task

BOB = {"userName": "bob", "name": {"givenName": "Bob", "familyName": "B"}, "displayName": "Bob B"}


@dataclass
class World:
    """A target and the connector that is set up for it; links and memory are kept as the service keeps them."""

    profile: str
    target: SimulatedTarget
    more: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)

    def carry_out(self, task, **at):
        here = settings(self.target.properties | self.more, profile=self.profile, **at)
        driven = run(Scim2().provision(replace(task, remembered=self.memory), here), self.target)
        self.memory |= {step.key: step.value for step in driven.remembered}
        return driven.result

    @property
    def ways(self):
        return load(self.profile)


# Here a user comes without the entitlement that Salesforce demands, which is for a claim mapping to say.
SALESFORCE = replace(PLAYED["salesforce"], required=("userName",))
PLAYED_HERE = {**PLAYED, "salesforce": SALESFORCE}
CASES = [*PLAYED_HERE.items(), *(("generic", UNANNOUNCED[name]) for name in UNANNOUNCED)]


@pytest.fixture(params=CASES, ids=[*PLAYED, *UNANNOUNCED])
def world(request):
    profile, quirks = request.param
    return World(profile, SimulatedTarget(quirks))


WITH_GROUPS = [one for one in zip(CASES, [*PLAYED, *UNANNOUNCED], strict=True) if load(one[0][0]).group.supported]


@pytest.fixture(params=[case for case, _ in WITH_GROUPS], ids=[name for _, name in WITH_GROUPS])
def grouped(request):
    profile, quirks = request.param
    return World(profile, SimulatedTarget(quirks))


def link_of(result):
    return Link(result.identifier, result.delivered, result.etag, result.active)


def person(number):
    return Member(f"entity-{number}", f"id-{number}", f"user{number}")


def people(*numbers):
    return tuple(map(person, numbers))


def test_every_profile_is_played():
    assert set(PLAYED) == set(names())


# -- users ------------------------------------------------------------------------------------------------------------


def test_a_user_is_created_changed_and_replaced(world):
    created = world.carry_out(user_task())
    assert created.outcome == "created"
    stored = world.target.stored[created.identifier]
    assert stored["userName"] == "alice"
    assert stored["externalId"] == "entity-alice"

    changed = {
        **ALICE,
        "name": {"givenName": "Al", "familyName": "L"},
        "title": "Queen",
        ENTERPRISE: {"costCenter": "7"},
    }
    modified = world.carry_out(user_task("modify", attributes=changed, link=link_of(created)))
    stored = world.target.stored[created.identifier]
    assert modified.outcome == "updated"
    assert (stored["name"]["givenName"], stored["title"]) == ("Al", "Queen")
    assert stored[ENTERPRISE] == {"costCenter": "7"}

    replaced = world.carry_out(user_task("replace", link=link_of(modified)))
    stored = world.target.stored[created.identifier]
    assert replaced.outcome == "updated"
    assert "title" not in stored
    assert stored[ENTERPRISE] == {"department": "engineering"}


def test_an_unchanged_user_costs_nothing(world):
    created = world.carry_out(user_task())
    before = len(world.target.requests)
    assert world.carry_out(user_task("modify", link=link_of(created))).outcome == "unchanged"
    assert len(world.target.requests) == before


def test_a_user_with_everything_is_accepted(world):
    full = {
        **ALICE,
        "nickName": "Al",
        "emails": [
            {"value": "a@example.com", "type": "home", "display": "A"},
            {"value": "b@example.com", "type": "work", "primary": True, "display": "B"},
        ],
        "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2", "type": "mobile"}],
        "roles": [{"value": "eng"}],
        "photos": [{"value": "https://example.com/p", "type": "photo"}],
    }
    created = world.carry_out(user_task(attributes=full, password="Secret-1"))
    stored = world.target.stored[created.identifier]
    assert "b@example.com" in [one["value"] for one in stored["emails"]]
    assert world.target.passwords[created.identifier] == "Secret-1"
    assert all("Secret-1" not in str(one) for one in (stored, created.delivered))


def test_a_bare_user_is_accepted(world):
    created = world.carry_out(user_task(attributes={"userName": "alice"}))
    assert created.outcome == "created"


def test_a_user_is_disabled_and_enabled_again(world):
    created = world.carry_out(user_task())
    off = world.carry_out(user_task("modify", attributes={**ALICE, "active": False}, link=link_of(created)))
    assert not off.active
    assert off.delivered["active"] is False
    again = world.carry_out(user_task("modify", attributes={**ALICE, "active": False, "title": "x"}, link=link_of(off)))
    assert not again.active
    back = world.carry_out(user_task("modify", link=link_of(again)))
    assert back.active
    stored = world.target.stored[back.identifier]
    assert stored["active"] is True
    assert len(world.target.users) == 1


def test_a_user_is_taken_away_as_the_profile_says(world):
    created = world.carry_out(user_task())
    gone = world.carry_out(user_task("delete", link=link_of(created)))
    assert not gone.active
    if world.ways.user.delete == "deactivate":
        assert gone.outcome == "deactivated"
        assert world.target.users[0]["active"] is False
        assert "DELETE" not in [one.method for one in world.target.requests]
    else:
        assert gone.outcome == "deleted"
        assert world.target.users == []
    again = world.carry_out(user_task("delete", link=link_of(created)))
    assert again.outcome in {"deactivated", "already-gone"}


def test_an_existing_user_is_linked(world):
    first = world.carry_out(user_task())
    linked = world.carry_out(user_task(attributes={**ALICE, "title": "New"}))
    assert (linked.outcome, linked.identifier) == ("linked", first.identifier)
    assert world.target.stored[first.identifier]["title"] == "New"
    assert len(world.target.users) == 1


def test_a_stranger_of_the_same_name_is_linked_or_not_as_set(world):
    if "userName" not in world.ways.filter.users:
        # Nothing can be asked for by name there: the conflict is told, whatever is set.
        world.carry_out(user_task(entity_id="someone-else"))
        with pytest.raises(TargetConflict, match="finds none named"):
            world.carry_out(user_task())
        return
    theirs = world.carry_out(user_task(entity_id="someone-else"))
    with pytest.raises(TargetConflict):
        world.carry_out(user_task(), on_conflict="fail")
    assert world.target.stored[theirs.identifier]["externalId"] == "someone-else"
    linked = world.carry_out(user_task())
    assert (linked.outcome, linked.identifier) == ("linked", theirs.identifier)
    assert world.target.stored[theirs.identifier]["externalId"] == "entity-alice"


def test_a_create_whose_answer_was_lost_makes_no_second_account(world):
    first = world.carry_out(user_task())
    again = world.carry_out(user_task(unfinished=unanswered(url="https://target.test/scim/Users")))
    assert again.identifier == first.identifier
    assert len(world.target.users) == 1


def test_a_change_whose_answer_was_lost_is_made_once_more(world):
    created = world.carry_out(user_task())
    changed = {**ALICE, "title": "Queen"}
    world.carry_out(user_task("modify", attributes=changed, link=link_of(created)))
    lost = (Exchange("PATCH", "https://target.test/scim/Users/1", safe=False),)
    again = world.carry_out(user_task("modify", attributes=changed, link=link_of(created), unfinished=lost))
    assert again.outcome in {"updated", "unchanged"}
    assert world.target.stored[created.identifier]["title"] == "Queen"


def test_a_vanished_user_is_created_again(world):
    created = world.carry_out(user_task())
    del world.target.stored[created.identifier]
    again = world.carry_out(user_task("modify", attributes={**ALICE, "title": "x"}, link=link_of(created)))
    assert again.outcome == "recreated"
    assert [one["id"] for one in world.target.users] == [again.identifier]


def test_a_user_is_renamed(world):
    created = world.carry_out(user_task())
    renamed = world.carry_out(user_task("modify", attributes={**ALICE, "userName": "alicia"}, link=link_of(created)))
    assert renamed.identifier == created.identifier
    assert world.target.stored[created.identifier]["userName"] == "alicia"


def test_a_new_password_reaches_the_target(world):
    created = world.carry_out(user_task())
    world.carry_out(user_task("modify", link=link_of(created), password="Secret-2"))
    assert world.target.passwords[created.identifier] == "Secret-2"


# -- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_created_filled_emptied_and_renamed(grouped):
    created = grouped.carry_out(group_task(membership=Membership(current=people(1, 2))))
    assert grouped.target.members(created.identifier) == {"id-1", "id-2"}

    swapped = Membership(current=people(2, 3), added=people(3), removed=people(1))
    changed = grouped.carry_out(group_task("modify", link=link_of(created), membership=swapped))
    assert changed.outcome == "updated"
    assert grouped.target.members(created.identifier) == {"id-2", "id-3"}

    still = Membership(current=people(2, 3), added=(), removed=())
    renamed = grouped.carry_out(
        group_task("modify", attributes={"displayName": "builders"}, link=link_of(changed), membership=still)
    )
    assert grouped.target.stored[created.identifier]["displayName"] == "builders"
    assert grouped.target.members(created.identifier) == {"id-2", "id-3"}

    emptied = Membership(current=(), added=(), removed=people(2, 3))
    grouped.carry_out(
        group_task("modify", attributes={"displayName": "builders"}, link=link_of(renamed), membership=emptied)
    )
    assert grouped.target.members(created.identifier) == set()


def test_an_unchanged_group_costs_nothing(grouped):
    created = grouped.carry_out(group_task(membership=Membership(current=people(1))))
    before = len(grouped.target.requests)
    same = Membership(current=people(1), added=(), removed=())
    outcome = grouped.carry_out(group_task("modify", link=link_of(created), membership=same)).outcome
    assert outcome == "unchanged"
    assert len(grouped.target.requests) == before


def test_a_large_group_is_created_and_changed_within_the_limits(grouped):
    created = grouped.carry_out(group_task(membership=Membership(current=people(*range(250)))))
    assert len(grouped.target.members(created.identifier)) == 250
    membership = Membership(
        current=people(*range(120, 400)), added=people(*range(250, 400)), removed=people(*range(120))
    )
    grouped.carry_out(group_task("modify", link=link_of(created), membership=membership))
    assert grouped.target.members(created.identifier) == {f"id-{number}" for number in range(120, 400)}


def test_a_group_whose_members_are_not_known_is_made_whole(grouped):
    created = grouped.carry_out(group_task(membership=Membership(current=people(*range(5)))))
    whole = Membership(current=people(*range(2, 8)))
    result = grouped.carry_out(group_task("replace", link=link_of(created), membership=whole))
    there = grouped.target.members(created.identifier)
    assert there >= {f"id-{number}" for number in range(2, 8)}
    if grouped.ways.members.readable:
        assert len(there) == 6
    else:
        assert "who else is in it was left there" in result.warnings[0]


def test_an_existing_group_is_linked_with_its_members(grouped):
    theirs = grouped.carry_out(group_task(entity_id="someone-else", membership=Membership(current=people(1))))
    linked = grouped.carry_out(group_task(membership=Membership(current=people(1, 2))))
    assert (linked.outcome, linked.identifier) == ("linked", theirs.identifier)
    assert grouped.target.members(theirs.identifier) == {"id-1", "id-2"}
    assert len(grouped.target.groups) == 1


def test_a_vanished_group_is_created_again_with_its_members(grouped):
    created = grouped.carry_out(group_task(membership=Membership(current=people(1))))
    del grouped.target.stored[created.identifier]
    membership = Membership(current=people(1, 2), added=people(2), removed=())
    again = grouped.carry_out(group_task("modify", link=link_of(created), membership=membership))
    assert again.outcome == "recreated"
    assert grouped.target.members(again.identifier) == {"id-1", "id-2"}


def test_a_group_is_deleted(grouped):
    created = grouped.carry_out(group_task())
    assert grouped.carry_out(group_task("delete", link=link_of(created))).outcome == "deleted"
    assert grouped.target.groups == []
    assert grouped.carry_out(group_task("delete", link=link_of(created))).outcome == "already-gone"


# -- single facts -----------------------------------------------------------------------------------------------------


def test_a_target_without_groups_says_so():
    world = World("gitlab", SimulatedTarget(PLAYED["gitlab"]))
    with pytest.raises(Misconfigured, match="has no groups"):
        world.carry_out(group_task())


def test_a_body_that_is_too_large_is_not_sent():
    world = World("zoom", SimulatedTarget(PLAYED["zoom"]))
    with pytest.raises(TargetRefused, match="bytes are more than the target takes"):
        world.carry_out(user_task(attributes={**ALICE, "title": "x" * 100_000}))
    assert world.target.requests == []


def test_a_target_that_knows_no_patch_is_asked_once():
    world = World("generic", SimulatedTarget(UNANNOUNCED["no PATCH"]))
    created = world.carry_out(user_task())
    first = world.carry_out(user_task("modify", attributes={**ALICE, "title": "a"}, link=link_of(created)))
    world.carry_out(user_task("modify", attributes={**ALICE, "title": "b"}, link=link_of(first)))
    assert [call.split(" ")[0] for call in world.target.calls] == ["POST", "PATCH", "PUT", "PUT"]


def generic_with(overrides):
    return World("generic", SimulatedTarget(PLAYED["generic"]), {"scim2-profile-overrides": overrides})


def test_a_target_that_cannot_search_is_listed():
    world = World(
        "generic",
        SimulatedTarget(PLAYED["generic"]),
        {"scim2-profile-overrides": "[filter]\nsupported = false\npage = 2"},
    )
    for number in range(5):
        world.carry_out(user_task(attributes={"userName": f"user{number}"}, entity_id=f"entity-{number}"))
    theirs = world.carry_out(user_task(entity_id="someone-else"))
    before = len(world.target.calls)
    linked = world.carry_out(user_task())
    assert linked.identifier == theirs.identifier
    assert world.target.calls[before + 1 : -1] == [f"GET /Users?startIndex={start}&count=2" for start in (1, 3, 5)]


def test_a_target_that_cannot_search_and_holds_too_much_is_told():
    world = generic_with("[filter]\nsupported = false\npage = 2\nmost = 4")
    for number in range(6):
        world.carry_out(user_task(attributes={"userName": f"user{number}"}, entity_id=f"entity-{number}"))
    with pytest.raises(TargetRefused, match="more than 4 resources, and the target cannot search"):
        world.carry_out(user_task(attributes={"userName": "user5"}))


def test_discovery_is_read_where_the_profile_wants_it_and_remembered():
    world = World(
        "generic", SimulatedTarget(PLAYED["generic"]), {"scim2-profile-overrides": "[discovery]\nread = true"}
    )
    created = world.carry_out(user_task())
    for title in ("a", "b"):
        world.carry_out(user_task("modify", attributes={**ALICE, "title": title}, link=link_of(created)))
    assert world.target.calls.count("GET /ServiceProviderConfig") == 1
    assert world.memory == {"scim2-discovery": {"patch": None, "etag": None}}


def test_a_remembered_configuration_without_patch_makes_it_put():
    world = World("generic", SimulatedTarget(PLAYED["generic"]), memory={"scim2-discovery": {"patch": False}})
    created = world.carry_out(user_task())
    world.carry_out(user_task("modify", attributes={**ALICE, "title": "a"}, link=link_of(created)))
    assert [call.split(" ")[0] for call in world.target.calls] == ["POST", "PUT"]


def test_a_configuration_is_kept_for_a_day():
    assert no_patch(NOTHING_SAID, load("generic").discovery).ttl == timedelta(hours=24)


@pytest.mark.parametrize(
    ("name", "size", "change", "calls"),
    [
        ("generic", 5000, 300, 3),
        ("aws-identity-center", 5000, 300, 3),
        ("wso2-is", 5000, 300, 3),
        ("vcenter", 5000, 300, 1),
        ("google-cloud-identity", 200, 30, 30),
    ],
)
def test_a_change_among_many_members_takes_no_more_calls_than_it_must(name, size, change, calls):
    world = World(name, SimulatedTarget(PLAYED[name]))
    created = world.carry_out(group_task(membership=Membership(current=people(*range(size)))))
    before, half = len(world.target.requests), change // 2
    membership = Membership(
        current=people(*range(half, size + half)),
        added=people(*range(size, size + half)),
        removed=people(*range(half)),
    )
    world.carry_out(group_task("modify", link=link_of(created), membership=membership))
    assert world.target.members(created.identifier) == {f"id-{number}" for number in range(half, size + half)}
    assert len(world.target.requests) - before == calls
