"""What the SCIM 2.0 connector asks of a target, given the target's answers; no network."""

import base64
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from connectors.claims import CORE_USER
from connectors.connector import Exchange, Link, Membership, Progress
from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.scim2 import Scim2
from connectors.scim_payload import wanted
from tests.support.driving import Driven, drive, listed, reply, run, scim_error
from tests.support.tasks import ALICE, ENTERPRISE, NOW, group_task, members, settings, unanswered, user_task

USERS, GROUPS = "https://target.test/scim/Users", "https://target.test/scim/Groups"
ACCESS = {"scim2-authentication-mode": "bearer", "scim2-access-token": "the-token"}
ENDPOINTS = {"scim2-user-ep": USERS, "scim2-group-ep": GROUPS}
TARGET = settings(ACCESS | ENDPOINTS)
FAIL = replace(TARGET, on_conflict="fail")
WANTED = wanted(user_task(), TARGET)
BY_EXTERNAL_ID = f"GET {USERS}?filter=externalId%20eq%20%22entity-alice%22"
# Targets need not refuse a second group of one name: it is looked for before it is made.
GROUP_LOOKUPS = [
    f"GET {GROUPS}?filter=externalId%20eq%20%22entity-engineers%22",
    f"GET {GROUPS}?filter=displayName%20eq%20%22engineers%22",
]
NO_SUCH_GROUP = (listed(), listed())
BY_NAME = f"GET {USERS}?filter=userName%20eq%20%22alice%22"


def provision(task, *replies, at=TARGET):
    return run(Scim2().provision(task, at), replies)


def failing(kind, task, *replies, at=TARGET):
    driven = Driven()
    with pytest.raises(kind) as caught:
        run(Scim2().provision(task, at), replies, driven)
    return caught.value, driven


def created(identifier="1", **more):
    return reply(201, {"id": identifier, **more})


# -- create -----------------------------------------------------------------------------------------------------------


def test_a_create_is_one_post_of_the_image():
    driven = provision(user_task(), created("u1", meta={"version": 'W/"1"'}))
    request = driven.requests[0]
    assert driven.calls == [f"POST {USERS}"]
    assert driven.body(0) == WANTED
    assert request.headers["Content-Type"] == "application/scim+json"
    assert request.headers["Accept"] == "application/scim+json, application/json"
    assert request.headers["Authorization"] == "Bearer the-token"
    assert not request.safe
    assert request.purpose == "create the user"
    assert driven.progress == [Progress(identifier="u1", delivered=WANTED, etag='W/"1"')]
    assert (driven.result.outcome, driven.result.identifier) == ("created", "u1")
    assert driven.result.delivered == WANTED
    assert driven.result.active


def test_nothing_but_a_delete_creates_what_has_no_link():
    for operation in ("replace", "modify"):
        driven = provision(user_task(operation), created())
        assert driven.calls == [f"POST {USERS}"]
        assert driven.result.outcome == "created"


def test_a_disabled_user_is_created_disabled():
    driven = provision(user_task(attributes={**ALICE, "active": False}), created())
    assert driven.body(0)["active"] is False
    assert not driven.result.active


@pytest.mark.parametrize(
    ("answer", "identifier"),
    [
        (reply(201, {"id": "abc"}), "abc"),
        (reply(200, {"id": 42}), "42"),
        (reply(201, {"id": "a/b c"}, location="https://elsewhere/Users/x"), "a/b c"),
        (reply(201, location=f"{USERS}/abc"), "abc"),
        (reply(201, location="/scim/Users/a%20b"), "a b"),
        (reply(201, location="Users/7"), "7"),
        (reply(204, location=f"{USERS}/abc/"), "abc"),
        (reply(201, "not json", location=f"{USERS}/abc"), "abc"),
        (reply(201, ["a list"], location=f"{USERS}/abc"), "abc"),
        (reply(201, {"userName": "alice"}, content_type="application/json", location=f"{USERS}/abc"), "abc"),
    ],
)
def test_the_identifier_is_read_from_whatever_shape_an_answer_has(answer, identifier):
    assert provision(user_task(), answer).result.identifier == identifier


@pytest.mark.parametrize(
    "answer",
    [
        reply(201),
        reply(201, {}),
        reply(201, {"id": ""}),
        reply(201, {"id": ".."}),
        reply(201, {"id": True}),
        reply(201, location=USERS),
        reply(201, location=f"{USERS}/.."),
        reply(201, location="https://target.test/somewhere/else"),
    ],
)
def test_an_answer_without_identifier_makes_it_look_for_one(answer):
    driven = provision(user_task(), answer, listed({"id": "u9", "externalId": "entity-alice"}))
    assert driven.calls == [f"POST {USERS}", BY_EXTERNAL_ID]
    assert driven.result.identifier == "u9"
    assert driven.progress[0].identifier == "u9"


def test_a_confirmation_without_identifier_of_what_is_not_there_is_no_success():
    error, _ = failing(TargetRefused, user_task(), reply(200), listed(), listed())
    assert "without an identifier" in error.message


def test_a_web_page_is_no_confirmation():
    error, _ = failing(TargetRefused, user_task(), reply(200, "<html>sign in</html>", content_type="text/html"))
    assert error.message == "create the user: the target answered 200 OK with a web page: is the URL right?"


# -- passwords --------------------------------------------------------------------------------------------------------

DEFAULT = settings(ACCESS | ENDPOINTS | {"scim2-default-pwd": "the-default"})
NO_PASSWORDS = settings(dict(DEFAULT.properties) | {"scim2-enable-pwd-provisioning": "false"})


@pytest.mark.parametrize(
    ("at", "given", "sent"),
    [
        (TARGET, None, None),
        (TARGET, "given-one", "given-one"),
        (DEFAULT, None, "the-default"),
        (DEFAULT, "given-one", "given-one"),
        (NO_PASSWORDS, "given-one", None),
        (NO_PASSWORDS, None, None),
    ],
)
def test_a_new_account_gets_the_given_password_else_the_default_one(at, given, sent):
    driven = provision(user_task(password=given), created(), at=at)
    assert driven.body(0).get("password") == sent
    assert "password" not in driven.result.delivered
    assert "password" not in driven.progress[0].delivered
    assert (sent is None) or sent in driven.requests[0].secrets


@pytest.mark.parametrize("operation", ["replace", "modify"])
def test_an_update_never_carries_a_password_that_was_not_given(operation):
    driven = provision(user_task(operation, link=Link("u1", {**WANTED, "title": "x"})), reply(200, {}), at=DEFAULT)
    assert b"password" not in driven.requests[0].body


def test_a_given_password_is_sent_with_an_update():
    link = Link("u1", WANTED)
    patched = provision(user_task("modify", link=link, password="new-one"), reply(204))
    assert patched.body(0)["Operations"] == [{"op": "replace", "path": "password", "value": "new-one"}]
    assert "new-one" in patched.requests[0].secrets
    put = provision(user_task("replace", link=link, password="new-one"), reply(200))
    assert put.body(0)["password"] == "new-one"
    assert "new-one" in put.requests[0].secrets
    assert "password" not in put.result.delivered


def test_what_a_target_echoes_of_a_secret_is_not_in_the_error():
    said = "password the-password is too weak for the-token"
    error, _ = failing(TargetRefused, user_task(password="the-password"), scim_error(400, said, "invalidValue"))
    assert error.detail == "password ******** is too weak for ******** (invalidValue)"
    assert "the-password" not in error.message


# -- what exists already ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "conflict", [scim_error(409, "exists", "uniqueness"), reply(409), scim_error(400, "", "uniqueness")]
)
def test_an_account_that_exists_is_linked_and_brought_to_the_wanted_state(conflict):
    driven = provision(
        user_task(), conflict, listed(), listed({"id": "u7", "userName": "Alice"}), reply(200, {"id": "u7"}, etag='"5"')
    )
    assert driven.calls == [f"POST {USERS}", BY_EXTERNAL_ID, BY_NAME, f"PUT {USERS}/u7"]
    assert driven.body(3) == WANTED
    assert [one.safe for one in driven.requests] == [False, True, True, False]
    assert driven.progress == [Progress(identifier="u7", delivered={})]
    result = driven.result
    assert (result.outcome, result.identifier, result.delivered, result.etag) == ("linked", "u7", WANTED, '"5"')


def test_an_account_that_may_not_be_linked_is_a_conflict():
    error, driven = failing(
        TargetConflict, user_task(), reply(409), listed(), listed({"id": "u7", "userName": "alice"}), at=FAIL
    )
    assert error.message == "the user `alice` exists at the target and may not be linked"
    assert driven.progress == []


def test_an_account_with_our_external_id_is_ours_even_when_linking_is_forbidden():
    found = listed({"id": "u7", "userName": "renamed", "externalId": "entity-alice"})
    driven = provision(user_task(), reply(409), found, reply(200), at=FAIL)
    assert driven.result.outcome == "linked"


def test_two_accounts_of_one_name_are_not_chosen_between():
    two = listed({"id": "1", "userName": "alice"}, {"id": "2", "userName": "ALICE"})
    error, _ = failing(TargetConflict, user_task(), reply(409), listed(), two)
    assert error.message == "look up by userName: 2 resources at the target have the userName `alice`"


def test_a_conflict_with_what_cannot_be_found_is_told():
    error, _ = failing(TargetConflict, user_task(), scim_error(409, "in the bin"), listed(), listed())
    assert error.message == "create the user: the target says that it exists, but finds none named `alice`"
    assert error.detail == "in the bin"


def test_a_target_that_ignores_filters_does_not_link_a_stranger():
    everyone = listed({"id": "1", "userName": "bob", "externalId": "x"}, {"id": "2", "userName": "carol"})
    error, driven = failing(TargetConflict, user_task(), reply(409), everyone, everyone)
    assert driven.progress == []
    assert "finds none" in error.message


def test_a_target_that_ignores_filters_finds_the_right_one():
    everyone = listed({"id": "1", "userName": "bob"}, {"id": "2", "userName": "alice"})
    driven = provision(user_task(), reply(409), everyone, everyone, reply(200))
    assert driven.result.identifier == "2"


@pytest.mark.parametrize("refusal", [scim_error(400, "no", "invalidFilter"), reply(403), reply(404), reply(501)])
def test_a_filter_that_the_target_does_not_know_leaves_the_other(refusal):
    driven = provision(user_task(), reply(409), refusal, listed({"id": 7, "userName": "alice"}), reply(200))
    assert driven.result.identifier == "7"


def test_a_list_too_long_to_read_is_no_proof_of_absence():
    cut = replace(listed(), truncated=True)
    failing(TargetUnavailable, user_task(), reply(409), cut)


def test_quotes_in_a_name_do_not_end_the_filter():
    name = 'a" or userName pr or x eq "\\b&ü'
    driven = provision(
        user_task(attributes={"userName": name}),
        reply(409),
        listed(),
        listed({"id": "1", "userName": name}),
        reply(200),
    )
    assert driven.requests[2].url == (
        f"{USERS}?filter=userName%20eq%20%22a%5C%22%20or%20userName%20pr%20or%20x%20eq%20%5C%22%5C%5Cb%26%C3%BC%22"
    )


def test_an_endpoint_with_a_query_keeps_it():
    at = settings(ACCESS | {"scim2-user-ep": f"{USERS}?tenant=1"})
    driven = provision(user_task(), reply(409), listed({"id": "a b", "externalId": "entity-alice"}), reply(200), at=at)
    assert driven.calls[1].startswith(f"GET {USERS}?tenant=1&filter=")
    assert driven.calls[2] == f"PUT {USERS}/a%20b?tenant=1"


# -- earlier attempts without an answer -------------------------------------------------------------------------------


def test_after_an_ambiguous_create_it_looks_before_it_posts():
    task = user_task(unfinished=unanswered())
    driven = provision(task, listed(), listed(), created("u1"))
    assert driven.calls == [BY_EXTERNAL_ID, BY_NAME, f"POST {USERS}"]
    assert driven.result.outcome == "created"


def test_what_an_ambiguous_create_made_is_found_and_not_made_again():
    task = user_task(unfinished=unanswered())
    driven = provision(task, listed({"id": "u1", "externalId": "entity-alice"}), reply(200), at=FAIL)
    assert driven.calls == [BY_EXTERNAL_ID, f"PUT {USERS}/u1"]
    assert driven.result.outcome == "created"


def test_a_throttled_create_is_not_ambiguous():
    task = user_task(unfinished=(Exchange("POST", USERS, safe=False, status=429),))
    assert provision(task, created()).calls == [f"POST {USERS}"]


def test_after_a_create_whose_progress_was_kept_nothing_is_sent_again():
    task = user_task(link=Link("u1", WANTED), unfinished=(Exchange("POST", USERS, safe=False, status=201),))
    driven = provision(task)
    assert (driven.result.outcome, driven.result.identifier) == ("created", "u1")


def test_after_a_link_whose_update_was_lost_the_update_is_computed_from_a_read():
    task = user_task(link=Link("u1", {}))
    driven = provision(task, reply(200, {"id": "u1", **WANTED, "title": "theirs", "nickName": "x"}))
    assert driven.calls == [f"GET {USERS}/u1"]
    assert driven.result.outcome == "unchanged"


# -- update -----------------------------------------------------------------------------------------------------------


def test_a_replace_puts_the_whole_image_to_the_stored_identifier():
    driven = provision(user_task("replace", link=Link("u/1", WANTED)), reply(204))
    assert driven.calls == [f"PUT {USERS}/u%2F1"]
    assert driven.body(0) == WANTED
    assert driven.result.outcome == "updated"


def test_a_modify_patches_the_difference_to_what_was_delivered():
    before = {**WANTED, "title": "Boss", "name": {"givenName": "Al"}}
    driven = provision(user_task("modify", link=Link("u1", before)), reply(200, {"id": "u1"}, etag='"2"'))
    assert driven.calls == [f"PATCH {USERS}/u1"]
    assert driven.body(0) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "replace", "path": "name.givenName", "value": "Alice"},
            {"op": "add", "path": "name.familyName", "value": "Liddell"},
            {"op": "remove", "path": "title"},
        ],
    }
    assert (driven.result.outcome, driven.result.delivered, driven.result.etag) == ("updated", WANTED, '"2"')


def test_a_modify_without_difference_sends_nothing():
    driven = provision(user_task("modify", link=Link("u1", WANTED, etag='"3"')))
    assert driven.requests == []
    assert (driven.result.outcome, driven.result.identifier, driven.result.etag) == ("unchanged", "u1", '"3"')


def test_a_modify_of_an_unknown_state_reads_it_and_leaves_what_others_set():
    there = {"id": "u1", "userName": "alice", "title": "Boss", "nickName": "Al", ENTERPRISE: {"costCenter": "1"}}
    patch = [{"op": "remove", "path": "title"}]
    driven = provision(user_task("modify", link=Link("u1"), patch=patch), reply(200, there), reply(204))
    assert driven.calls == [f"GET {USERS}/u1", f"PATCH {USERS}/u1"]
    operations = {one["path"]: one["op"] for one in driven.body(1)["Operations"]}
    assert operations == {
        "name": "add",
        "emails": "add",
        "active": "add",
        f"{ENTERPRISE}:department": "add",
        "externalId": "add",
        "title": "remove",
    }


def test_a_modify_after_an_ambiguous_one_is_computed_from_a_read():
    task = user_task("modify", link=Link("u1", WANTED), unfinished=unanswered("PATCH"))
    driven = provision(task, reply(200, {**WANTED, "title": "kept", "active": "True"}), reply(204))
    assert driven.calls == [f"GET {USERS}/u1", f"PATCH {USERS}/u1"]
    assert driven.body(1)["Operations"] == [{"op": "replace", "path": "active", "value": True}]


def test_a_modify_of_what_cannot_be_read_writes_everything():
    driven = provision(user_task("modify", link=Link("u1")), reply(403), reply(204))
    assert {one["op"] for one in driven.body(1)["Operations"]} == {"replace"}
    assert {one["path"] for one in driven.body(1)["Operations"]} >= {"userName", "name", "emails", "externalId"}


@pytest.mark.parametrize("status", [405, 501])
def test_a_target_without_patch_gets_a_put(status):
    driven = provision(user_task("modify", link=Link("u1", {**WANTED, "title": "x"})), reply(status), reply(204))
    assert driven.calls == [f"PATCH {USERS}/u1", f"PUT {USERS}/u1"]
    assert driven.result.outcome == "updated"


def test_a_target_without_put_gets_a_patch():
    before = {**WANTED, "title": "x"}
    driven = provision(user_task("replace", link=Link("u1", before)), reply(405), reply(204))
    assert driven.calls == [f"PUT {USERS}/u1", f"PATCH {USERS}/u1"]


def test_a_target_without_either_refuses():
    task = user_task("modify", link=Link("u1", {**WANTED, "title": "x"}))
    error, _ = failing(TargetRefused, task, reply(405), reply(405))
    assert error.status == 405


@pytest.mark.parametrize("operation", ["replace", "modify"])
@pytest.mark.parametrize("status", [404, 410])
def test_what_has_vanished_is_created_again(operation, status):
    task = user_task(operation, link=Link("u1", {**WANTED, "title": "x"}))
    driven = provision(task, reply(status), created("u2"))
    assert driven.calls[-1] == f"POST {USERS}"
    assert (driven.result.outcome, driven.result.identifier) == ("recreated", "u2")
    assert driven.progress[0].identifier == "u2"


def test_what_has_vanished_and_came_back_under_another_id_is_linked():
    driven = provision(
        user_task("replace", link=Link("u1", WANTED)),
        reply(404),
        reply(409),
        listed({"id": "u2", "externalId": "entity-alice"}),
        reply(200),
    )
    assert (driven.result.outcome, driven.result.identifier) == ("linked", "u2")


def test_an_endpoint_that_is_wrong_is_refused_in_the_end():
    error, _ = failing(TargetRefused, user_task("replace", link=Link("u1")), reply(404), reply(404))
    assert error.status == 404


def test_a_name_taken_by_another_is_a_conflict():
    task = user_task("replace", link=Link("u1", WANTED))
    error, _ = failing(TargetConflict, task, scim_error(409, "taken", "uniqueness"))
    assert error.message == "replace the user: the target answered 409 Conflict: taken (uniqueness)"


# -- delete -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(204, "deleted"), (200, "deleted"), (202, "deleted"), (404, "already-gone"), (410, "already-gone")],
)
def test_a_delete_ends_with_the_account_gone(status, outcome):
    driven = provision(user_task("delete", link=Link("u1", WANTED)), reply(status))
    assert driven.calls == [f"DELETE {USERS}/u1"]
    assert (driven.result.outcome, driven.result.identifier, driven.result.active) == (outcome, "u1", False)


def test_a_delete_without_a_link_sends_nothing():
    assert provision(user_task("delete")).result.outcome == "already-gone"


def test_a_delete_after_an_ambiguous_create_removes_what_it_made():
    task = user_task("delete", unfinished=unanswered())
    driven = provision(task, listed({"id": "u1", "externalId": "entity-alice"}), reply(204))
    assert driven.calls == [BY_EXTERNAL_ID, f"DELETE {USERS}/u1"]
    assert driven.result.outcome == "deleted"


def test_a_delete_after_an_ambiguous_create_leaves_a_stranger_of_the_same_name():
    task = user_task("delete", unfinished=unanswered())
    driven = provision(task, listed(), listed({"id": "u1", "userName": "alice", "externalId": "other"}))
    assert len(driven.requests) == 2
    assert driven.result.outcome == "already-gone"
    assert "left alone" in driven.result.warnings[0]


def test_a_delete_that_is_refused_is_told():
    error, _ = failing(TargetRefused, user_task("delete", link=Link("u1")), scim_error(403, "protected"))
    assert error.message == "delete the user: the target answered 403 Forbidden: protected"


# -- groups -----------------------------------------------------------------------------------------------------------

GROUP = wanted(group_task(), TARGET)


def member(number):
    return {"value": f"m{number}", "type": "User", "display": f"user{number}"}


def test_a_group_is_created_with_its_members():
    driven = provision(group_task(membership=Membership(current=members(1, 2))), *NO_SUCH_GROUP, created("g1"))
    assert driven.calls == [*GROUP_LOOKUPS, f"POST {GROUPS}"]
    assert driven.body(2) == {**GROUP, "members": [member(1), member(2)]}
    assert driven.result.delivered == GROUP


def test_a_large_group_is_created_in_batches():
    driven = provision(
        group_task(membership=Membership(current=members(*range(250)))),
        *NO_SUCH_GROUP,
        created("g1"),
        reply(204),
        reply(204),
    )
    assert driven.calls == [*GROUP_LOOKUPS, f"POST {GROUPS}", f"PATCH {GROUPS}/g1", f"PATCH {GROUPS}/g1"]
    assert len(driven.body(2)["members"]) == 100
    assert [len(driven.body(index)["Operations"][0]["value"]) for index in (3, 4)] == [100, 50]
    assert driven.progress == [Progress(identifier="g1", delivered=GROUP)]


def test_a_group_that_vanishes_while_it_is_filled_is_tried_again_later():
    task = group_task(membership=Membership(current=members(*range(150))))
    failing(TargetUnavailable, task, *NO_SUCH_GROUP, created("g1"), reply(404), reply(404))
    failing(TargetUnavailable, task, *NO_SUCH_GROUP, created("g1"), reply(405), reply(404))


def test_changes_of_membership_are_sent_as_changes():
    membership = Membership(current=members(1, 2, 3), added=members(3), removed=members(4, 5))
    driven = provision(group_task("modify", link=Link("g1", GROUP), membership=membership), reply(204))
    assert driven.calls == [f"PATCH {GROUPS}/g1"]
    assert driven.body(0)["Operations"] == [
        {"op": "remove", "path": 'members[value eq "m4"]'},
        {"op": "remove", "path": 'members[value eq "m5"]'},
        {"op": "add", "path": "members", "value": [member(3)]},
    ]
    assert driven.result.outcome == "updated"


def test_a_rename_and_a_change_of_membership_go_apart():
    task = group_task(
        "modify",
        attributes={"displayName": "builders"},
        link=Link("g1", GROUP),
        membership=Membership(current=members(1), added=members(1), removed=()),
    )
    driven = provision(task, reply(204), reply(204))
    assert driven.body(0)["Operations"] == [{"op": "replace", "path": "displayName", "value": "builders"}]
    assert driven.body(1)["Operations"] == [{"op": "add", "path": "members", "value": [member(1)]}]


def test_a_group_that_has_not_changed_costs_nothing():
    membership = Membership(current=members(1), added=(), removed=())
    driven = provision(group_task("replace", link=Link("g1", GROUP), membership=membership))
    assert driven.requests == []
    assert driven.result.outcome == "unchanged"


@pytest.mark.parametrize(
    ("added", "removed", "sizes"),
    [
        (250, 0, [100, 100, 50]),
        (0, 250, [100, 100, 50]),
        (100, 1, [100, 1]),
        (30, 30, [60]),
        (5, 100, [100, 5]),
        (200, 120, [100, 100, 100, 20]),
    ],
)
def test_membership_changes_stay_within_the_limit(added, removed, sizes):
    membership = Membership(added=members(*range(added)), removed=members(*range(1000, 1000 + removed)))
    task = group_task("modify", link=Link("g1", GROUP), membership=membership)
    driven = run(Scim2().provision(task, TARGET), lambda request: reply(204))
    counts, gone, there = [], set(), set()
    for index in range(len(driven.requests)):
        operations = driven.body(index)["Operations"]
        removals = [one["path"] for one in operations if one["op"] == "remove"]
        additions = [one["value"] for operation in operations if operation["op"] == "add" for one in operation["value"]]
        counts.append(len(removals) + len(additions))
        gone.update(removals)
        there.update(additions)
    assert counts == sizes
    assert (len(gone), len(there)) == (removed, added)


def test_an_unknown_membership_is_put_whole():
    task = group_task("modify", link=Link("g1", GROUP), membership=Membership(current=members(1)))
    driven = provision(task, reply(200))
    assert driven.calls == [f"PUT {GROUPS}/g1"]
    assert driven.body(0) == {**GROUP, "members": [member(1)]}


def test_an_unknown_membership_of_a_large_group_is_read_and_compared():
    task = group_task("replace", link=Link("g1", GROUP), membership=Membership(current=members(*range(101))))
    there = {"id": "g1", "members": [{"value": f"m{number}"} for number in range(1, 101)] + [{"value": "stranger"}]}
    driven = provision(task, reply(200, there), reply(204))
    assert driven.calls == [f"GET {GROUPS}/g1", f"PATCH {GROUPS}/g1"]
    assert driven.body(1)["Operations"] == [
        {"op": "remove", "path": 'members[value eq "stranger"]'},
        {"op": "add", "path": "members", "value": [member(0)]},
    ]


def test_a_put_of_an_emptied_group_says_that_it_is_empty():
    driven = provision(group_task("modify", link=Link("g1", GROUP), membership=Membership()), reply(200))
    assert driven.body(0)["members"] == []


def test_a_group_without_known_members_never_loses_them():
    task = group_task("replace", attributes={"displayName": "x"}, link=Link("g1", GROUP), membership=None)
    driven = provision(task, reply(204))
    assert driven.calls == [f"PATCH {GROUPS}/g1"]
    assert [one["path"] for one in driven.body(0)["Operations"]] == ["displayName"]


def test_a_put_of_a_group_without_known_members_keeps_those_it_has():
    task = group_task("replace", attributes={"displayName": "x"}, link=Link("g1", GROUP), membership=None)
    driven = provision(task, reply(405), reply(200, {"id": "g1", "members": [{"value": "theirs"}]}), reply(200))
    assert driven.calls == [f"PATCH {GROUPS}/g1", f"GET {GROUPS}/g1", f"PUT {GROUPS}/g1"]
    assert driven.body(2)["members"] == [{"value": "theirs"}]


def test_a_linked_group_gets_its_members_whole():
    membership = Membership(current=members(1))
    driven = provision(
        group_task(membership=membership),
        listed(),
        listed({"id": "g1", "displayName": "Engineers"}),
        reply(204),
    )
    assert driven.calls == [*GROUP_LOOKUPS, f"PUT {GROUPS}/g1"]
    assert driven.body(2)["members"] == [member(1)]
    assert driven.result.outcome == "linked"


def test_a_vanished_group_is_created_again_with_all_its_members():
    membership = Membership(current=members(1, 2), added=members(2), removed=())
    task = group_task("modify", link=Link("g1", GROUP), membership=membership)
    driven = provision(task, reply(404), reply(404), *NO_SUCH_GROUP, created("g2"))
    assert driven.calls == [f"PATCH {GROUPS}/g1", f"GET {GROUPS}/g1", *GROUP_LOOKUPS, f"POST {GROUPS}"]
    assert driven.body(4)["members"] == [member(1), member(2)]
    assert driven.result.outcome == "recreated"


def test_one_bad_member_does_not_cost_the_others_their_membership():
    accepted = set()

    def target(request):
        values = [one for one in ("m1", "m2", "m3", "m4", "m5") if f'"{one}"'.encode() in request.body]
        if "m4" in values:
            return scim_error(400, "m4 is unknown", "invalidValue")
        accepted.update(values)
        return reply(204)

    task = group_task("modify", link=Link("g1", GROUP), membership=Membership(added=members(1, 2, 3, 4, 5), removed=()))
    driven = Driven()
    with pytest.raises(TargetRefused) as caught:
        run(Scim2().provision(task, TARGET), target, driven)
    assert accepted == {"m1", "m2", "m3", "m5"}
    assert "1 of 5 were not accepted: `user4`: m4 is unknown" in caught.value.message


def test_a_member_that_is_gone_already_is_removed():
    membership = Membership(added=(), removed=members(1))
    task = group_task("modify", link=Link("g1", GROUP), membership=membership)
    assert provision(task, scim_error(400, "", "noTarget")).result.outcome == "updated"
    assert provision(task, reply(404), reply(200, {"id": "g1"})).result.outcome == "updated"


def test_a_target_that_takes_no_member_at_all_is_not_asked_for_each():
    task = group_task("modify", link=Link("g1", GROUP), membership=Membership(added=members(*range(100)), removed=()))
    driven = Driven()
    with pytest.raises(TargetRefused):
        run(Scim2().provision(task, TARGET), lambda request: scim_error(400, "what?", "invalidSyntax"), driven)
    assert len(driven.requests) < 25


def test_a_group_target_without_patch_gets_a_put():
    membership = Membership(current=members(1), added=members(1), removed=())
    driven = provision(group_task("modify", link=Link("g1", GROUP), membership=membership), reply(405), reply(200))
    assert driven.calls == [f"PATCH {GROUPS}/g1", f"PUT {GROUPS}/g1"]
    assert driven.body(1)["members"] == [member(1)]


def test_a_large_group_at_a_target_without_patch_is_put_whole():
    task = group_task(membership=Membership(current=members(*range(150))))
    driven = provision(task, *NO_SUCH_GROUP, created("g1"), reply(405), reply(200, {}), reply(405), reply(200))
    assert driven.calls[-1] == f"PUT {GROUPS}/g1"
    assert len(driven.body(-1)["members"]) == 150
    assert driven.result.outcome == "created"


def test_a_nested_group_is_a_member_of_type_group():
    nested = replace(members(1)[0], type="group")
    driven = provision(group_task(membership=Membership(current=(nested,))), *NO_SUCH_GROUP, created())
    assert driven.body(2)["members"][0]["type"] == "Group"


def test_a_group_needs_an_endpoint():
    error, _ = failing(Misconfigured, group_task(), at=settings(ACCESS | {"scim2-user-ep": USERS}))
    assert error.setting == "scim2-group-ep"


def test_a_group_is_deleted():
    assert provision(group_task("delete", link=Link("g1")), reply(204)).calls == [f"DELETE {GROUPS}/g1"]


# -- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, TargetRefused),
        (403, TargetRefused),
        (404, TargetRefused),
        (405, TargetRefused),
        (408, TargetUnavailable),
        (412, TargetRefused),
        (413, TargetRefused),
        (422, TargetRefused),
        (425, TargetUnavailable),
        (429, TargetThrottled),
        (401, CredentialsRejected),
        (500, TargetUnavailable),
        (501, TargetRefused),
        (502, TargetUnavailable),
        (503, TargetUnavailable),
        (504, TargetUnavailable),
        (302, Misconfigured),
    ],
)
def test_a_status_says_what_to_do_next(status, kind):
    error, _ = failing(kind, user_task(), reply(status, location="https://elsewhere.test/"))
    assert type(error) is kind
    assert str(status) in error.message


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30.0), (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0)],
)
def test_patience_is_read_in_seconds_and_as_a_date(status, value, seconds):
    error, _ = failing(TargetThrottled, user_task(), reply(status, retry_after=value))
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (scim_error(400, "no userName", "invalidValue"), "no userName (invalidValue)"),
        (scim_error(400, "", "tooMany"), "tooMany"),
        (reply(400, {"Errors": [{"description": "old style", "code": "400"}]}), "old style"),
        (reply(400, "  plain\n text ", content_type="text/plain"), "plain text"),
        (reply(400, "<html>long page</html>", content_type="text/html"), None),
        (reply(400), None),
        (reply(400, {"detail": {"odd": 1}}), "{'odd': 1}"),
    ],
)
def test_the_targets_own_words_are_kept(answer, detail):
    error, _ = failing(TargetRefused, user_task(), answer)
    assert error.detail == detail


# -- access -----------------------------------------------------------------------------------------------------------


def headers_with(properties):
    driven = provision(user_task(), created(), at=settings(properties | ENDPOINTS))
    return driven.requests[0].headers, driven.requests[0].secrets


def test_basic_authentication_may_hold_any_letters():
    headers, secrets = headers_with(
        {"scim2-authentication-mode": "basic", "scim2-username": "jürgen", "scim2-password": "pä:ss"}
    )
    pair = headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(pair).decode() == "jürgen:pä:ss"
    assert {"pä:ss", pair} <= set(secrets)


def test_an_api_key_goes_into_its_header():
    headers, secrets = headers_with(
        {"scim2-authentication-mode": "apiKey", "scim2-api-key-header": "X-Key", "scim2-api-key-value": "k1"}
    )
    assert headers["X-Key"] == "k1"
    assert "Authorization" not in headers
    assert "k1" in secrets


@pytest.mark.parametrize(
    ("properties", "scheme"),
    [
        ({"scim2-username": "u", "scim2-password": "p"}, "Basic"),
        ({"scim2-access-token": "t"}, "Bearer"),
        ({"scim2-authentication-mode": "BASIC", "scim2-username": "u", "scim2-password": "p"}, "Basic"),
        ({"scim2-authentication-mode": "Bearer", "scim2-access-token": "t"}, "Bearer"),
    ],
)
def test_the_mode_is_read_liberally(properties, scheme):
    assert headers_with(properties)[0]["Authorization"].startswith(f"{scheme} ")


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        ({}, "scim2-username"),
        ({"scim2-authentication-mode": "basic", "scim2-username": "u"}, "scim2-password"),
        ({"scim2-username": "a:b", "scim2-password": "p"}, "scim2-username"),
        ({"scim2-authentication-mode": "bearer"}, "scim2-access-token"),
        ({"scim2-authentication-mode": "bearer", "scim2-access-token": "a\nb"}, "scim2-access-token"),
        ({"scim2-authentication-mode": "apiKey", "scim2-api-key-value": "k"}, "scim2-api-key-header"),
        (
            {"scim2-authentication-mode": "apiKey", "scim2-api-key-value": "k", "scim2-api-key-header": "a b"},
            "scim2-api-key-header",
        ),
        ({"scim2-authentication-mode": "magic"}, "scim2-authentication-mode"),
        (ACCESS | {"scim2-user-ep": ""}, "scim2-user-ep"),
        (ACCESS | {"scim2-user-ep": "ftp://x/Users"}, "scim2-user-ep"),
        (ACCESS | {"scim2-group-ep": "http://u:p@x/Groups"}, "scim2-group-ep"),
        (ACCESS | {"scim2-enable-pwd-provisioning": "perhaps"}, "scim2-enable-pwd-provisioning"),
    ],
)
def test_settings_that_cannot_work_are_named(properties, key):
    problems = Scim2().problems(settings(ENDPOINTS | properties))
    assert key in [name for name, _ in problems]


def test_settings_that_can_work_have_no_problems():
    assert Scim2().problems(TARGET) == []


def test_an_unknown_profile_is_a_problem_and_no_guess():
    at = replace(TARGET, profile="nowhere")
    assert "unknown target profile `nowhere`" in Scim2().problems(at)[0][1]
    failing(Misconfigured, user_task(), at=at)


def test_settings_that_are_missing_stop_a_task_before_anything_is_sent():
    error, driven = failing(Misconfigured, user_task(), at=settings(ENDPOINTS))
    assert error.setting == "scim2-username"
    assert driven.requests == []


def test_every_secret_setting_is_confidential():
    secret = {known.key for known in Scim2().properties if known.confidential}
    assert secret == {
        "scim2-password",
        "scim2-access-token",
        "scim2-api-key-value",
        "scim2-client-secret",
        "scim2-private-key",
        "scim2-client-certificate",
        "scim2-default-pwd",
    }
    assert [known.display_order for known in Scim2().properties] == sorted(
        known.display_order for known in Scim2().properties
    )


# -- connection test --------------------------------------------------------------------------------------------------


SILENT = (reply(404), reply(404))


def probed(*replies, at=TARGET):
    requests, findings = drive(Scim2().probe(at, {}, NOW), replies)
    assert all(request.safe and request.method == "GET" for request in requests)
    return requests, findings


def test_a_connection_test_reads_the_configuration_and_one_of_each():
    requests, findings = probed(
        reply(200, {"patch": {"supported": True}, "bulk": {"supported": False}}), *SILENT, listed(), listed()
    )
    assert [request.url for request in requests] == [
        "https://target.test/scim/ServiceProviderConfig",
        "https://target.test/scim/ResourceTypes",
        "https://target.test/scim/Schemas",
        f"{USERS}?startIndex=1&count=1",
        f"{GROUPS}?startIndex=1&count=1",
    ]
    assert [finding.good for finding in findings] == [True, True, True]
    assert findings[0].message == "read the configuration: supports patch"
    assert "the credentials are accepted" in findings[1].message


def test_a_connection_test_says_what_the_target_asks_for():
    types = listed({"name": "User", "schema": CORE_USER, "schemaExtensions": []}, {"name": "Group"})
    emails = {"name": "emails", "required": True, "subAttributes": [{"name": "value", "required": True}]}
    ids = {"name": "id", "required": True, "mutability": "readOnly"}
    schemas = listed({"id": CORE_USER, "attributes": [{"name": "userName", "required": True}, emails, ids, 7]}, {})
    _, findings = probed(reply(200, {}), types, schemas, listed(), listed())
    assert [finding.message for finding in findings[1:4]] == [
        "read the resource types: `User`, `Group`",
        "read the resource types: users have no enterprise extension",
        "read the schemas: a user must have emails, emails.value, userName",
    ]


def test_a_connection_test_remembers_what_the_target_can_do():
    answers = [reply(200, {"patch": {"supported": "False"}, "etag": {"supported": True}}), *SILENT, listed(), listed()]
    remembered = run(Scim2().probe(TARGET, {}, NOW), answers).remembered
    assert [(step.key, step.value, step.ttl) for step in remembered] == [
        ("scim2-discovery", {"patch": False, "etag": True}, timedelta(hours=24))
    ]


def test_a_connection_test_says_that_the_credentials_are_rejected():
    _, findings = probed(reply(200, {}), *SILENT, reply(401), reply(401))
    assert [finding.good for finding in findings] == [True, False, False]
    assert "401" in findings[1].message


def test_a_target_without_configuration_may_still_be_good():
    _, findings = probed(reply(404), *SILENT, listed(), listed())
    assert all(finding.good for finding in findings)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {"schemas": ["urn:scim:schemas:core:1.0"]}),
        reply(200, {"schemas": [], "Resources": [{"schemas": ["urn:scim:schemas:core:1.0"]}]}),
    ],
)
def test_a_scim_1_server_is_noticed(answer):
    _, findings = probed(answer, *SILENT, listed(), listed())
    assert not findings[0].good
    assert "use the connector `scim`" in findings[0].message


def test_an_endpoint_that_is_no_scim_list_is_told():
    _, findings = probed(
        reply(404), *SILENT, reply(200, {"hello": "world"}), reply(200, "<html>", content_type="text/html")
    )
    assert [finding.good for finding in findings] == [True, False, False]
