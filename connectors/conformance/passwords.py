"""Checks of passwords: given on create, else the default one, else none; an update never resets one."""

from __future__ import annotations

from connectors.conformance.bench import Bench
from connectors.conformance.subject import needs
from connectors.conformance.users import rename

FIRST, SECOND, DEFAULT = 'S3cret <&"first"> 1', "Another <'2nd'> & 2", "Default-of-all <3> & more"


class PasswordChecks:
    """When a connector sets a password, and when it must not."""

    @needs("passwords")
    def test_the_given_password_is_set_on_create(self, bench: Bench) -> None:
        set_default(bench)
        alice = bench.user()
        bench.deliver(alice, "create", password=FIRST)
        assert bench.account(alice).password == FIRST

    @needs("passwords", "default password")
    def test_the_default_password_is_set_where_none_is_given(self, bench: Bench) -> None:
        set_default(bench)
        assert bench.account(bench.settled("alice")).password == DEFAULT

    @needs("accounts without password")
    def test_no_password_is_set_where_there_is_none(self, bench: Bench) -> None:
        assert bench.account(bench.settled("alice")).password is None

    @needs("passwords")
    def test_an_update_sets_a_new_password(self, bench: Bench) -> None:
        alice = bench.user()
        bench.deliver(alice, "create", password=FIRST)
        bench.deliver(alice, "modify", password=SECOND)
        assert bench.account(alice).password == SECOND
        bench.deliver(alice, "replace", password=FIRST)
        assert bench.account(alice).password == FIRST

    @needs("passwords")
    def test_an_update_without_a_password_leaves_it_alone(self, bench: Bench) -> None:
        set_default(bench)
        alice = bench.user()
        bench.deliver(alice, "create", password=FIRST)
        alice.attributes["title"] = "Queen"
        bench.deliver(alice, "modify")
        bench.deliver(alice, "replace")
        rename(alice, "alicia")
        bench.deliver(alice, "modify")
        assert bench.account(alice).password == FIRST

    @needs("passwords", "linking")
    def test_linking_without_a_password_leaves_it_alone(self, bench: Bench) -> None:
        set_default(bench)
        there = bench.target.add_user(bench.subject.account_name("alice"))
        before = bench.target.users()[there].password
        bench.deliver(bench.user(), "create")
        assert bench.target.users()[there].password == before

    @needs("passwords", "linking")
    def test_linking_with_a_password_sets_it(self, bench: Bench) -> None:
        there = bench.target.add_user(bench.subject.account_name("alice"))
        bench.deliver(bench.user(), "create", password=FIRST)
        assert bench.target.users()[there].password == FIRST

    @needs("passwords")
    def test_a_user_that_is_created_again_gets_the_password_that_is_given(self, bench: Bench) -> None:
        alice = bench.user()
        made = bench.deliver(alice, "create", password=FIRST)
        assert made.identifier is not None
        bench.target.remove(made.identifier)
        bench.deliver(alice, "replace", password=SECOND)
        assert bench.account(alice).password == SECOND

    @needs("passwords", "password switch")
    def test_no_password_is_set_where_that_is_turned_off(self, bench: Bench) -> None:
        set_default(bench)
        key = bench.subject.password_switch
        assert key is not None, "the subject names no setting that turns passwords off"
        bench.more[key] = "false"
        alice = bench.user()
        bench.deliver(alice, "create", password=FIRST)
        bench.deliver(alice, "modify", password=SECOND)
        assert bench.account(alice).password not in {FIRST, SECOND, DEFAULT}


def set_default(bench: Bench) -> None:
    """Set a default password, where the connector knows one."""
    key = bench.subject.default_password
    if key is not None:
        bench.more[key] = DEFAULT
