"""Checks of users: made, changed, taken away, found there already, gone, disabled."""

from __future__ import annotations

import pytest

from connectors.conformance.bench import Bench, Entity, shown
from connectors.conformance.subject import needs
from connectors.connector import deletes
from connectors.errors import TargetConflict, TargetRefused


class UserChecks:
    """What a connector does with users."""

    # --- made, changed ------------------------------------------------------------------------------------------------

    def test_a_user_is_created(self, bench: Bench) -> None:
        alice = bench.user()
        made = bench.deliver(alice, "create")
        assert made.outcome == "created"
        assert made.identifier
        assert made.active
        assert list(bench.target.users()) == [made.identifier]
        expect_as_wanted(bench, alice)

    def test_a_user_is_created_with_nothing_but_a_name(self, bench: Bench) -> None:
        alice = bench.user(name=None, displayName=None, title=None)
        bench.deliver(alice, "create")
        assert bench.account(alice).name == bench.subject.account_name("alice")

    def test_creating_a_user_again_changes_nothing(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        before = dict(bench.target.users())
        again = bench.deliver(alice, "create")
        assert again.outcome in {"updated", "unchanged"}
        assert bench.target.users() == before

    def test_a_replace_brings_the_whole_image(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        alice.attributes |= {"name": {"givenName": "Alicia", "familyName": "Hargreaves"}, "displayName": "Al"}
        del alice.attributes["title"]
        assert bench.deliver(alice, "replace").outcome == "updated"
        expect_as_wanted(bench, alice)
        assert len(bench.target.users()) == 1

    def test_replacing_a_user_again_changes_nothing(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.deliver(alice, "replace")
        before = dict(bench.target.users())
        assert bench.deliver(alice, "replace").outcome in {"updated", "unchanged"}
        assert bench.target.users() == before

    def test_a_modify_brings_what_has_changed(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        alice.attributes |= {"name": {"givenName": "Alice", "familyName": "Hargreaves"}, "displayName": "Al"}
        assert bench.deliver(alice, "modify").outcome == "updated"
        expect_as_wanted(bench, alice)

    @needs("unchanged is unsent")
    def test_an_unchanged_user_is_not_sent(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        attempt = bench.attempt(alice, "modify")
        assert attempt.result is not None
        assert attempt.result.outcome == "unchanged"
        assert attempt.unsafe == []

    def test_a_renamed_user_keeps_its_account(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        before = bench.target.users().keys()
        rename(alice, "alicia")
        assert bench.deliver(alice, "modify").outcome == "updated"
        assert len(bench.target.users()) == len(before) == 1
        expect_as_wanted(bench, alice)

    def test_two_users_do_not_disturb_each_other(self, bench: Bench) -> None:
        alice, bob = bench.settled("alice"), bench.settled("bob")
        bob.attributes["title"] = "Carpenter"
        bench.deliver(bob, "modify")
        expect_as_wanted(bench, alice)
        expect_as_wanted(bench, bob)

    def test_a_rename_to_a_name_that_is_taken_harms_nobody(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.target.add_user(bench.subject.account_name("bob"))
        before = dict(bench.target.users())
        rename(alice, "bob")
        with pytest.raises((TargetConflict, TargetRefused)):
            bench.deliver(alice, "modify")
        assert bench.target.users() == before

    def test_claim_mappings_choose_and_rename_what_leaves(self, bench: Bench) -> None:
        chosen = set(bench.subject.mapping.values())
        assert chosen, "the subject has no mapping"
        alice = bench.user()
        alice.mapped = True
        bench.deliver(alice, "create")
        for name in ({"givenName": "Alice", "familyName": "Liddell"}, {"givenName": "Al", "familyName": "Hargreaves"}):
            alice.attributes |= {"name": name, "displayName": name["givenName"]}
            bench.deliver(alice, "modify")
            account, own = bench.account(alice), shown(alice.attributes)
            assert account.name == bench.subject.account_name("alice")
            assert {path: own[path] for path in account.fields if path in chosen}.items() <= account.fields.items()
            # What is not mapped does not leave; a target may demand that something stands in its place.
            assert not [path for path in account.fields if path not in chosen and account.fields[path] == own[path]]

    # --- taken away ---------------------------------------------------------------------------------------------------

    def test_a_deleted_user_has_no_account_or_none_that_works(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        gone = bench.deliver(alice, "delete")
        assert not gone.active
        for_good = deletes(bench.subject.connector, bench.settings(), "user")
        assert gone.outcome == "deleted" if for_good else gone.outcome in {"deactivated", "already-gone"}
        assert not bench.enabled(alice)
        assert not for_good or bench.target.users() == {}

    def test_deleting_a_user_again_is_done(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        link = alice.link
        bench.deliver(alice, "delete")
        before = dict(bench.target.users())
        alice.link = link  # the first answer was lost together with the process
        again = bench.deliver(alice, "delete")
        assert again.outcome in {"already-gone", "deactivated"}
        assert not again.active
        assert bench.target.users() == before

    def test_deleting_a_user_that_was_never_made_sends_nothing(self, bench: Bench) -> None:
        attempt = bench.attempt(bench.user(), "delete")
        assert attempt.result is not None
        assert attempt.result.outcome == "already-gone"
        assert attempt.unsafe == []

    def test_a_stranger_of_the_same_name_is_not_deleted(self, bench: Bench) -> None:
        bench.target.add_user(bench.subject.account_name("alice"))
        before = dict(bench.target.users())
        assert bench.deliver(bench.user(), "delete").outcome == "already-gone"
        assert bench.target.users() == before

    def test_a_user_comes_back_after_a_delete(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.deliver(alice, "delete")
        back = bench.deliver(alice, "create")
        assert back.active
        expect_as_wanted(bench, alice)
        assert [one.active for one in bench.target.users().values()].count(True) == 1

    # --- vanished -----------------------------------------------------------------------------------------------------

    def test_a_vanished_user_is_created_again_by_a_replace(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.target.remove(identifier(alice))
        alice.attributes["title"] = "Queen"
        assert bench.deliver(alice, "replace").outcome == "recreated"
        expect_as_wanted(bench, alice)

    def test_a_vanished_user_is_created_again_by_a_modify(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.target.remove(identifier(alice))
        alice.attributes["title"] = "Queen"
        assert bench.deliver(alice, "modify").outcome == "recreated"
        expect_as_wanted(bench, alice)

    def test_deleting_a_vanished_user_is_done(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        bench.target.remove(identifier(alice))
        gone = bench.deliver(alice, "delete")
        assert gone.outcome == "already-gone"
        assert not gone.active

    # --- there already ------------------------------------------------------------------------------------------------

    @needs("linking")
    def test_an_account_that_exists_is_linked_and_brought_to_our_state(self, bench: Bench) -> None:
        there = bench.target.add_user(bench.subject.account_name("alice"))
        alice = bench.user()
        linked = bench.deliver(alice, "create")
        assert (linked.outcome, linked.identifier) == ("linked", there)
        assert list(bench.target.users()) == [there]
        expect_as_wanted(bench, alice)

    @needs("linking")
    def test_a_linked_account_is_changed_and_deleted_like_our_own(self, bench: Bench) -> None:
        bench.target.add_user(bench.subject.account_name("alice"))
        alice = bench.settled("alice")
        alice.attributes["displayName"] = "Al"
        bench.deliver(alice, "modify")
        expect_as_wanted(bench, alice)
        bench.deliver(alice, "delete")
        assert not bench.enabled(alice)

    def test_an_account_that_exists_is_left_alone_where_it_may_not_be_linked(self, bench: Bench) -> None:
        bench.target.add_user(bench.subject.account_name("alice"))
        before = dict(bench.target.users())
        bench.on_conflict = "fail"
        alice = bench.user()
        with pytest.raises(TargetConflict):
            bench.deliver(alice, "create")
        assert bench.target.users() == before
        assert alice.link is None

    # --- disabled -----------------------------------------------------------------------------------------------------

    @needs("disabling")
    def test_a_user_is_created_disabled(self, bench: Bench) -> None:
        alice = bench.user(active=False)
        made = bench.deliver(alice, "create")
        assert not made.active
        assert not bench.enabled(alice)

    @needs("disabling")
    def test_a_user_is_disabled_and_enabled_again(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        for active in (False, True, False):
            alice.attributes["active"] = active
            done = bench.deliver(alice, "modify")
            assert done.active is active
            assert bench.enabled(alice) is active
        assert len(bench.target.users()) <= 1

    @needs("disabling")
    def test_a_replace_disables_and_enables_too(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        for active in (False, True):
            alice.attributes["active"] = active
            assert bench.deliver(alice, "replace").active is active
            assert bench.enabled(alice) is active
        expect_as_wanted(bench, alice)

    @needs("disabling")
    def test_a_disabled_user_that_is_changed_stays_disabled(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        alice.attributes["active"] = False
        bench.deliver(alice, "modify")
        alice.attributes |= {"title": "Queen"}
        done = bench.deliver(alice, "modify")
        assert not done.active
        assert not bench.enabled(alice)
        assert len(bench.target.users()) <= 1


def expect_as_wanted(bench: Bench, entity: Entity) -> None:
    """The account has the entity's name and whatever of its attributes the target has a place for."""
    account = bench.account(entity)
    wanted = shown(entity.attributes)
    assert account.name == bench.subject.account_name(entity.name)
    assert account.active is entity.attributes.get("active", True)
    assert {path: value for path, value in wanted.items() if path in account.fields} == dict(account.fields)


def rename(entity: Entity, name: str) -> None:
    """Give a user another name, and the address that goes with it."""
    entity.name = name
    entity.attributes |= {
        "userName": name,
        "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
    }


def identifier(entity: Entity) -> str:
    """The identifier of the entity's account."""
    assert entity.link is not None
    return entity.link.identifier
