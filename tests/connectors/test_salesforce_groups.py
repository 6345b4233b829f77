"""Groups at Salesforce: public groups that are made, and permission sets that are assigned."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from connectors.connector import Member, Membership
from connectors.errors import Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from connectors.salesforce_payload import developer_name, retired_name
from connectors.soql import select
from tests.support.google_tasks import linked
from tests.support.salesforce_target import BASE, SalesforceTarget, parse_soql
from tests.support.salesforce_tasks import provision, salesforce_settings
from tests.support.tasks import group_task, unanswered

SETS = salesforce_settings(groups="permissionSet")


@pytest.fixture
def target():
    return SalesforceTarget()


def people(target, *names):
    made = []
    for name in names:
        identifier = f"005{name:0>12}AAA"
        target.give("User", identifier, Username=f"{name}@acme.test", LastName=name, IsActive=True)
        made.append(Member(f"entity-{name}", identifier, name))
    return tuple(made)


def joined(target, kind="GroupMember"):
    field = "UserOrGroupId" if kind == "GroupMember" else "AssigneeId"
    return {one[field] for one in target.records[kind].values()}


def ids(*members):
    return {one.identifier for one in members}


# --- public groups ----------------------------------------------------------------------------------------------------


def test_a_group_is_made_with_its_members_in_one_more_request(target):
    everyone = people(target, *(f"n{number}" for number in range(150)))
    done = provision(target, group_task(membership=Membership(current=everyone)))
    assert done.result.outcome == "created"
    (group,) = target.records["Group"].values()
    assert (group["Name"], group["DeveloperName"], group["Type"]) == ("engineers", "engineers", "Regular")
    assert joined(target) == ids(*everyone)
    assert [request.method for request in done.requests] == ["POST", "GET", "POST"]
    assert done.progress[0].identifier == group["Id"]


def test_many_changes_go_two_hundred_at_a_time(target):
    target.page = 100
    everyone = people(target, *(f"n{number}" for number in range(450)))
    done = provision(target, group_task(membership=Membership(current=everyone[:300])))
    whole = Membership(current=everyone[100:])
    changed = provision(target, linked(group_task("replace", membership=whole), done))
    assert joined(target) == ids(*everyone[100:])
    assert [request.method for request in changed.requests] == ["GET", "GET", "GET", "DELETE", "POST"]
    known = Membership(current=everyone, added=everyone[:100], removed=())
    assert len(provision(target, linked(group_task("modify", membership=known), done)).requests) == 1


def test_members_come_and_go(target):
    ann, ben, cem = people(target, "ann", "ben", "cem")
    done = provision(target, group_task(membership=Membership(current=(ann, ben))))
    change = Membership(current=(ben, cem), added=(cem,), removed=(ann,))
    task = linked(group_task("modify", membership=change), done)
    assert provision(target, task).result.outcome == "updated"
    assert joined(target) == ids(ben, cem)
    assert provision(target, task).result.outcome == "updated"
    assert joined(target) == ids(ben, cem)
    assert (
        provision(target, linked(group_task("modify", membership=Membership(added=(), removed=())), done)).calls == []
    )


def test_a_group_may_be_a_member(target):
    inner = provision(target, group_task(name="inner", attributes={"displayName": "inner"})).result.identifier
    provision(target, group_task(membership=Membership(current=(Member("e", inner, "inner", "group"),))))
    assert joined(target) == {inner}


def test_a_refused_member_costs_the_others_nothing(target):
    ann, ben = people(target, "ann", "ben")
    nobody = Member("entity-nobody", "005nobody", "nobody")
    done = provision(target, group_task())
    change = Membership(current=(ann, nobody, ben), added=(ann, nobody, ben), removed=())
    with pytest.raises(TargetRefused, match="1 were not accepted: `nobody`: invalid cross reference id"):
        provision(target, linked(group_task("modify", membership=change), done))
    assert joined(target) == ids(ann, ben)


def test_a_locked_record_is_tried_again(target):
    (ann,) = people(target, "ann")
    done = provision(target, group_task())
    result = [{"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked"}]}]
    target.script.append(lambda reply: type(reply)(200, reply.headers, json.dumps(result).encode()))
    change = Membership(current=(ann,), added=(ann,), removed=())
    with pytest.raises(TargetUnavailable, match="`ann`: locked"):
        provision(target, linked(group_task("modify", membership=change), done))


def test_a_vanished_group_is_made_again_with_all_members(target):
    ann, ben = people(target, "ann", "ben")
    done = provision(target, group_task(membership=Membership(current=(ann,))))
    target.records["Group"].clear()
    target.records["GroupMember"].clear()
    change = Membership(current=(ann, ben), added=(ben,), removed=())
    again = provision(target, linked(group_task("modify", membership=change), done))
    assert again.result.outcome == "recreated"
    assert joined(target) == ids(ann, ben)


def test_a_group_that_exists_is_linked_unless_it_is_forbidden(target):
    ann, ben = people(target, "ann", "ben")
    target.give("Group", "00Gx", Name="Engineers", DeveloperName="engineers", Type="Regular")
    target.give("GroupMember", "011x", GroupId="00Gx", UserOrGroupId=ben.identifier)
    with pytest.raises(TargetConflict, match="may not be linked"):
        provision(target, group_task(), salesforce_settings(on_conflict="fail"))
    done = provision(target, group_task(membership=Membership(current=(ann,))))
    assert (done.result.outcome, done.result.identifier) == ("linked", "00Gx")
    assert joined(target) == ids(ann)
    assert target.records["Group"]["00Gx"]["Name"] == "engineers"


def test_a_group_is_renamed(target):
    done = provision(target, group_task())
    renamed = provision(target, linked(group_task("modify", attributes={"displayName": "R & D"}), done))
    (group,) = target.records["Group"].values()
    assert group["Name"] == "R & D"
    assert re.fullmatch(r"R_D_[0-9a-f]{10}", group["DeveloperName"])
    assert renamed.result.identifier == done.result.identifier


def test_a_group_is_deleted(target):
    done = provision(target, group_task())
    assert provision(target, linked(group_task("delete"), done)).result.outcome == "deleted"
    assert provision(target, linked(group_task("delete"), done)).result.outcome == "already-gone"
    assert provision(target, group_task("delete")).calls == []


def test_after_an_ambiguous_post_a_group_is_not_made_twice_and_only_an_empty_one_is_deleted(target):
    hidden, ours = (
        unanswered("POST", f"{BASE}/services/data/v59.0/sobjects/Group"),
        salesforce_settings(on_conflict="fail"),
    )
    provision(target, group_task(), ours)
    again = provision(target, group_task(unfinished=hidden), ours)
    assert (again.result.outcome, len(target.records["Group"])) == ("created", 1)
    (ann,) = people(target, "ann")
    target.give("GroupMember", "011x", GroupId=again.result.identifier, UserOrGroupId=ann.identifier)
    assert "was left alone" in provision(target, group_task("delete", unfinished=hidden), ours).result.warnings[0]
    target.records["GroupMember"].clear()
    assert provision(target, group_task("delete", unfinished=hidden), ours).result.outcome == "deleted"


def test_an_api_version_that_the_organization_does_not_know_is_a_setting(target):
    with pytest.raises(Misconfigured, match="does not know this API"):
        provision(target, group_task(), salesforce_settings(api_version="v99.0"))


# --- permission sets --------------------------------------------------------------------------------------------------


def test_a_permission_set_is_found_by_label_or_name_and_assigned(target):
    ann, ben = people(target, "ann", "ben")
    target.give("PermissionSet", "0PSp", Name="x", Label="engineers", IsOwnedByProfile=True)
    target.give("PermissionSet", "0PSa", Name="engineers", Label="The Engineers", IsOwnedByProfile=False)
    done = provision(target, group_task(membership=Membership(current=(ann, ben))), SETS)
    assert (done.result.outcome, done.result.identifier) == ("linked", "0PSa")
    assert joined(target, "PermissionSetAssignment") == ids(ann, ben)
    change = Membership(current=(ben,), added=(ben,), removed=(ann,))
    provision(target, linked(group_task("modify", membership=change), done), SETS)
    assert joined(target, "PermissionSetAssignment") == ids(ben)


def test_a_permission_set_that_nobody_made_is_refused(target):
    with pytest.raises(TargetRefused, match="no permission set `engineers`: make one"):
        provision(target, group_task(), SETS)


def test_a_group_in_a_permission_set_is_left_out_and_told(target):
    target.give("PermissionSet", "0PSa", Name="engineers", Label="engineers", IsOwnedByProfile=False)
    inner = Member("entity-inner", "00Ginner", "inner", "group")
    done = provision(target, group_task(membership=Membership(current=(inner,))), SETS)
    assert done.result.warnings == ("the group `inner` cannot be assigned to a permission set",)


def test_a_permission_set_survives_its_group(target):
    ann, ben = people(target, "ann", "ben")
    target.give("PermissionSet", "0PSa", Name="engineers", Label="engineers", IsOwnedByProfile=False)
    members = Membership(current=(ann,))
    done = provision(target, group_task(membership=members), SETS)
    target.give("PermissionSetAssignment", "0Pax", PermissionSetId="0PSa", AssigneeId=ben.identifier)
    gone = provision(target, linked(group_task("delete", membership=members), done), SETS)
    assert (gone.result.outcome, gone.result.active) == ("deleted", False)
    assert joined(target, "PermissionSetAssignment") == ids(ben), "whom others have assigned stays"
    assert "0PSa" in target.records["PermissionSet"]
    renamed = linked(group_task("modify", attributes={"displayName": "Makers"}, membership=None), done)
    assert "still the one found as `engineers`" in provision(target, renamed, SETS).result.warnings[0]


# --- queries and names ------------------------------------------------------------------------------------------------


@effort(deadline=None)
@given(values=st.lists(st.text(), min_size=1, max_size=4), one=st.text())
def test_no_value_ends_a_query_early(values, one):
    fields, kind, conditions = parse_soql(select(["Id", "Username"], "User", {"Username": one, "Email": values}))
    assert (fields, kind) == (["Id", "Username"], "User")
    assert conditions == {"Username": [one], "Email": values}


@effort(deadline=None)
@given(one=st.text(min_size=1), other=st.text(min_size=1))
def test_two_group_names_never_make_one_developer_name(one, other):
    assert re.fullmatch(r"[A-Za-z](?:_?[A-Za-z0-9])*", developer_name(one))
    assert len(developer_name(one)) <= 80
    same = developer_name(one) == developer_name(other)
    assert not same or one.replace(" ", "_") == other.replace(" ", "_")


@effort(deadline=None)
@given(name=st.emails(), identifier=st.from_regex(r"005[A-Za-z0-9]{15}", fullmatch=True))
def test_a_retired_name_stays_the_same_when_it_is_retired_again(name, identifier):
    once = retired_name(name, identifier)
    assert retired_name(once, identifier) == once
    assert once.endswith(name.rpartition("@")[2])
