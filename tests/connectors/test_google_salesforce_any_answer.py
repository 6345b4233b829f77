"""Whatever Google or Salesforce answers, a task ends: in a confirmation or in an error that says what to do next."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from connectors.connector import Link, Membership, Provisioned, Reply, Request
from connectors.errors import ConnectorError
from connectors.google import Google
from connectors.oauth import MEMORY
from connectors.salesforce import Salesforce
from tests.support.driving import Driven, run
from tests.support.google_tasks import google_settings
from tests.support.salesforce_tasks import salesforce_settings
from tests.support.tasks import NOW, group_task, members, unanswered, user_task

FAR_TOO_MANY = 500
TOKEN = Reply(200, {"content-type": "application/json"}, b'{"access_token": "the-token", "instance_url": null}')
PERMISSION_SETS = salesforce_settings(groups="permissionSet", default_pwd="the-default")
CASES = {
    "google": (Google(), google_settings(deprovisioning="suspend", old_address="remove")),
    "google, forbidden to link": (Google(), google_settings(on_conflict="fail", default_pwd="the-default")),
    "salesforce": (Salesforce(), salesforce_settings(profile_id="Standard User", external_id_field="Mark__c")),
    "salesforce, permission sets": (Salesforce(), PERMISSION_SETS),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    *("id", "primaryEmail", "email", "name", "aliases", "externalIds", "users", "members", "nextPageToken", "error"),
    *("Id", "Username", "records", "done", "nextRecordsUrl", "fields", "createable", "success", "errors"),
    *("UserOrGroupId", "AssigneeId", "IsOwnedByProfile", "directMembersCount", "suspended", "Name"),
)
VALUES = JSON | st.sampled_from(["alice@example.com", "alice@acme.test", "engineers@example.com", "engineers", "m1"])
RESOURCE = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
REASON = st.sampled_from(["duplicate", "notFound", "quotaExceeded", "conditionNotMet", "other"]) | JSON
CODE = st.sampled_from(["DUPLICATE_USERNAME", "NOT_FOUND", "INVALID_NEW_PASSWORD", "REQUEST_LIMIT_EXCEEDED"]) | JSON
GOOGLE_ERROR = st.builds(
    lambda reason, words: {"error": {"message": words, "errors": [{"reason": reason}]}}, REASON, JSON
)
SALESFORCE_ERROR = st.builds(lambda code, words: [{"errorCode": code, "message": words}], CODE, JSON)
LISTS = st.builds(
    lambda name, found: {name: found}, st.sampled_from(["users", "members", "records"]), st.lists(RESOURCE, max_size=3)
)
RESULTS = st.lists(st.builds(lambda good: {"success": good, "errors": []}, JSON), max_size=4)
BODY = st.one_of(
    st.binary(max_size=20),
    *(
        shape.map(lambda data: json.dumps(data).encode())
        for shape in (LISTS, LISTS, RESOURCE, GOOGLE_ERROR, SALESFORCE_ERROR)
    ),
    RESULTS.map(lambda data: json.dumps(data).encode()),
    JSON.map(lambda data: json.dumps({"error": data}).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(["location", "retry-after", "content-type", "sforce-limit-info"]),
    st.text(max_size=10) | st.sampled_from(["text/html", "api-usage=9/10", "api-usage=1/0", "-1", "99"]),
)
STATUS = st.sampled_from([200, 200, 201, 204, 400, 403, 404, 404, 409, 410, 412, 422, 501, 302, 401, 408, 429, 503])
REPLY = st.builds(Reply, STATUS, HEADERS, BODY, st.booleans())

DELIVERED = st.sampled_from(
    [
        None,
        {},
        {"primaryEmail": "old@example.com", "email": "old@example.com", "phones": [{}], "suspended": True},
        {"Username": "old@acme.test", "IsActive": False, "Title": "x", "Label": "old", "Name": "old"},
    ]
)
LINK = st.none() | st.builds(Link, st.text(min_size=1, max_size=5), DELIVERED, st.none())
MEMBERSHIP = st.none() | st.builds(
    Membership,
    current=st.integers(0, 8).map(lambda count: members(*range(count))),
    added=st.none() | st.just(members(1, 2)),
    removed=st.none() | st.just(members(3)),
)
REMEMBERED = st.fixed_dictionaries(
    {},
    optional={
        MEMORY: st.just({"client": "another"}),
        "salesforce-fields": st.just({"of": "another"}),
        "salesforce-usage": st.just({"used": 1, "most": 100}),
    },
)


@st.composite
def tasks(draw):
    usual = {
        "link": draw(LINK),
        "unfinished": draw(st.just(()) | st.just(unanswered())),
        "password": draw(st.none() | st.just("the-password")),
        "remembered": draw(REMEMBERED),
    }
    operation = draw(st.sampled_from(["create", "replace", "modify", "delete"]))
    if draw(st.booleans()):
        return user_task(operation, **usual)
    return group_task(operation, membership=draw(MEMBERSHIP), **usual)


def ended(task):
    try:
        return task()
    except ConnectorError as error:
        return error


@pytest.mark.parametrize("case", CASES)
@effort(max_examples=150, deadline=None)
@given(data=st.data(), task=tasks())
def test_every_task_ends_in_a_confirmation_or_a_typed_error(case, data, task):
    connector, ours = CASES[case]
    driven = Driven()

    def target(request: Request) -> Reply:
        assert len(driven.requests) < FAR_TOO_MANY
        if "/token" in request.url:
            return data.draw(st.just(TOKEN) | REPLY) if data.draw(st.integers(0, 9)) == 0 else TOKEN
        assert request.url.startswith(
            ("https://admin.google.test/admin/", "https://acme.my.salesforce.com/services/data/")
        )
        assert request.safe == (request.method == "GET")
        assert "the-token" in request.secrets or driven.requests[0] is not request
        assert b"the-password" not in (request.body or b"") or "the-password" in request.secrets
        return data.draw(REPLY)

    outcome = ended(lambda: run(connector.provision(task, ours), target, driven).result)
    if isinstance(outcome, ConnectorError):
        assert outcome.message
        assert "the-token" not in outcome.message
    else:
        assert isinstance(outcome, Provisioned)
        assert "the-password" not in json.dumps(outcome.delivered)
        assert outcome.identifier or outcome.outcome == "already-gone"


@pytest.mark.parametrize("case", CASES)
@effort(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_connection_test_ends_whatever_the_target_answers(case, data):
    connector, ours = CASES[case]
    driven = Driven()

    def target(request: Request) -> Reply:
        assert request.safe
        return TOKEN if "/token" in request.url else data.draw(REPLY)

    run(connector.probe(ours, {}, NOW), target, driven)
    assert driven.result
