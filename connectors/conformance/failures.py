"""Checks of what goes wrong: error classes, nonsense for an answer, answers that are lost at any point."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from connectors.conformance.bench import Attempt, Bench, Entity, Fault, Instead, Silence
from connectors.conformance.groups import rename_group, settled_group
from connectors.conformance.passwords import FIRST, SECOND
from connectors.conformance.subject import needs
from connectors.conformance.users import expect_as_wanted, rename
from connectors.connector import Operation, Reply, Request
from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    Misconfigured,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)

STATUSES: tuple[tuple[int, dict[str, str], type[ConnectorError]], ...] = (
    (401, {}, CredentialsRejected),
    (408, {}, TargetUnavailable),
    (425, {}, TargetUnavailable),
    (429, {}, TargetThrottled),
    (429, {"retry-after": "7"}, TargetThrottled),
    (500, {}, TargetUnavailable),
    (502, {}, TargetUnavailable),
    (503, {}, TargetUnavailable),
    (503, {"retry-after": "7"}, TargetThrottled),
    (504, {}, TargetUnavailable),
    (400, {}, TargetRefused),
    (403, {}, TargetRefused),
    (422, {}, TargetRefused),
    (302, {"location": "https://elsewhere.example.com/"}, Misconfigured),
)
NONSENSE = {
    "nothing": b"",
    "a web page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "half an object": b'{"id": "1',
    "a list": b"[]",
    "null": b"null",
    "a number": b"12",
    "an empty object": b"{}",
    "objects all the way down": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "no text": b"\xff\xfe\x00\x01",
}
CREATE_THEN_MODIFY: tuple[Operation, ...] = ("create", "modify")
_MOST_LOSSES = 12


class FailureChecks:
    """What a connector says of failures, and how it makes up for lost answers."""

    # --- error classes ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("status", "headers", "expected"), STATUSES, ids=str)
    def test_a_status_means_what_should_be_done_next(
        self, bench: Bench, status: int, headers: dict[str, str], expected: type[ConnectorError]
    ) -> None:
        alice = bench.settled("alice")
        bob = bench.user("bob")
        alice.attributes["title"] = "Queen"
        refusal = Instead(Reply(status, {"content-type": "text/plain", **headers}, b"as scripted"))
        tasks: tuple[tuple[Entity, Operation], ...] = (
            (bob, "create"),
            (alice, "modify"),
            (alice, "replace"),
            (alice, "delete"),
        )
        for entity, operation in tasks:
            failed = bench.attempt(entity, operation, fault=always(refusal))
            assert type(failed.error) is expected, f"{operation}: {failed.error!r}"
            if isinstance(failed.error, TargetThrottled):
                assert failed.error.retry_after == (7 if headers else None)
            assert len(failed.requests) < 5, "an error is not tried away"
            entity.unfinished.clear()

    @pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
    def test_nonsense_confirms_no_account(self, bench: Bench, body: bytes) -> None:
        bench.settled("alice")
        for kind in ("application/json", "text/html", "text/xml"):
            nonsense = Instead(Reply(200, {"content-type": kind}, body))
            failed = bench.attempt(bench.user("bob"), "create", fault=always(nonsense))
            assert isinstance(failed.error, ConnectorError), f"{kind}: {failed.result!r}"

    @needs("passwords")
    def test_a_password_that_the_target_repeats_is_in_no_record(self, bench: Bench) -> None:
        alice = bench.user()
        for status in (200, 400, 422, 500):
            for operation in CREATE_THEN_MODIFY:
                bench.attempt(alice, operation, password=FIRST, fault=repeating(FIRST, status))
            alice.unfinished.clear()

    def test_credentials_that_the_target_repeats_are_in_no_record(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        said = " ".join(sorted(bench.confidential())).encode()
        for status in (400, 401, 500):
            echo = Instead(Reply(status, {"content-type": "text/plain", "x-echo": "echo"}, said))
            bench.attempt(alice, "replace", fault=always(echo))

    # --- answers that are lost ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["silence", "not heard", "bad gateway"])
    @pytest.mark.parametrize("case", ["create", "create with a password", "modify", "rename", "replace", "delete"])
    def test_a_lost_answer_about_a_user_is_made_up_for(self, fresh: Fresh, name: str, case: str) -> None:
        lose_each(fresh, USER_CASES[case], LOSSES[name])

    @needs("disabling")
    @pytest.mark.parametrize("name", ["silence", "not heard", "bad gateway"])
    @pytest.mark.parametrize("case", ["create disabled", "disable"])
    def test_a_lost_answer_about_a_disabled_user_is_made_up_for(self, fresh: Fresh, name: str, case: str) -> None:
        lose_each(fresh, USER_CASES[case], LOSSES[name])

    @needs("groups", "members")
    @pytest.mark.parametrize("name", ["silence", "not heard", "bad gateway"])
    @pytest.mark.parametrize("case", ["create", "rename", "change members", "delete"])
    def test_a_lost_answer_about_a_group_is_made_up_for(self, fresh: Fresh, name: str, case: str) -> None:
        lose_each(fresh, GROUP_CASES[case], LOSSES[name])

    def test_a_create_that_got_no_answer_is_no_stranger_to_itself(self, bench: Bench) -> None:
        bench.on_conflict = "fail"
        alice = bench.user()
        bench.attempt(alice, "create", fault=at(0, Silence(heard=True)))
        assert bench.deliver(alice, "create").outcome in {"created", "linked", "updated", "unchanged"}
        assert len(bench.target.users()) == 1
        expect_as_wanted(bench, alice)

    def test_a_delete_after_a_create_that_got_no_answer_takes_the_account_away(self, bench: Bench) -> None:
        alice = bench.user()
        bench.attempt(alice, "create", fault=at(0, Silence(heard=True)))
        bench.deliver(alice, "delete")
        assert not bench.enabled(alice)

    def test_a_throttled_create_is_no_second_account(self, bench: Bench) -> None:
        alice = bench.user()
        throttled = Instead(Reply(429, {"retry-after": "1"}, b""))
        assert isinstance(bench.attempt(alice, "create", fault=at(0, throttled)).error, TargetThrottled)
        assert bench.deliver(alice, "create").outcome == "created"
        assert len(bench.target.users()) == 1


# --- faults -----------------------------------------------------------------------------------------------------------

LOSSES: dict[str, Instead | Silence] = {
    "silence": Silence(heard=True),
    "not heard": Silence(heard=False),
    "bad gateway": Instead(Reply(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>"), heard=True),
}


def always(happens: Instead | Silence) -> Fault:
    """It happens to every request."""
    return lambda _request, _number: happens


def at(number: int, happens: Instead | Silence) -> Fault:
    """It happens to the unsafe request of this number."""
    return lambda request, before: happens if not request.safe and before == number else None


def repeating(password: str, status: int) -> Fault:
    """The target does what it is asked, and repeats the request, password and all, in its answer."""

    def fault(request: Request, _number: int) -> Instead | None:
        body = request.body or b""
        spellings = (password.encode(), json.dumps(password)[1:-1].encode())
        if not any(one in body for one in spellings) and b"assword" not in body:
            return None
        said = json.dumps({"detail": f"bad value: {password}", "you": body.decode("utf-8", "replace")}).encode()
        return Instead(Reply(status, {"content-type": "application/json", "x-echo": "echo"}, said))

    return fault


# --- cases ------------------------------------------------------------------------------------------------------------

Fresh = Callable[[], AbstractContextManager[Bench]]


@dataclass(frozen=True, slots=True)
class Case:
    """What is there, what is then asked for, and how it has to be in the end."""

    given: Callable[[Bench], Entity]
    change: Callable[[Bench, Entity], None]
    operation: Operation
    expect: Callable[[Bench, Entity], None]
    password: str | None = None


def lose_each(fresh: Fresh, case: Case, loss: Instead | Silence) -> None:
    """Lose the answer to each unsafe request of a case in turn, each time with a fresh target."""
    for number in range(_MOST_LOSSES):
        with fresh() as bench:
            if not lose(bench, case, loss, number):
                return
            names = [one.name.casefold() for one in bench.target.users().values()]
            assert len(names) == len(set(names)), "an account was made twice"
    raise AssertionError("a task has too many unsafe requests")


def lose(bench: Bench, case: Case, loss: Instead | Silence, number: int) -> bool:
    """Lose the answer to the unsafe request of this number, try again; false when there was no such request."""
    entity = case.given(bench)
    case.change(bench, entity)
    first: Attempt = bench.attempt(entity, case.operation, password=case.password, fault=at(number, loss))
    if first.result is not None and len(first.unsafe) <= number:
        return False
    again = bench.deliver(entity, case.operation, password=case.password) if first.result is None else first.result
    assert again.active is (case.operation != "delete" and entity.attributes.get("active", True))
    case.expect(bench, entity)
    return True


def _nothing(_bench: Bench, _entity: Entity) -> None:
    """Nothing changes."""


def _disable(_bench: Bench, entity: Entity) -> None:
    entity.attributes["active"] = False


def _change(_bench: Bench, entity: Entity) -> None:
    entity.attributes |= {"title": "Queen", "name": {"givenName": "Al", "familyName": "Hargreaves"}}


def _expect_disabled(bench: Bench, entity: Entity) -> None:
    assert not bench.enabled(entity)


def _expect_password(bench: Bench, entity: Entity) -> None:
    expect_as_wanted(bench, entity)
    if "passwords" not in bench.subject.cannot:
        assert bench.account(entity).password == SECOND


USER_CASES = {
    "create": Case(lambda bench: bench.user(), _nothing, "create", expect_as_wanted),
    "create disabled": Case(lambda bench: bench.user(), _disable, "create", _expect_disabled),
    "create with a password": Case(lambda bench: bench.user(), _nothing, "create", _expect_password, SECOND),
    "modify": Case(lambda bench: bench.settled("alice"), _change, "modify", expect_as_wanted),
    "rename": Case(
        lambda bench: bench.settled("alice"), lambda _bench, one: rename(one, "alicia"), "modify", expect_as_wanted
    ),
    "replace": Case(lambda bench: bench.settled("alice"), _change, "replace", expect_as_wanted),
    "delete": Case(lambda bench: bench.settled("alice"), _nothing, "delete", _expect_disabled),
    "disable": Case(lambda bench: bench.settled("alice"), _disable, "modify", _expect_disabled),
}


def _new_group(bench: Bench) -> Entity:
    return bench.group("engineers", bench.settled("alice"), bench.settled("bob"))


def _change_members(bench: Bench, group: Entity) -> None:
    group.members[:] = [group.members[0], bench.settled("carol")]


def _expect_group(bench: Bench, group: Entity) -> None:
    assert len(bench.target.groups()) == 1
    assert bench.group_there(group).name == group.name
    assert bench.has_members(group, *group.members)


def _expect_no_group(bench: Bench, _group: Entity) -> None:
    assert bench.target.groups() == {} or "group deletion" in bench.subject.cannot


GROUP_CASES = {
    "create": Case(_new_group, _nothing, "create", _expect_group),
    "rename": Case(settled_group, lambda _bench, one: rename_group(one, "builders"), "modify", _expect_group),
    "change members": Case(settled_group, _change_members, "modify", _expect_group),
    "delete": Case(settled_group, _nothing, "delete", _expect_no_group),
}
