"""Whatever a target answers, a task ends: in a confirmation or in an error that says what to do next."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectors.connector import Link, Membership, Provisioned, Reply, Request
from connectors.errors import ConnectorError
from connectors.profile import names
from connectors.scim2 import Scim2
from connectors.scim_payload import wanted
from tests.support.driving import Driven, run
from tests.support.tasks import NOW, group_task, members, settings, unanswered, user_task

TARGET = settings(
    {
        "scim2-access-token": "the-token",
        "scim2-user-ep": "https://target.test/scim/Users",
        "scim2-group-ep": "https://target.test/scim/Groups",
        "scim2-default-pwd": "the-default",
    }
)
FAR_TOO_MANY = 500

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RESOURCE = st.dictionaries(
    st.sampled_from(["id", "userName", "displayName", "externalId", "members", "meta", "name", "schemas", "Resources"]),
    JSON | st.sampled_from(["alice", "entity-alice", "engineers", "entity-engineers"]),
)
BODY = st.one_of(
    st.binary(max_size=20),
    RESOURCE.map(lambda data: json.dumps(data).encode()),
    st.lists(RESOURCE, max_size=3).map(lambda data: json.dumps({"Resources": data}).encode()),
    JSON.map(lambda data: json.dumps({"detail": data, "scimType": data, "Errors": data}).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(["location", "etag", "retry-after", "content-type"]),
    st.text(max_size=10) | st.sampled_from(["text/html", "https://target.test/scim/Users/7", "-1", "99"]),
)
STATUS = st.sampled_from(
    [200, 201, 202, 204, 400, 403, 404, 405, 409, 410, 412, 413, 422, 501, 302, 401, 408, 429, 503]
)
REPLY = st.builds(Reply, STATUS, HEADERS, BODY, st.booleans())

LINK = st.none() | st.builds(
    Link, st.text(min_size=1, max_size=5), st.none() | st.just({}) | st.just(wanted(user_task(), TARGET)), st.none()
)
MEMBERSHIP = st.none() | st.builds(
    Membership,
    current=st.integers(0, 130).map(lambda count: members(*range(count))),
    added=st.none() | st.just(members(1, 2)),
    removed=st.none() | st.just(members(3)),
)


@st.composite
def tasks(draw):
    usual = {
        "link": draw(LINK),
        "unfinished": draw(st.just(()) | st.just(unanswered())),
        "password": draw(st.none() | st.just("the-password")),
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


@hypothesis_settings(max_examples=400, deadline=None)
@given(st.data(), tasks(), st.sampled_from(names()))
def test_every_task_ends_in_a_confirmation_or_a_typed_error(data, task, profile):
    driven = Driven()
    target_settings = replace(TARGET, profile=profile)

    def target(request: Request) -> Reply:
        assert len(driven.requests) < FAR_TOO_MANY
        assert request.url.startswith(("https://target.test/scim/Users", "https://target.test/scim/Groups"))
        assert request.safe == (request.method == "GET")
        assert "the-token" in request.secrets
        assert b"the-password" not in (request.body or b"") or "the-password" in request.secrets
        return data.draw(REPLY)

    outcome = ended(lambda: run(Scim2().provision(task, target_settings), target, driven).result)
    if isinstance(outcome, ConnectorError):
        assert outcome.message
        assert "the-token" not in outcome.message
    else:
        assert isinstance(outcome, Provisioned)
        assert "password" not in (outcome.delivered or {})
        assert outcome.identifier or outcome.outcome == "already-gone"


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_connection_test_ends_whatever_the_target_answers(data):
    driven = Driven()

    def target(request: Request) -> Reply:
        assert request.method == "GET"
        assert request.safe
        return data.draw(REPLY)

    run(Scim2().probe(TARGET, {}, NOW), target, driven)
    assert driven.result
