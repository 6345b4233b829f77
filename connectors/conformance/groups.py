"""Checks of groups: made, renamed, taken away, found there already, gone; members that come and go."""

from __future__ import annotations

import pytest

from connectors.conformance.bench import Bench, Entity
from connectors.conformance.subject import needs
from connectors.conformance.users import identifier
from connectors.errors import ConnectorError, TargetConflict
from connectors.nesting import nesting

#: More than one request of the strictest limits that are known (100), twice.
MANY = 230


class GroupChecks:
    """What a connector does with groups."""

    # --- made, changed, taken away ------------------------------------------------------------------------------------

    @needs("groups")
    def test_an_empty_group_is_created(self, bench: Bench) -> None:
        group = bench.group()
        made = bench.deliver(group, "create")
        assert made.outcome == "created"
        assert list(bench.target.groups()) == [made.identifier]
        assert bench.group_there(group).name == "engineers"
        assert bench.has_members(group)

    @needs("groups", "members")
    def test_a_group_is_created_with_its_members(self, bench: Bench) -> None:
        alice, bob = bench.settled("alice"), bench.settled("bob")
        group = bench.group("engineers", alice, bob)
        assert bench.deliver(group, "create").outcome == "created"
        assert bench.has_members(group, alice, bob)

    @needs("groups")
    def test_creating_a_group_again_changes_nothing(self, bench: Bench) -> None:
        group = settled_group(bench)
        before = dict(bench.target.groups())
        assert bench.deliver(group, "create").outcome in {"updated", "unchanged"}
        assert bench.target.groups() == before

    @needs("groups", "unchanged is unsent")
    def test_an_unchanged_group_is_not_sent(self, bench: Bench) -> None:
        group = settled_group(bench)
        attempt = bench.attempt(group, "modify")
        assert attempt.result is not None
        assert attempt.result.outcome == "unchanged"
        assert attempt.unsafe == []

    @needs("groups")
    def test_a_renamed_group_keeps_its_identity_and_members(self, bench: Bench) -> None:
        group = settled_group(bench)
        rename_group(group, "builders")
        assert bench.deliver(group, "modify").outcome == "updated"
        assert len(bench.target.groups()) == 1
        assert bench.group_there(group).name == "builders"
        assert bench.has_members(group, *group.members)

    @needs("groups", "group deletion")
    def test_a_deleted_group_is_gone_and_deleting_it_again_is_done(self, bench: Bench) -> None:
        group = settled_group(bench)
        link = group.link
        gone = bench.deliver(group, "delete")
        assert (gone.outcome, gone.active) == ("deleted", False)
        assert bench.target.groups() == {}
        group.link = link
        assert bench.deliver(group, "delete").outcome == "already-gone"

    @needs("groups")
    def test_the_members_of_a_deleted_group_keep_their_accounts(self, bench: Bench) -> None:
        group = settled_group(bench)
        before = dict(bench.target.users())
        bench.deliver(group, "delete")
        assert bench.target.users() == before

    def test_deleting_a_group_that_was_never_made_sends_nothing(self, bench: Bench) -> None:
        attempt = bench.attempt(bench.group(), "delete")
        assert attempt.result is not None
        assert attempt.result.outcome == "already-gone"
        assert attempt.unsafe == []

    # --- vanished, there already --------------------------------------------------------------------------------------

    @needs("groups")
    def test_a_vanished_group_is_created_again_with_its_members(self, bench: Bench) -> None:
        group = settled_group(bench)
        bench.target.remove(identifier(group))
        rename_group(group, "builders")
        assert bench.deliver(group, "modify").outcome == "recreated"
        assert bench.group_there(group).name == "builders"
        assert bench.has_members(group, *group.members)

    @needs("groups", "members")
    def test_a_vanished_group_is_created_again_by_a_change_of_its_members(self, bench: Bench) -> None:
        group = settled_group(bench)
        bench.target.remove(identifier(group))
        group.members.append(bench.settled("carol"))
        assert bench.deliver(group, "modify").outcome == "recreated"
        assert bench.has_members(group, *group.members)

    @needs("groups")
    def test_deleting_a_vanished_group_is_done(self, bench: Bench) -> None:
        group = settled_group(bench)
        bench.target.remove(identifier(group))
        assert bench.deliver(group, "delete").outcome == "already-gone"

    @needs("groups", "linking")
    def test_a_group_that_exists_is_linked(self, bench: Bench) -> None:
        there = bench.target.add_group("engineers")
        group = bench.group("engineers", bench.settled("alice"))
        linked = bench.deliver(group, "create")
        assert (linked.outcome, linked.identifier) == ("linked", there)
        assert len(bench.target.groups()) == 1
        assert bench.has_members(group, *group.members)

    @needs("groups", "linking", "reading members")
    def test_a_linked_group_loses_the_members_that_are_not_ours(self, bench: Bench) -> None:
        there = bench.target.add_group("engineers")
        stranger = bench.known_there("mallory")
        bench.target.add_member(there, identifier(stranger))
        group = bench.group("engineers", bench.settled("alice"))
        bench.deliver(group, "create")
        assert bench.has_members(group, *group.members)

    @needs("groups")
    def test_a_group_that_exists_is_left_alone_where_it_may_not_be_linked(self, bench: Bench) -> None:
        bench.target.add_group("engineers")
        alice = bench.settled("alice")
        before = dict(bench.target.groups())
        bench.on_conflict = "fail"
        with pytest.raises(TargetConflict):
            bench.deliver(bench.group("engineers", alice), "create")
        assert bench.target.groups() == before

    # --- members ------------------------------------------------------------------------------------------------------

    @needs("groups", "members")
    def test_members_come_and_go(self, bench: Bench) -> None:
        group = settled_group(bench)
        group.members[:] = [group.members[0], bench.settled("carol")]
        assert bench.deliver(group, "modify").outcome == "updated"
        assert bench.has_members(group, *group.members)
        group.members.clear()
        bench.deliver(group, "modify")
        assert bench.has_members(group)

    @needs("groups", "members")
    def test_a_replace_brings_the_members_of_now(self, bench: Bench) -> None:
        group = settled_group(bench)
        group.members[:] = [bench.settled("carol")]
        bench.deliver(group, "replace")
        assert bench.has_members(group, *group.members)

    @needs("groups", "members", "reading members")
    def test_members_are_compared_where_their_changes_are_not_known(self, bench: Bench) -> None:
        group = settled_group(bench)
        stranger = bench.known_there("mallory")
        bench.target.add_member(identifier(group), identifier(stranger))
        group.known = False
        group.members[:] = [group.members[0], bench.settled("carol")]
        bench.deliver(group, "modify")
        assert bench.has_members(group, *group.members)

    @needs("groups", "members")
    def test_a_group_is_renamed_while_its_members_change(self, bench: Bench) -> None:
        group = settled_group(bench)
        rename_group(group, "builders")
        group.members[:] = [bench.settled("carol")]
        bench.deliver(group, "modify")
        assert bench.group_there(group).name == "builders"
        assert bench.has_members(group, *group.members)

    @needs("groups", "members")
    def test_many_members_come_and_go(self, bench: Bench) -> None:
        people = [bench.known_there(f"user{number}") for number in range(MANY)]
        group = bench.group("engineers", *people[: MANY - 10])
        bench.deliver(group, "create")
        assert bench.has_members(group, *group.members)
        group.members[:] = people[MANY // 2 :]
        bench.deliver(group, "modify")
        assert bench.has_members(group, *group.members)

    @needs("groups", "members")
    def test_a_member_that_has_vanished_costs_no_other_its_membership(self, bench: Bench) -> None:
        group = settled_group(bench)
        carol, dave, erin = (bench.settled(name) for name in ("carol", "dave", "erin"))
        bench.target.remove(identifier(dave))
        group.members += [carol, dave, erin]
        attempt = bench.attempt(group, "modify")
        assert attempt.error is None or isinstance(attempt.error, ConnectorError)
        there = bench.group_there(group).members
        assert {identifier(one) for one in group.members if one is not dave} <= there

    @needs("groups", "members")
    def test_a_member_that_has_vanished_keeps_no_group_from_being_made(self, bench: Bench) -> None:
        alice, bob, carol = (bench.settled(name) for name in ("alice", "bob", "carol"))
        bench.target.remove(identifier(bob))
        group = bench.group("engineers", alice, bob, carol)
        attempt = bench.attempt(group, "create")
        assert attempt.error is None or isinstance(attempt.error, ConnectorError)
        there = bench.group_there(group).members
        assert {identifier(alice), identifier(carol)} <= there

    # --- groups in groups ---------------------------------------------------------------------------------------------

    @needs("groups", "members", "nested groups")
    def test_a_group_is_a_member_of_a_group(self, bench: Bench) -> None:
        set_nesting(bench, "pass-on")
        inner = settled_group(bench)
        outer = bench.group("everyone", inner, bench.settled("carol"))
        bench.deliver(outer, "create")
        assert bench.has_members(outer, *outer.members)
        outer.members.remove(inner)
        bench.deliver(outer, "modify")
        assert bench.has_members(outer, *outer.members)

    @needs("groups", "members", "nested groups setting")
    def test_a_group_in_a_group_is_replaced_by_its_users_where_that_is_set(self, bench: Bench) -> None:
        set_nesting(bench, "flatten")
        carol = bench.settled("carol")
        inner = settled_group(bench)
        outer = bench.group("everyone", inner, carol, inner.members[0])
        bench.deliver(outer, "create")
        assert bench.has_members(outer, carol, *inner.members)
        inner.members.append(bench.settled("dave"))
        inner.members.append(outer)  # a circle ends nothing
        bench.deliver(outer, "modify")
        assert bench.has_members(outer, carol, *inner.members[:-1])

    @needs("groups", "members", "nested groups setting", "reading members")
    def test_a_user_who_leaves_a_group_in_a_group_leaves_both_where_that_is_set(self, bench: Bench) -> None:
        set_nesting(bench, "flatten")
        carol = bench.settled("carol")
        inner = settled_group(bench)
        outer = bench.group("everyone", inner, carol)
        bench.deliver(outer, "create")
        inner.members.pop()
        bench.deliver(outer, "modify")
        assert bench.has_members(outer, carol, *inner.members)

    @needs("groups", "members", "nested groups setting")
    def test_a_group_in_a_group_is_left_out_where_that_is_set(self, bench: Bench) -> None:
        set_nesting(bench, "leave-out")
        carol = bench.settled("carol")
        outer = bench.group("everyone", settled_group(bench), carol)
        bench.deliver(outer, "create")
        assert bench.has_members(outer, carol)
        bench.deliver(outer, "replace")
        assert bench.has_members(outer, carol)


def settled_group(bench: Bench) -> Entity:
    """A group with two members that has been provisioned."""
    group = bench.group("engineers", bench.settled("alice"), bench.settled("bob"))
    bench.deliver(group, "create")
    return group


def set_nesting(bench: Bench, way: str) -> None:
    """Say what becomes of groups in groups, where the connector has a setting for that."""
    if bench.subject.nesting is not None:
        bench.more[bench.subject.nesting] = way
    found = nesting(bench.subject.connector, bench.settings())
    assert found == way, f"groups in groups cannot be made to `{way}`"


def rename_group(group: Entity, name: str) -> None:
    """Give a group another name."""
    group.name = name
    group.attributes["displayName"] = name
