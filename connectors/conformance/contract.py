"""Checks of the contract itself: settings, connection tests, dry runs, no state, nothing before it is asked for."""

from __future__ import annotations

from collections.abc import Generator
from types import GeneratorType
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.conformance.bench import Bench, Instead
from connectors.conformance.failures import always
from connectors.conformance.groups import settled_group
from connectors.conformance.subject import needs
from connectors.connector import Finding, Reply, Request
from connectors.errors import ConnectorError, CredentialsRejected, Misconfigured
from connectors.metadata import metadata_problems

ODD_VALUES = ("", " ", "\x00", "é<&>", "http://[", "{", "-----BEGIN PRIVATE KEY-----", "x" * 5000)


class ContractChecks:
    """What every connector has in common, whatever it speaks."""

    # --- settings -----------------------------------------------------------------------------------------------------

    def test_every_setting_has_a_name_and_a_key_of_its_own(self, bench: Bench) -> None:
        properties = bench.subject.connector.properties
        assert len({one.key for one in properties}) == len(properties)
        assert all(one.display_name for one in properties)
        for one in properties:
            assert one.type != "secret" or one.confidential, f"`{one.key}` is secret, and shown"
            assert (one.type == "option") is bool(one.options), f"`{one.key}`: an option has options"
            assert one.default is None or not one.options or one.default in one.options

    def test_settings_that_work_have_no_problem(self, bench: Bench) -> None:
        assert problems(bench, bench.settings()) == []

    def test_a_setting_that_is_required_is_missed(self, bench: Bench) -> None:
        for one in bench.subject.connector.properties:
            if one.required:
                assert one.key in [key for key, _ in problems(bench, bench.settings(**{one.key: ""}))]

    def test_odd_values_of_settings_are_problems_and_no_crash(self, bench: Bench) -> None:
        for one in bench.subject.connector.properties:
            for value in ODD_VALUES:
                found = problems(bench, bench.settings(**{one.key: value}))
                assert all(isinstance(key, str) and message for key, message in found)

    def test_a_missing_setting_ends_an_attempt_as_misconfigured(self, bench: Bench) -> None:
        for one in bench.subject.connector.properties:
            if one.required:
                bench.more = {one.key: ""}
                attempt = bench.attempt(bench.user(), "create")
                assert attempt.result is not None or isinstance(attempt.error, Misconfigured), f"{attempt.error!r}"

    # --- connection test ----------------------------------------------------------------------------------------------

    def test_the_connection_test_of_a_target_that_works_is_good(self, bench: Bench) -> None:
        attempt, findings = bench.probe()
        assert isinstance(findings, tuple)
        assert findings
        assert all(isinstance(one, Finding) and one.good and one.message for one in findings), findings
        assert attempt.unsafe == []

    def test_the_connection_test_of_wrong_credentials_is_not_good(self, bench: Bench) -> None:
        _, findings = bench.probe(fault=always(Instead(Reply(401, {}, b""))))
        assert not_good(findings)

    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_the_connection_test_of_a_target_that_refuses_is_not_good(self, bench: Bench, status: int) -> None:
        _, findings = bench.probe(fault=always(Instead(Reply(status, {}, b"no"))))
        assert not_good(findings)

    def test_wrong_credentials_are_told_as_such(self, bench: Bench) -> None:
        refused = always(Instead(Reply(401, {}, b"")))
        assert isinstance(bench.attempt(bench.user(), "create", fault=refused).error, CredentialsRejected)

    # --- generators ---------------------------------------------------------------------------------------------------

    def test_nothing_happens_before_it_is_asked_for(self, bench: Bench) -> None:
        connector = bench.subject.connector
        assert isinstance(connector.provision(bench.task(bench.user(), "create"), bench.settings()), GeneratorType)
        assert isinstance(connector.probe(bench.settings(), {}, bench.now), GeneratorType)
        assert bench.target.users() == {}

    def test_the_instance_holds_no_state(self, bench: Bench) -> None:
        connector = bench.subject.connector
        before = dict(getattr(connector, "__dict__", {}))
        bench.settled("alice")
        assert getattr(connector, "__dict__", {}) == before

    def test_an_attempt_that_is_given_up_leaves_nothing_behind(self, bench: Bench) -> None:
        exchanges = bench.subject.connector.provision(bench.task(bench.user(), "create"), bench.settings())
        next(exchanges)
        exchanges.close()
        assert bench.deliver(bench.user(), "create").outcome == "created"

    def test_a_dry_run_shows_the_request_that_is_then_sent(self, bench: Bench) -> None:
        alice = bench.settled("alice")
        alice.attributes["title"] = "Queen"
        shown = first_step(bench.subject.connector.provision(bench.task(alice, "modify"), bench.settings()))
        sent = bench.attempt(alice, "modify").requests[0]
        assert (shown.method, shown.url, shown.body) == (sent.method, sent.url, sent.body)

    @needs("groups")
    def test_a_dry_run_of_a_group_shows_the_request_that_is_then_sent(self, bench: Bench) -> None:
        group = settled_group(bench)
        group.members.clear()
        shown = first_step(bench.subject.connector.provision(bench.task(group, "modify"), bench.settings()))
        sent = bench.attempt(group, "modify").requests[0]
        assert (shown.method, shown.url) == (sent.method, sent.url)

    def test_only_the_target_that_is_set_is_asked(self, bench: Bench) -> None:
        values = bench.target.properties().values()
        hosts = {urlsplit(value).netloc for value in values if value.startswith(("http://", "https://"))}
        alice = bench.user()
        requests = bench.attempt(alice, "create").requests + bench.attempt(alice, "delete").requests
        assert {urlsplit(one.url).netloc for one in requests} <= hosts


def problems(bench: Bench, settings: Any) -> list[tuple[str, str]]:
    """What is wrong with settings, as the service finds it: by their metadata, and by the connector."""
    connector = bench.subject.connector
    return [*metadata_problems(connector.properties, settings), *connector.problems(settings)]


def not_good(findings: Any) -> bool:
    """Whether a connection test says, in either way, that something is wrong."""
    return isinstance(findings, ConnectorError) or any(not one.good for one in findings)


def first_step(exchanges: Generator[Any, Any, Any]) -> Request:
    """The first request of an attempt; whatever it asks to be kept is not."""
    step = next(exchanges)
    while not isinstance(step, Request):
        step = exchanges.send(None)
    exchanges.close()
    return step
