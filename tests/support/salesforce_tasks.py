"""Settings of the Salesforce connector for tests, and a way to run its tasks against the fake."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.connector import Settings, Task
from connectors.salesforce import Salesforce
from tests.support.driving import Driven, run
from tests.support.google_tasks import recording
from tests.support.salesforce_target import BASE, CLIENT, SECRET, SalesforceTarget, private_key
from tests.support.tasks import settings

# One for all tasks: two signed tokens are never the same.
_SOURCE = random.Random(11)


@cache
def pem() -> str:
    """The private key whose certificate the connected app has."""
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def salesforce_settings(base: str = BASE, on_conflict: Any = "link", **changed: str) -> Settings:
    """Settings that work with the fake; `changed` are keys without `sf-`, with underscores for dashes."""
    properties = {
        "sf-api-version": "v59.0",
        "sf-domain-name": base,
        "sf-clientid": CLIENT,
        "sf-client-secret": SECRET,
        "sf-token-endpoint": f"{base}/services/oauth2/token",
        "sf-prov-domainName": "acme.test",
        "sf-profile-id": "00e000000000001AAA",
        **{f"sf-{key.replace('_', '-')}": value for key, value in changed.items()},
    }
    return settings(properties, on_conflict=on_conflict)


def provision(
    target: SalesforceTarget, task: Task, ours: Settings | None = None, driven: Driven | None = None
) -> Driven:
    """Run a task against the fake; its `requests` are those that change or look up something.

    Remembered facts of `driven` are handed on to the next task by `knowing`.
    """
    driven = driven or Driven()
    task = replace(task, random=_SOURCE)
    try:
        run(Salesforce().provision(task, ours or salesforce_settings()), recording(target.answer, driven), driven)
    finally:
        driven.requests = [one for one in driven.requests if not one.url.endswith(("/oauth2/token", "/describe"))]
    return driven


def knowing(task: Task, *earlier: Driven) -> Task:
    """The task with what earlier ones have asked to remember."""
    facts = {one.key: one.value for done in earlier for one in done.remembered}
    return replace(task, remembered={**task.remembered, **facts})
