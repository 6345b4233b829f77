"""Tasks and settings for connector tests: an ordinary user and group, with whatever a test changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from connectors.connector import Exchange, Member, Membership, Settings, Task

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

ALICE: dict[str, Any] = {
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Liddell"},
    "emails": [{"value": "alice@example.com", "type": "work", "primary": True}],
    "active": True,
    ENTERPRISE: {"department": "engineering"},
}


def user_task(operation: Any = "create", **changes: Any) -> Task:
    """A task about the user alice, whose entity id is `entity-alice`."""
    usual: dict[str, Any] = {
        "operation": operation,
        "entity_type": "user",
        "entity_id": "entity-alice",
        "name": "alice",
        "domain": "PRIMARY",
        "attributes": ALICE,
        "now": NOW,
        "random": random.Random(1),
    }
    return Task(**(usual | changes))


def group_task(operation: Any = "create", **changes: Any) -> Task:
    """A task about the group engineers, whose entity id is `entity-engineers`."""
    usual: dict[str, Any] = {
        "entity_type": "group",
        "entity_id": "entity-engineers",
        "name": "engineers",
        "attributes": {"displayName": "engineers"},
        "membership": Membership(),
    }
    return user_task(operation, **(usual | changes))


def settings(properties: dict[str, str], **changes: Any) -> Settings:
    """Settings of one connector."""
    return Settings(**({"identity_provider": "acme", "tenant": "carbon.super", "properties": properties} | changes))


def members(*numbers: int) -> tuple[Member, ...]:
    """Members with identifiers like `m1`."""
    return tuple(Member(f"entity-{number}", f"m{number}", f"user{number}") for number in numbers)


def unanswered(method: str = "POST", url: str = "https://target.test/Users") -> tuple[Exchange, ...]:
    """What makes a task ambiguous: an unsafe request of an earlier attempt that got no answer."""
    return (Exchange(method, url, safe=False),)
