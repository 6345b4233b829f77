"""The SCIM 2.0 connector against a real server that others wrote (scim2-server), over the real sender."""

from contextlib import closing

import pytest

from connectors.connector import Link, Member, Membership
from connectors.errors import CredentialsRejected, TargetConflict, TargetThrottled, TargetUnavailable
from connectors.http import Sender, Transport
from connectors.scim2 import Scim2
from tests.support.driving import Driven, reply, run
from tests.support.raw_server import raw_server
from tests.support.scim_target import TOKEN, scim_target
from tests.support.tasks import ALICE, ENTERPRISE, NOW, group_task, settings, unanswered, user_task
from tests.support.token_server import TokenServer

LOOPBACK = Transport(deadline=10, allow=("127.0.0.0/8",))
BOB = {"userName": "bob", "name": {"givenName": "Bob"}}


@pytest.fixture
def target():
    with scim_target() as running:
        yield running


@pytest.fixture
def provision(target):
    """Carry a task out at the target; `at` changes the settings."""
    with closing(Sender()) as sender:

        def carry_out(task, **at):
            exchanges = Scim2().provision(task, settings(target.properties, **at))
            return run(exchanges, lambda request: sender.send(request, transport=LOOPBACK)).result

        yield carry_out


def link_of(result):
    return Link(result.identifier, result.delivered, result.etag)


def only(resources):
    assert len(resources) == 1
    return resources[0]


def test_a_user_lives_from_create_to_delete(target, provision):
    created = provision(user_task())
    stored = only(target.users)
    assert (created.outcome, created.identifier) == ("created", stored["id"])
    assert stored["userName"] == "alice"
    assert stored["externalId"] == "entity-alice"
    assert stored["emails"] == ALICE["emails"]
    assert stored[ENTERPRISE] == {"department": "engineering"}

    changed = {
        **ALICE,
        "title": "Queen",
        "name": {"givenName": "Alice"},
        ENTERPRISE: {"costCenter": "7"},
        "active": False,
    }
    modified = provision(user_task("modify", attributes=changed, link=link_of(created)))
    stored = only(target.users)
    assert modified.outcome == "updated"
    assert not modified.active
    assert stored["title"] == "Queen"
    assert stored["name"] == {"givenName": "Alice"}
    assert stored[ENTERPRISE] == {"costCenter": "7"}
    assert stored["active"] is False

    replaced = provision(user_task("replace", link=link_of(modified)))
    stored = only(target.users)
    assert replaced.outcome == "updated"
    assert "title" not in stored
    assert stored["active"] is True

    assert provision(user_task("delete", link=link_of(replaced))).outcome == "deleted"
    assert target.users == []
    assert provision(user_task("delete", link=link_of(replaced))).outcome == "already-gone"
    assert [call.split(" ")[0] for call in target.calls] == ["POST", "PATCH", "PUT", "DELETE", "DELETE"]


def test_an_unchanged_user_costs_no_request(target, provision):
    created = provision(user_task())
    assert provision(user_task("modify", link=link_of(created))).outcome == "unchanged"
    assert len(target.arrived) == 1


def test_an_existing_account_is_linked(target, provision):
    theirs = provision(user_task(entity_id="someone-else", attributes={"userName": "ALICE", "title": "Old"}))
    linked = provision(user_task())
    assert (linked.outcome, linked.identifier) == ("linked", theirs.identifier)
    stored = only(target.users)
    assert stored["externalId"] == "entity-alice"
    assert "title" not in stored


def test_an_existing_account_that_may_not_be_linked_is_left_alone(target, provision):
    provision(user_task(entity_id="someone-else"))
    before = target.users
    with pytest.raises(TargetConflict):
        provision(user_task(), on_conflict="fail")
    assert target.users == before


def test_a_create_that_took_effect_unnoticed_makes_no_second_account(target, provision):
    first = provision(user_task())
    again = provision(user_task(unfinished=unanswered(url=target.users_url)), on_conflict="fail")
    assert (again.outcome, again.identifier) == ("created", first.identifier)
    only(target.users)
    assert target.calls.count("POST /v2/Users") == 1


def test_an_account_that_vanished_is_created_again(target, provision):
    created = provision(user_task())
    provision(user_task("delete", link=link_of(created)))
    again = provision(user_task("replace", link=link_of(created)))
    assert again.outcome == "recreated"
    assert again.identifier == only(target.users)["id"] != created.identifier


def test_a_modify_of_an_unknown_state_keeps_what_others_set(target, provision):
    created = provision(user_task(attributes={**ALICE, "nickName": "Al", "title": "Old"}))
    task = user_task("modify", link=Link(created.identifier), patch=[{"op": "remove", "path": "title"}])
    assert provision(task).outcome == "updated"
    stored = only(target.users)
    assert stored["nickName"] == "Al"
    assert "title" not in stored


def test_a_name_full_of_markup_and_quotes_survives(target, provision):
    attributes = {"userName": 'x"\\ <b>&amp;\u202e ü 🎉', "displayName": "O'Hara; DROP", "title": "line\nbreak"}
    provision(user_task(attributes=attributes, entity_id="other"))
    linked = provision(user_task(attributes=attributes))
    assert linked.outcome == "linked"
    stored = only(target.users)
    assert {key: stored[key] for key in attributes} == attributes


def test_a_password_is_set_once_and_changed_when_given(target, provision):
    created = provision(user_task(password="first-Pass1"))
    provision(user_task("modify", attributes={**ALICE, "title": "x"}, link=link_of(created)))
    assert only(target.storage.resources).password == "first-Pass1"
    provision(user_task("modify", link=link_of(created), password="second-Pass2"))
    assert only(target.storage.resources).password == "second-Pass2"


def test_a_mapped_user_arrives_nested(target, provision):
    attributes = {
        "userName": "al",
        "name.familyName": "L",
        "emails.work": "a@example.com",
        f"{ENTERPRISE}:department": "x",
    }
    provision(user_task(attributes=attributes, mapped=True))
    stored = only(target.users)
    assert stored["name"] == {"familyName": "L"}
    assert stored["emails"] == [{"value": "a@example.com", "type": "work"}]
    assert stored[ENTERPRISE] == {"department": "x"}


def test_a_group_lives_from_create_to_delete(target, provision):
    alice = provision(user_task()).identifier
    bob = provision(user_task(entity_id="entity-bob", attributes=BOB)).identifier
    first, second = Member("entity-alice", alice, "alice"), Member("entity-bob", bob, "bob")

    created = provision(group_task(membership=Membership(current=(first,))))
    assert [one["value"] for one in only(target.groups)["members"]] == [alice]

    changed = Membership(current=(second,), added=(second,), removed=(first,))
    renamed = {"displayName": "builders"}
    modified = provision(group_task("modify", attributes=renamed, link=link_of(created), membership=changed))
    stored = only(target.groups)
    assert stored["displayName"] == "builders"
    assert [one["value"] for one in stored["members"]] == [bob]

    whole = Membership(current=(first, second))
    provision(group_task("replace", attributes=renamed, link=link_of(modified), membership=whole))
    assert {one["value"] for one in only(target.groups)["members"]} == {alice, bob}

    provision(group_task("replace", attributes=renamed, link=link_of(modified), membership=Membership()))
    assert not only(target.groups).get("members")

    assert provision(group_task("delete", link=link_of(modified))).outcome == "deleted"
    assert target.groups == []


def test_a_large_group_arrives_whole(target, provision):
    people = tuple(Member(f"entity-{number}", f"id-{number}", f"user{number}") for number in range(250))
    created = provision(group_task(membership=Membership(current=people)))
    assert {one["value"] for one in only(target.groups)["members"]} == {one.identifier for one in people}
    fewer = Membership(current=people[:101])
    provision(group_task("modify", link=link_of(created), membership=fewer))
    assert {one["value"] for one in only(target.groups)["members"]} == {one.identifier for one in people[:101]}


def test_an_existing_group_is_linked(target, provision):
    theirs = provision(group_task(entity_id="someone-else"))
    assert provision(group_task(unfinished=unanswered())).identifier == theirs.identifier
    assert only(target.groups)["externalId"] == "entity-engineers"


def test_wrong_credentials_are_told_and_nothing_is_stored(target, provision):
    target.token = "wrong"
    with pytest.raises(CredentialsRejected):
        provision(user_task())
    assert target.users == []


def test_a_target_in_trouble_is_told_by_what_to_do_next(target, provision):
    target.answer_with = [(503, {}), (429, {"Retry-After": "7"})]
    with pytest.raises(TargetUnavailable):
        provision(user_task())
    with pytest.raises(TargetThrottled) as caught:
        provision(user_task())
    assert caught.value.retry_after == 7.0
    assert target.users == []


def test_a_connection_test_finds_the_server_good_and_changes_nothing(target):
    with closing(Sender()) as sender:
        exchanges = Scim2().probe(settings(target.properties), {}, NOW)
        findings = run(exchanges, lambda request: sender.send(request, transport=LOOPBACK)).result
    assert all(finding.good for finding in findings)
    assert {one.method for one in target.arrived} == {"GET"}


def test_a_token_is_fetched_used_and_renewed_over_the_network(target):
    server = TokenServer(tokens=["stale", TOKEN])
    memory = {}
    with raw_server(server.serve) as login, closing(Sender()) as sender:
        oauth = {
            "scim2-authentication-mode": "clientCredentials",
            "scim2-token-endpoint": f"{login.url}/token",
            "scim2-client-id": server.client_id,
            "scim2-client-secret": server.client_secret,
        }
        at = settings(target.properties | oauth)

        def carry_out(task):
            driven = run(Scim2().provision(task, at), lambda request: sender.send(request, transport=LOOPBACK))
            memory.update({step.key: step.value for step in driven.remembered})
            return driven.result

        with pytest.raises(CredentialsRejected):
            carry_out(user_task())
        memory["oauth-token"] = {**stale_memory(at), "token": "stale"}
        created = carry_out(user_task(remembered=memory))
        carry_out(user_task("modify", attributes={**ALICE, "title": "x"}, link=link_of(created), remembered=memory))
    assert only(target.users)["title"] == "x"
    assert len(server.forms) == 2


def stale_memory(at):
    """What a connector remembers of a token of these settings."""
    driven = Driven()
    with pytest.raises(CredentialsRejected):
        run(Scim2().provision(user_task(), at), [reply(200, {"access_token": "x"}), reply(401)], driven)
    return driven.remembered[0].value


def test_a_change_by_somebody_else_is_noticed_by_its_version_and_put_right(target, provision):
    created = provision(user_task())
    changed = provision(user_task("modify", attributes={**ALICE, "title": "a"}, link=link_of(created)))
    assert target.arrived[-1].headers["if-match"] == created.etag
    somebody = {**ALICE, "title": "theirs", "nickName": "theirs", "active": False}
    provision(user_task("replace", attributes=somebody, link=link_of(changed)))
    again = provision(user_task("modify", attributes={**ALICE, "title": "b"}, link=link_of(changed)))
    assert [call.split(" ")[0] for call in target.calls[-3:]] == ["PATCH", "GET", "PATCH"]
    stored = only(target.users)
    assert again.outcome == "updated"
    assert (stored["title"], stored["active"], stored["nickName"]) == ("b", True, "theirs")


def test_versions_are_not_sent_where_the_profile_forbids_them(target, provision):
    target.more = {"scim2-profile-overrides": "[user]\netags = false"}
    created = provision(user_task())
    provision(user_task("modify", attributes={**ALICE, "title": "a"}, link=link_of(created)))
    assert "if-match" not in target.arrived[-1].headers


def test_a_user_is_deactivated_where_the_setting_says_so(target, provision):
    target.more = {"scim2-deprovisioning": "deactivate"}
    created = provision(user_task())
    gone = provision(user_task("delete", link=link_of(created)))
    assert (gone.outcome, gone.active, gone.delivered["active"]) == ("deactivated", False, False)
    assert only(target.users)["active"] is False
    back = provision(user_task("modify", link=Link(gone.identifier, gone.delivered, gone.etag, active=False)))
    assert (back.outcome, back.active) == ("updated", True)
    assert only(target.users)["active"] is True
