"""The SCIM 2.0 connector against servers that others wrote and that run in environments of their own."""

import json
from contextlib import closing

import pytest

from connectors.connector import Link, Member, Membership, Request
from connectors.errors import CredentialsRejected, TargetConflict
from connectors.http import Sender, Transport
from connectors.scim2 import Scim2
from tests.support.driving import run
from tests.support.peers import TOKEN, scimmy
from tests.support.tasks import ALICE, NOW, group_task, settings, unanswered, user_task

pytestmark = pytest.mark.xdist_group("scimmy")
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
LOOPBACK = Transport(deadline=30, allow=("127.0.0.0/8",))


@pytest.fixture(scope="module")
def peer():
    with scimmy() as running:
        yield running


@pytest.fixture
def send():
    with closing(Sender()) as sender:
        yield lambda request: sender.send(request, transport=LOOPBACK)


@pytest.fixture
def provision(peer, send):
    def carry_out(task, **at):
        return run(Scim2().provision(task, settings(peer.properties, **at)), send).result

    return carry_out


@pytest.fixture
def stored(peer, send):
    """What the server shows of a resource, None when it has none."""

    def read(kind, identifier):
        url = f"{peer.base}/{kind}/{identifier}"
        reply = send(Request(method="GET", url=url, headers=AUTHORIZED, safe=True, purpose="look at what is stored"))
        return None if reply.status == 404 else json.loads(reply.body)

    return read


def user(name, operation="create", **changes):
    attributes = {**ALICE, "userName": name, **changes.pop("attributes", {})}
    return user_task(operation, entity_id=f"entity-{name}", name=name, attributes=attributes, **changes)


def group(name, operation="create", shown=None, **changes):
    attributes = {"displayName": shown or name}
    return group_task(operation, entity_id=f"entity-{name}", name=name, attributes=attributes, **changes)


def link_of(result):
    return Link(result.identifier, result.delivered, result.etag)


def test_a_user_is_created_changed_renamed_deactivated_and_deleted(provision, stored):
    created = provision(user("carol"))
    assert created.outcome == "created"
    assert stored("Users", created.identifier)["emails"][0]["value"] == "alice@example.com"
    changed = {"userName": "caroline", "title": "Queen", "active": False}
    modified = provision(user("carol", "modify", attributes=changed, link=link_of(created)))
    seen = stored("Users", created.identifier)
    assert (seen["userName"], seen["title"], seen["active"]) == ("caroline", "Queen", False)
    assert not modified.active
    replaced = provision(user("carol", "replace", link=link_of(modified)))
    seen = stored("Users", created.identifier)
    assert (seen["userName"], seen.get("title"), seen["active"]) == ("carol", None, True)
    assert provision(user("carol", "delete", link=link_of(replaced))).outcome == "deleted"
    assert stored("Users", created.identifier) is None
    assert provision(user("carol", "delete", link=link_of(replaced))).outcome == "already-gone"


def test_an_existing_account_is_linked_or_refused_as_set(provision):
    theirs = provision(user("dave"))
    other = user_task(entity_id="another", name="dave", attributes={**ALICE, "userName": "dave"})
    with pytest.raises(TargetConflict):
        provision(other, on_conflict="fail")
    linked = provision(other)
    assert (linked.outcome, linked.identifier) == ("linked", theirs.identifier)


def test_a_create_that_took_effect_unnoticed_makes_no_second_account(peer, provision):
    first = provision(user("erin"))
    again = provision(user("erin", unfinished=unanswered(url=f"{peer.base}/Users")))
    assert again.identifier == first.identifier


def test_a_vanished_account_is_created_again(provision, stored):
    created = provision(user("frank"))
    provision(user("frank", "delete", link=link_of(created)))
    again = provision(user("frank", "modify", attributes={"title": "Back"}, link=link_of(created)))
    assert again.outcome == "recreated"
    assert stored("Users", again.identifier)["title"] == "Back"


def test_a_group_gains_and_loses_members_is_renamed_and_deleted(provision, stored):
    names = ("grace", "heidi")
    grace, heidi = (Member(f"entity-{name}", provision(user(name)).identifier, name) for name in names)
    created = provision(group("staff", membership=Membership(current=(grace,))))
    assert members(stored, created) == {grace.identifier}
    change = Membership(current=(heidi,), added=(heidi,), removed=(grace,))
    changed = provision(group("staff", "modify", membership=change, link=link_of(created)))
    assert members(stored, created) == {heidi.identifier}
    still = Membership(current=(heidi,), added=(), removed=())
    renamed = provision(group("staff", "modify", "crew", membership=still, link=link_of(changed)))
    assert stored("Groups", created.identifier)["displayName"] == "crew"
    assert members(stored, created) == {heidi.identifier}
    assert provision(group("staff", "delete", link=link_of(renamed))).outcome == "deleted"
    assert stored("Groups", created.identifier) is None


def members(stored, group):
    return {one["value"] for one in stored("Groups", group.identifier).get("members", [])}


def test_the_connection_test_finds_the_server_good(peer, send):
    findings = run(Scim2().probe(settings(peer.properties), {}, NOW), send).result
    assert findings
    assert all(finding.good for finding in findings), findings


def test_a_wrong_token_is_reported_as_rejected_credentials(peer, send):
    wrong = settings({**peer.properties, "scim2-access-token": "not-it"})
    with pytest.raises(CredentialsRejected):
        run(Scim2().provision(user("ivan"), wrong), send)
