"""By HTTP alone: the life of an account at Google and at Salesforce, and what is recorded of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.support.google_target import GoogleTarget
from tests.support.google_tasks import google_settings, pem
from tests.support.loopback import serving
from tests.support.salesforce_target import SECRET, SalesforceTarget
from tests.support.salesforce_tasks import salesforce_settings
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-google-and-salesforce")

PASSWORD = "correct-horse-battery"
ALICE = {
    "name": {"givenName": "Alice", "familyName": "Liddell"},
    "emails": [{"value": "alice@example.com", "primary": True}],
}


@pytest.fixture(scope="module")
def google():
    target = GoogleTarget(echoes_passwords=True)
    with serving(target) as base:
        target.token_url = f"{base}/token"
        target.properties = dict(google_settings(base, target.token_url).properties)
        yield target
    assert target.violations == []


@pytest.fixture(scope="module")
def salesforce():
    target = SalesforceTarget()
    with serving(target) as base:
        target.instance = base
        target.properties = dict(salesforce_settings(base).properties)
        yield target


@pytest.fixture(scope="module")
def providers(api, google, salesforce):
    api.identity_provider("workspace", "googleapps", google.properties)
    api.identity_provider("crm", "salesforce", salesforce.properties)
    api.service_provider("hr", row("workspace"), row("crm"))


def by_target(request):
    return {delivery["identityProvider"]: delivery for delivery in request["deliveries"]}


def identifiers(request):
    return {name: one["provisionedIdentifier"] for name, one in by_target(request).items()}


def test_the_connections_can_be_tested(providers, api):
    for name, connector in (("workspace", "googleapps"), ("crm", "salesforce")):
        tested = api.post(f"/identity-providers/{name}/connectors/{connector}/test")
        assert tested["good"], tested


def test_a_dry_run_shows_what_would_be_written(providers, api, google, salesforce):
    body = {
        "serviceProvider": "hr",
        "operation": "create",
        "entity": {"type": "user", "name": "dora", "attributes": {"userName": "dora", **ALICE}},
        "dryRun": True,
    }
    shown = by_target(api.post("/provisioning-requests", body))
    for one in shown.values():
        assert [exchange["method"] for exchange in one["exchanges"]] == ["POST"]
    assert "/users" in shown["workspace"]["exchanges"][0]["url"]
    assert shown["crm"]["exchanges"][0]["url"].endswith("/sobjects/User")
    assert (google.users, salesforce.records["User"]) == ({}, {})


def test_the_life_of_an_account_and_of_a_group(providers, api, google, salesforce):
    created = api.provisioned("hr", "create", "alice", {**ALICE, "password": PASSWORD})
    assert created["state"] == "delivered", created
    known = identifiers(created)
    (user,) = google.users.values()
    (record,) = salesforce.records["User"].values()
    assert known == {"workspace": user["id"], "crm": record["Id"]}
    assert google.passwords[user["id"]] == salesforce.passwords[record["Id"]] == PASSWORD

    members = {"members": [{"value": created["entity"]["id"]}]}
    group = api.provisioned("hr", "create", "staff", members, type_="group")
    assert group["state"] == "delivered", group
    assert [set(one) for one in google.members.values()] == [{user["id"]}]
    assert [one["UserOrGroupId"] for one in salesforce.records["GroupMember"].values()] == [record["Id"]]

    patch = [{"op": "replace", "path": "title", "value": "Queen"}, {"op": "replace", "path": "active", "value": False}]
    changed = api.provisioned("hr", "modify", "alice", patch=patch)
    assert changed["state"] == "delivered", changed
    assert identifiers(changed) == known
    assert (user["suspended"], user["organizations"][0]["title"]) == (True, "Queen")
    assert (record["IsActive"], record["Title"]) == (False, "Queen")

    gone = api.provisioned("hr", "delete", "alice")
    assert gone["state"] == "delivered", gone
    assert google.users == {}
    assert record["Username"].startswith("retired.")
    assert api.provisioned("hr", "delete", "staff", type_="group")["state"] == "delivered"
    assert (google.groups, salesforce.records["Group"]) == ({}, {})


def test_no_secret_is_in_the_record_the_log_or_the_database(providers, api, service):
    emails = [{"value": "bob@example.com"}]
    done = api.provisioned("hr", "create", "bob", {**ALICE, "emails": emails, "password": PASSWORD})
    assert done["state"] == "delivered", done
    shown = "".join(str(api.delivery(one["id"])) for one in done["deliveries"])
    assert "create the user" in shown
    kept = ""
    for path in service.data.glob("*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            kept += "".join(database.iterdump())
    assert "create the user" in kept
    for secret in (PASSWORD, SECRET, pem()[40:100], "ya29.token", "!token."):
        for place in (shown, service.log, kept):
            assert secret not in place
