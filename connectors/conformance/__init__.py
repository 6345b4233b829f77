"""The conformance suite: what every connector has to do, checked against a target over real HTTP.

For the built-in connectors and for the authors of plug-ins; it needs pytest (`pip install "sluice[conformance]"`). Say
how to start a target and how to look into it, and inherit the checks:

    import pytest
    from connectors.conformance import Account, Conformance, Group, Subject, Target

    class MyTarget(Target):
        ...                                 # users(), groups(), add_user(), … as the target itself sees them

    class MySubject(Subject):
        connector = MyConnector()
        cannot = {"nested groups": "a team holds users only"}

        @contextmanager
        def start(self):                    # a fresh, empty target for each check
            with my_server() as server:
                yield MyTarget(server)

    class TestMyConnector(Conformance):
        @pytest.fixture
        def subject(self):
            return MySubject()

Run it with `pytest -rx`: what the connector cannot do is run, too, has to fail, and is listed as an expected failure
with the reason from `cannot`. A limit that is none any more fails the suite; nothing is skipped.

The suite plays the service: it builds the tasks, sends the requests through `connectors.http`, keeps links, facts and
unanswered exchanges from one attempt to the next, and records every exchange as the service does. `subject` has what an
author supplies, `bench` plays the service, the other modules have the checks by topic.
"""

from __future__ import annotations

import pytest

for _topic in ("bench", "contract", "failures", "groups", "passwords", "records", "texts", "users"):
    pytest.register_assert_rewrite(f"connectors.conformance.{_topic}")

from connectors.conformance.subject import ABILITIES, Account, Group, Subject, Target  # noqa: E402 - after the above
from connectors.conformance.suite import Conformance  # noqa: E402 - after the above

__all__ = ["ABILITIES", "Account", "Conformance", "Group", "Subject", "Target"]
