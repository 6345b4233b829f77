"""A refusal at a later call of a task is as clear as one at the first."""

import json
from dataclasses import replace

import pytest

from connectors.connector import Link, Member, Membership
from connectors.errors import TargetConflict, TargetRefused, TargetUnavailable
from connectors.salesforce import Salesforce
from tests.support import google_tasks, salesforce_tasks
from tests.support.driving import run
from tests.support.google_target import GoogleTarget, google_error
from tests.support.google_tasks import google_settings, linked
from tests.support.salesforce_target import SalesforceTarget, salesforce_error
from tests.support.salesforce_tasks import salesforce_settings
from tests.support.tasks import ALICE, NOW, group_task, unanswered, user_task

ANN = Member("entity-ann", "ann", "ann")
WITH_ANN = Membership(current=(ANN,), added=(ANN,), removed=())
WITHOUT_ANN = Membership(current=(), added=(), removed=(ANN,))
WHOLE = Membership(current=(ANN,))
RENAMED = {**ALICE, "emails": [{"value": "ally@example.com"}], "userName": "ally"}
HIDDEN = {"unfinished": unanswered()}


def after(number, error):
    """A script: so many calls as they are, then this answer."""
    return [*[lambda reply: reply] * number, error]


# --- Google -----------------------------------------------------------------------------------------------------------

FORBIDDEN = google_error(403, "forbidden", "Not Authorized")
GONE = google_error(404, "notFound", "Resource Not Found")


@pytest.fixture
def google():
    target = GoogleTarget()
    target.users["ann"] = {"id": "ann", "primaryEmail": "ann@example.com"}
    return target


GOOGLE = {
    "look up after a conflict": (False, user_task(), 1, FORBIDDEN, TargetRefused),
    "look up after an unanswered attempt": (False, user_task(**HIDDEN), 0, FORBIDDEN, TargetRefused),
    "look up by mark": (False, user_task(attributes=RENAMED, **HIDDEN), 1, FORBIDDEN, TargetRefused),
    "change what was found": (False, user_task(attributes={**ALICE, "title": "x"}), 2, GONE, TargetUnavailable),
    "read what was delivered": (True, user_task("modify", **HIDDEN), 0, FORBIDDEN, TargetRefused),
    "remove the old address": (True, user_task("modify", attributes=RENAMED), 1, FORBIDDEN, TargetRefused),
    "delete": (True, user_task("delete"), 0, FORBIDDEN, TargetRefused),
    "read the members": (True, group_task("modify", membership=WHOLE), 0, FORBIDDEN, TargetRefused),
    "add a member": (True, group_task("modify", membership=WITH_ANN), 0, FORBIDDEN, TargetRefused),
    "take a member out": (True, group_task("modify", membership=WITHOUT_ANN), 0, FORBIDDEN, TargetRefused),
    "a change under way": (
        True,
        group_task("modify", membership=WITH_ANN),
        0,
        google_error(409, "conflict", "under way"),
        TargetUnavailable,
    ),
}


@pytest.mark.parametrize("case", GOOGLE)
def test_google_refuses_a_later_call(google, case):
    known, task, number, error, kind = GOOGLE[case]
    ours = google_settings(old_address="remove")
    first = replace(task, attributes=ALICE) if task.entity_type == "user" else task
    made = google_tasks.provision(google, replace(first, operation="create", unfinished=(), membership=None), ours)
    if case == "look up by mark":
        google.users.clear()
    google.script.extend(after(number, error))
    with pytest.raises(kind):
        google_tasks.provision(google, linked(task, made) if known else task, ours)
    assert not google.script


def test_a_group_that_google_loses_at_once_is_made_again_later(google):
    google.script.extend([*after(2, GONE), GONE])
    with pytest.raises(TargetUnavailable, match="it was created and then was gone"):
        google_tasks.provision(google, group_task(membership=WHOLE))


def test_a_group_that_is_gone_when_its_members_are_read_is_made_again(google):
    made = google_tasks.provision(google, group_task())
    google.groups.clear()
    again = google_tasks.provision(google, linked(group_task("replace", membership=WHOLE), made))
    assert again.result.outcome == "recreated"


def test_an_alias_that_google_does_not_keep_is_told(google):
    google.renames_leave_alias = False
    made = google_tasks.provision(google, user_task())
    google.script.extend(after(1, FORBIDDEN))
    done = google_tasks.provision(google, linked(user_task("modify", attributes=RENAMED), made))
    assert done.result.warnings == (
        "the old address `alice@example.com` is not kept as an alias: the target refused it",
    )


def test_an_insert_that_google_confirms_but_does_not_show_is_waited_for(google):
    google.script.extend([without_body, GONE])
    with pytest.raises(TargetUnavailable, match="does not show it yet"):
        google_tasks.provision(google, user_task())


def without_body(reply):
    return type(reply)(reply.status, reply.headers, b"{}")


def test_suspending_may_be_refused(google):
    ours = google_settings(deprovisioning="suspend")
    made = google_tasks.provision(google, user_task(), ours)
    google.script.append(FORBIDDEN)
    with pytest.raises(TargetRefused, match="suspend the user"):
        google_tasks.provision(google, linked(user_task("delete"), made), ours)


# --- Salesforce -------------------------------------------------------------------------------------------------------

DENIED = salesforce_error(403, "INSUFFICIENT_ACCESS", "no")
MISSING = salesforce_error(404, "NOT_FOUND", "The requested resource does not exist")
LOST = b'{"success": true}'


@pytest.fixture
def salesforce():
    target = SalesforceTarget()
    target.give("User", "ann", Username="ann@acme.test", LastName="A", IsActive=True)
    target.give("PermissionSet", "0PSa", Name="engineers", Label="engineers", IsOwnedByProfile=False)
    return target


SALESFORCE = {
    "look up after a conflict": (False, user_task(), 1, DENIED, TargetRefused),
    "look up after an unanswered attempt": (False, user_task(**HIDDEN), 0, DENIED, TargetRefused),
    "change what was found": (
        False,
        user_task(attributes={**ALICE, "title": "x"}),
        2,
        MISSING,
        TargetUnavailable,
    ),
    "read what was delivered": (True, user_task("modify", **HIDDEN), 0, DENIED, TargetRefused),
    "change": (True, user_task("modify", attributes=RENAMED), 0, DENIED, TargetRefused),
    "deactivate": (True, user_task("delete"), 0, DENIED, TargetRefused),
    "make a group": (False, group_task(name="b", attributes={"displayName": "b"}), 0, DENIED, TargetRefused),
    "find a group": (False, group_task(**HIDDEN), 0, DENIED, TargetRefused),
    "rename a group": (True, group_task("modify", attributes={"displayName": "b"}), 0, DENIED, TargetRefused),
    "a group that is gone": (False, group_task(), 2, MISSING, TargetUnavailable),
    "a taken name that nobody has": (
        False,
        group_task(),
        1,
        lambda reply: type(reply)(200, {}, b'{"records": [], "done": true}'),
        TargetConflict,
    ),
    "delete a group": (True, group_task("delete"), 0, DENIED, TargetRefused),
    "read the members": (True, group_task("modify", membership=WHOLE), 0, DENIED, TargetRefused),
    "add a member": (True, group_task("modify", membership=WITH_ANN), 0, DENIED, TargetRefused),
    "half an answer": (
        True,
        group_task("modify", membership=WITH_ANN),
        0,
        lambda reply: type(reply)(200, reply.headers, b"[]"),
        TargetRefused,
    ),
}


@pytest.mark.parametrize("case", SALESFORCE)
def test_salesforce_refuses_a_later_call(salesforce, case):
    known, task, number, error, kind = SALESFORCE[case]
    plain = {"operation": "create", "unfinished": (), "membership": None}
    if case == "make a group":
        made = salesforce_tasks.provision(salesforce, group_task())
    else:
        first = replace(task, attributes=ALICE) if task.entity_type == "user" else replace(task, attributes={})
        made = salesforce_tasks.provision(salesforce, replace(first, **plain))
    task = salesforce_tasks.knowing(linked(task, made) if known else task, made)
    if case == "a group that is gone":
        task = replace(task, attributes={"displayName": "engineers"}, membership=WHOLE)
    salesforce.script.extend(after(number, error))
    with pytest.raises(kind):
        salesforce_tasks.provision(salesforce, task)
    assert not salesforce.script


@pytest.mark.parametrize("task", [user_task(), group_task()])
def test_a_record_that_is_confirmed_without_an_id_is_looked_for_in_the_next_attempt(salesforce, task):
    known = salesforce_tasks.provision(salesforce, user_task(entity_id="b", attributes={**ALICE, "userName": "b"}))
    salesforce.script.append(lambda reply: type(reply)(201, reply.headers, LOST))
    with pytest.raises(TargetUnavailable, match="confirms it without an id"):
        salesforce_tasks.provision(salesforce, salesforce_tasks.knowing(task, known))


def test_several_users_of_one_mark_are_a_conflict(salesforce):
    ours = salesforce_settings(external_id_field="Sluice_Id__c")
    for name in ("a", "b"):
        salesforce.give("User", name, Username=f"{name}@acme.test", Sluice_Id__c="entity-alice")
    with pytest.raises(TargetConflict, match="2 users have the Sluice_Id__c `entity-alice`"):
        salesforce_tasks.provision(salesforce, user_task(**HIDDEN), ours)


def test_several_permission_sets_of_one_label_are_a_conflict(salesforce):
    salesforce.give("PermissionSet", "0PSb", Name="other", Label="engineers", IsOwnedByProfile=False)
    with pytest.raises(TargetConflict, match="2 permission sets have the Label `engineers`"):
        salesforce_tasks.provision(salesforce, group_task(), salesforce_settings(groups="permissionSet"))


def test_a_permission_set_without_a_link_is_nothing_to_delete(salesforce):
    ours = salesforce_settings(groups="permissionSet")
    assert salesforce_tasks.provision(salesforce, group_task("delete"), ours).calls == []


def test_a_user_that_is_gone_when_it_is_taken_away_is_done(salesforce):
    gone = salesforce_tasks.provision(salesforce, user_task("delete", link=Link("005000000000999AAA")))
    assert gone.result.outcome == "already-gone"
    unlinked = salesforce_tasks.provision(salesforce, user_task("delete", **HIDDEN))
    assert unlinked.result.outcome == "already-gone"


def test_an_account_that_may_not_make_users_is_found_out_by_the_connection_test(salesforce):
    def without_permission(reply):
        return type(reply)(200, reply.headers, json.dumps({**json.loads(reply.body), "createable": False}).encode())

    def probed(*script):
        salesforce.script.extend(script)
        return run(Salesforce().probe(salesforce_settings(), {}, NOW), salesforce.answer).result

    assert [one.good for one in probed(*after(1, without_permission))] == [True, False]
    (denied,) = probed(DENIED)
    assert not denied.good
    (_, silent) = probed(*after(1, DENIED))
    assert silent.message == "the organization does not say which fields users have: none is checked"
