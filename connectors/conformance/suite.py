"""The suite: all checks in one class, with the fixtures they need, and the limits that an author declares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.conformance.bench import Bench, bench_for
from connectors.conformance.contract import ContractChecks
from connectors.conformance.failures import FailureChecks, Fresh
from connectors.conformance.groups import GroupChecks
from connectors.conformance.passwords import PasswordChecks
from connectors.conformance.subject import ABILITIES, Subject, needed
from connectors.conformance.texts import TextChecks
from connectors.conformance.users import UserChecks
from connectors.errors import ConnectorError
from connectors.http import Sender


class Conformance(UserChecks, GroupChecks, PasswordChecks, TextChecks, FailureChecks, ContractChecks):
    """Inherit it in a class whose name begins with `Test`, and give it the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        """The connector and how it is put to the test."""
        raise NotImplementedError("give your test class a fixture `subject`: see connectors.conformance")

    @pytest.fixture(autouse=True)
    def limits(self, request: pytest.FixtureRequest, subject: Subject) -> None:
        """Expect a check to fail that asks for what the subject says it cannot do."""
        name = request.function.__name__.removeprefix("test_")
        reason = subject.reason(name, needed(request.function))
        if reason is not None:
            expected = pytest.mark.xfail(reason=reason, strict=True, raises=(AssertionError, ConnectorError))
            request.applymarker(expected)

    @pytest.fixture(scope="class")
    @classmethod
    def sender(cls) -> Iterator[Sender]:
        """What sends; one for all checks, since making one takes longer than most of them."""
        sender = Sender()
        yield sender
        sender.close()

    @pytest.fixture
    def bench(self, subject: Subject, sender: Sender) -> Iterator[Bench]:
        """The service's part, with a fresh target."""
        with bench_for(subject, sender) as bench:
            yield bench

    @pytest.fixture
    def fresh(self, subject: Subject, sender: Sender) -> Fresh:
        """Makes further benches, each with a fresh target."""
        return lambda: bench_for(subject, sender)

    def test_every_declared_limit_is_known(self, subject: Subject) -> None:
        checks = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        assert subject.cannot.keys() <= checks | ABILITIES.keys()
        assert all(subject.cannot.values()), "a limit has a reason"
