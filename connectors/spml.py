"""SPML 2.0: accounts and groups as provisioning service objects with DSML attributes.

The connector's way: learn the target (listTargets, remembered for a day), then one request or a few of the operation.
`spml_setup` has the settings, `spml_attempt` the operations, `spml_messages` and `spml_answers` the words on the wire,
`spml_attributes` what becomes of a SCIM resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.characters import refuse_halves
from connectors.connector import EntityType, Exchanges, Finding, Probe, Settings, Task
from connectors.errors import ConnectorError, Misconfigured
from connectors.nesting import Nesting, chosen
from connectors.spml_attempt import Attempt
from connectors.spml_setup import PROPERTIES, problems, setup
from connectors.spml_targets import Conversation, learn_targets, read_targets


class Spml:
    """Speaks SPML 2.0: core, password and suspend capabilities, search to find what exists; SOAP 1.1 or plain HTTP."""

    type = "spml"
    display_name = "SPML 2.0"
    properties = PROPERTIES

    def provision(self, task: Task, settings: Settings) -> Exchanges:
        """Bring the target to the task's state.

        Raises `ConnectorError`. The provisioned identifier is the ID of the psoID that the target gave. The delivered
        state is `{"psoID": {"targetID", "containerID"}, "attributes": {name: [value]}, "active": boolean}`, without
        passwords and without a group's members.
        """
        refuse_halves(task)
        _require_working(self.problems(settings))
        if task.entity_type == "group" and not settings.get("spml-group-oc"):
            raise Misconfigured("groups cannot be provisioned without a group object class", setting="spml-group-oc")
        ours = setup(settings, task.entity_type)
        talk = Conversation(ours.wire, task.now)
        known = yield from learn_targets(talk, ours, task.remembered)
        return (yield from Attempt(task, ours, talk, known).run())

    def probe(self, settings: Settings, remembered: Mapping[str, Any], now: datetime) -> Probe:
        """Ask for the targets; every error becomes a finding."""
        del remembered  # a connection test believes nothing that was said earlier
        wrong = [Finding(good=False, message=f"{key}: {message}") for key, message in self.problems(settings)]
        if wrong:
            return tuple(wrong)
        ours = setup(settings, "user")
        try:
            return (yield from read_targets(Conversation(ours.wire, now), ours, settings.get("spml-group-oc")))
        except ConnectorError as error:
            said = f": {error.detail}" if error.detail else ""
            return (Finding(good=False, message=f"{error.message}{said}"),)

    def deletes(self, settings: Settings, entity_type: EntityType) -> bool:
        """Whether a delete removes the object for good; see `connectors.connector.deletes`."""
        return not setup(settings, entity_type).suspend_on_delete

    def nesting(self, settings: Settings) -> Nesting:
        """What becomes of groups in groups; see `connectors.nesting`."""
        return chosen(settings, "spml-nested-groups")

    def problems(self, settings: Settings) -> list[tuple[str, str]]:
        """What is wrong with the settings, as (property key, message); empty when they can work."""
        return problems(settings)


def _require_working(found: list[tuple[str, str]]) -> None:
    for key, message in found:
        raise Misconfigured(f"{key}: {message}", setting=key)
