"""The fake Google is one that Google's own client accepts; and the connector's requests pass over a real connection."""

import json
import random

import pytest
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from connectors.connector import Member, Membership
from connectors.errors import TargetThrottled
from connectors.google import Google
from connectors.http import Sender, Transport
from tests.support.driving import Driven, run
from tests.support.google_target import ACCOUNT, ADMIN, SCOPE, GoogleTarget, google_error
from tests.support.google_tasks import google_settings, linked, pem, provision
from tests.support.loopback import serving
from tests.support.tasks import ALICE, NOW, group_task, user_task


@pytest.fixture
def served():
    target = GoogleTarget()
    with serving(target) as base:
        target.token_url = f"{base}/token"
        yield target, base
    assert target.violations == []


@pytest.fixture
def official(served):
    """Google's client, made of the discovery document, signing in as the service account."""
    target, base = served
    info = {
        "type": "service_account",
        "client_email": ACCOUNT,
        "private_key": pem(),
        "private_key_id": "key-1",
        "token_uri": target.token_url,
    }
    credentials = service_account.Credentials.from_service_account_info(info, scopes=target.scopes, subject=ADMIN)
    service = build(
        "admin",
        "directory_v1",
        credentials=credentials,
        client_options={"api_endpoint": base},
        static_discovery=True,
        cache_discovery=False,
    )
    with service as client:
        yield client


def test_googles_own_client_is_content_with_the_fake(served, official):
    target, _ = served
    body = {
        "primaryEmail": "bob@example.com",
        "name": {"givenName": "Bob", "familyName": "B"},
        "password": "12345678",
        "phones": [{"value": "+1", "type": "work"}],
        "externalIds": [{"type": "custom", "customType": "x", "value": "it's"}],
    }
    user = official.users().insert(body=body).execute()
    assert user["name"]["fullName"] == "Bob B"
    key = user["id"]
    assert official.users().get(userKey="bob@example.com", projection="full").execute()["id"] == key
    renamed = official.users().patch(userKey=key, body={"primaryEmail": "rob@example.com"}).execute()
    assert renamed["aliases"] == ["bob@example.com"]
    assert official.users().patch(userKey=key, body={"phones": None}).execute()["phones"] == body["phones"]
    assert "phones" not in official.users().update(userKey=key, body={"phones": None}).execute()
    found = official.users().list(customer="my_customer", query="externalId='it\\'s'").execute()
    assert [one["id"] for one in found["users"]] == [key]
    group = official.groups().insert(body={"email": "g@example.com", "name": "G"}).execute()
    official.members().insert(groupKey=group["id"], body={"id": key, "role": "MEMBER"}).execute()
    listed = official.members().list(groupKey="g@example.com").execute()
    assert [one["email"] for one in listed["members"]] == ["rob@example.com"]
    official.members().delete(groupKey=group["id"], memberKey=key).execute()
    official.users().aliases().delete(userKey=key, alias="bob@example.com").execute()
    official.users().aliases().insert(userKey=key, body={"alias": "bo@example.com"}).execute()
    official.groups().patch(groupKey=group["id"], body={"name": "H"}).execute()
    official.groups().delete(groupKey=group["id"]).execute()
    official.users().delete(userKey=key).execute()
    assert (target.users, target.groups) == ({}, {})


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        (lambda api: api.users().get(userKey="nobody@example.com"), 404, "notFound"),
        (lambda api: api.members().list(groupKey="nobody@example.com"), 404, "notFound"),
        (lambda api: api.users().list(), 400, "badRequest"),
    ],
)
def test_googles_own_client_reads_the_errors_of_the_fake(official, call, status, reason):
    with pytest.raises(HttpError) as caught:
        call(official).execute()
    assert caught.value.resp.status == status
    assert caught.value.error_details[0]["reason"] == reason


def test_a_body_that_the_document_does_not_allow_is_refused(served, official):
    target, _ = served
    with pytest.raises(HttpError, match=r"body \(User\)\.shoeSize is unknown"):
        official.users().patch(userKey="x", body={"shoeSize": 38}).execute()
    with pytest.raises(HttpError, match="isAdmin is read-only"):
        official.users().patch(userKey="x", body={"isAdmin": True}).execute()
    with pytest.raises(HttpError, match="familyName is required"):
        official.users().insert(body={"primaryEmail": "a@b", "password": "x", "name": {"givenName": "A"}}).execute()
    assert len(target.violations) == 3
    target.violations.clear()


def test_what_the_connector_makes_googles_own_client_reads(served, official):
    target, base = served
    ours = google_settings(base, target.token_url)
    sender = Sender()
    transport = Transport(allow=("127.0.0.0/8",))
    user, driven = user_task(attributes={**ALICE, "title": "Queen"}, password="a-long-secret"), Driven()
    done = run(Google().provision(user, ours), lambda request: sender.send(request, transport=transport), driven)
    member = Member("entity-alice", done.result.identifier, "alice")
    group = group_task(random=random.Random(2), membership=Membership(current=(member,)))
    made = run(Google().provision(group, ours), lambda request: sender.send(request, transport=transport))
    sender.close()
    read = official.users().get(userKey=done.result.identifier, projection="full").execute()
    assert read["organizations"][0]["title"] == "Queen"
    listed = official.members().list(groupKey=made.result.identifier).execute()["members"]
    assert [one["email"] for one in listed] == ["alice@example.com"]
    agents = {request.headers["User-Agent"] for request in driven.requests if "/token" not in request.url}
    assert agents == {"Sluice tests Sluice"}


def test_an_account_that_googles_own_client_made_is_linked(served, official):
    target, _ = served
    name = {"givenName": "A", "familyName": "L"}
    body = {"primaryEmail": "alice@example.com", "name": name, "password": "12345678"}
    made = official.users().insert(body=body).execute()
    ours = google_settings("https://admin.google.test", target.token_url)
    done = provision(target, user_task(), ours)
    assert (done.result.outcome, done.result.identifier) == ("linked", made["id"])
    changed = provision(target, linked(user_task("modify", attributes={**ALICE, "active": False}), done), ours)
    assert changed.result.active is False
    assert official.users().get(userKey=made["id"]).execute()["suspended"] is True


def test_the_throttling_that_googles_own_client_sees_the_connector_sees_too(served, official):
    target, _ = served
    throttled = google_error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", **{"retry-after": "3"})
    target.script.extend([throttled, throttled])
    with pytest.raises(HttpError) as caught:
        official.users().get(userKey="x").execute()
    assert json.loads(caught.value.content)["error"]["errors"][0]["reason"] == "userRateLimitExceeded"
    ours = google_settings("https://admin.google.test", target.token_url)
    with pytest.raises(TargetThrottled) as told:
        provision(target, user_task(now=NOW), ours)
    assert told.value.retry_after == 3


def test_the_scopes_are_the_ones_that_the_document_asks_for():
    assert GoogleTarget().scopes == (f"{SCOPE}user", f"{SCOPE}group")
