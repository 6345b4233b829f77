"""Alice, staff, and what the SPML tests do with them."""

import random
from datetime import UTC, datetime

from connectors.connector import Exchange, Link, Member, Settings, Task
from connectors.spml import Spml
from tests.support.driving import run

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URL = "http://127.0.0.1:9/spml"
ALICE = {
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Liddell", "formatted": "Alice Liddell"},
    "displayName": "Alice",
    "emails": [{"value": "second@example.com"}, {"value": "alice@example.com", "primary": True}],
    "phoneNumbers": [{"value": "+44 1", "type": "work"}, {"value": "+44 2", "type": "mobile"}],
    "addresses": [{"locality": "Oxford", "country": "GB"}],
    "active": True,
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "engineering"},
}


def settings(on_conflict="link", **properties):
    base = {"spml-username": "prov", "spml-password": "s3cr3t & <more>", "spml-ep": URL, "spml-oc": "person"}
    base |= {"spml-group-oc": "group"}
    given = {f"spml-{key.replace('_', '-')}": value for key, value in properties.items()}
    return Settings(
        identity_provider="acme",
        tenant="carbon.super",
        properties=base | given,
        profile="generic",
        on_conflict=on_conflict,
    )


def task(operation="create", attributes=ALICE, **changes):
    base = {
        "operation": operation,
        "entity_type": "user",
        "entity_id": "e1",
        "name": "alice",
        "domain": "PRIMARY",
        "attributes": attributes,
        "now": NOW,
        "random": random.Random(7),
    }
    return Task(**base | changes)


def group(operation="create", name="staff", membership=None, **changes):
    return task(operation, {"displayName": name}, entity_type="group", name=name, membership=membership, **changes)


def members(*names):
    return tuple(Member(f"id-{name}", f"person:{name}", name) for name in names)


def deliver(target, wanted, configured=None, driven=None):
    """Provision, remembering as the courier does; answers what was driven."""
    return run(Spml().provision(wanted, configured or settings()), target.answer, driven)


def linked(result, **changes):
    return Link(**{"identifier": result.identifier, "delivered": result.delivered, "active": result.active} | changes)


def created(target, attributes=ALICE, configured=None, **changes):
    return linked(deliver(target, task("create", attributes, **changes), configured).result)


def stored(target, identifier="person:alice"):
    return dict(target.objects[identifier].attributes.values())


LOST = (Exchange("POST", URL, safe=False, status=None),)
