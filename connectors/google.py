"""Google Workspace and Cloud Identity, by the Directory API of the Admin SDK: the connector type `googleapps`.

The way of a task: `google_work` (with `google_users` and `google_groups`) decides what to do; `google_payload` says
what the target should have, `google_changes` how that differs from what it has, `google_calls` makes the requests and
reads the answers. `google_key` reads the service account's key, `google_settings` the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import EntityType, Exchanges, Finding, Probe, Settings, Task
from connectors.errors import ConnectorError
from connectors.google_calls import directory, path, scope
from connectors.google_groups import GroupWork
from connectors.google_settings import PROPERTIES, Setup, problems, setup
from connectors.google_users import UserWork
from connectors.google_work import Work
from connectors.nesting import Nesting, chosen
from connectors.rest_calls import Talk


class Google:
    """The connector for Google: users, groups and members, as a service account with domain-wide delegation."""

    type = "googleapps"
    display_name = "Google"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state; see `connectors.connector.Connector`.

        The provisioned identifier is Google's id, which outlives renames. The delivered state is the user or group in
        Google's fields, without password and members.
        """
        refuse_halves(task)
        ours = setup(settings)
        nonce = f"{task.random.getrandbits(128):032x}"
        talk = directory(ours, task.entity_type, task.remembered, task.now, nonce)
        kind: type[Work] = UserWork if task.entity_type == "user" else GroupWork
        work = kind(task, settings, talk)
        if task.operation == "delete":
            return (yield from work.delete())
        if task.link is None:
            return (yield from work.create())
        return (yield from work.update(task.link))

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Ask for access and read one user and one group; every error becomes a finding."""
        del remembered  # a connection test believes nothing that was said earlier
        wrong = [Finding(good=False, message=f"{key}: {message}") for key, message in self.problems(settings)]
        if wrong:
            return tuple(wrong)
        ours = setup(settings)
        users = yield from _look(ours, "user", now)
        groups = yield from _look(ours, "group", now)
        return (users, groups)

    def deletes(self, settings: Settings, entity_type: EntityType) -> bool:
        """Whether a delete removes the account for good; see `connectors.connector.deletes`."""
        return entity_type == "group" or not setup(settings).suspends

    def nesting(self, settings: Settings) -> Nesting:
        """What becomes of groups in groups; see `connectors.nesting`."""
        return chosen(settings, "google_prov_nested_groups")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message); empty when they can work."""
        return problems(settings)


def _look(setup: Setup, kind: EntityType, now: datetime) -> Talk[Finding]:
    talk = directory(setup, kind, {}, now, f"probe-{kind}-{now.timestamp():.6f}")
    purpose = f"read one {kind} of `{setup.domain}`"
    try:
        answer = yield from talk.get(path(f"{kind}s", domain=setup.domain, maxResults=1), purpose)
        if not answer.good:
            raise talk.error(answer)
    except ConnectorError as error:
        said = f": {error.detail}" if error.detail and error.detail not in error.message else ""
        return Finding(good=False, message=f"{error.message}{said}: {kind}s need the delegated scope {scope(kind)}")
    return Finding(good=True, message=f"{purpose}: the service account may act on {kind}s")
