"""The SPML connector against a strict server of ours; every message is validated by the standard's schemas."""

import pytest

from connectors.connector import Link, Membership
from connectors.errors import Misconfigured, TargetConflict, TargetRefused, TargetUnavailable
from tests.support.driving import Driven
from tests.support.schemas import spml_schema
from tests.support.spml_cases import ALICE, LOST, created, deliver, group, linked, members, settings, stored, task
from tests.support.spml_target import DSML, PASSWORD, SEARCH, SpmlTarget


@pytest.fixture
def target():
    target = SpmlTarget(schema=spml_schema())
    yield target
    assert target.violations == []


# --- create -----------------------------------------------------------------------------------------------------------


def test_a_user_is_created_under_the_names_of_the_table(target):
    driven = deliver(target, task())
    assert driven.result.outcome == "created"
    assert driven.result.identifier == "person:alice"
    assert target.received == ["listTargetsRequest", "addRequest"]
    assert stored(target) == {
        "objectclass": ["person"],
        "accountId": ["alice"],
        "cn": ["Alice Liddell"],
        "givenName": ["Alice"],
        "sn": ["Liddell"],
        "displayName": ["Alice"],
        "mail": ["alice@example.com", "second@example.com"],
        "telephoneNumber": ["+44 1"],
        "mobile": ["+44 2"],
        "l": ["Oxford"],
        "c": ["GB"],
        "department": ["engineering"],
    }


def test_attributes_stand_in_the_order_that_wso2_made_known(target):
    deliver(target, task(attributes={"mail": "a@b", "objectclass": "person"}, mapped=True, password="pw"))
    names = [attr.get("name") for attr in target.messages[-1].iter(f"{{{DSML}}}attr")]
    assert names == ["objectclass", "accountId", "credentials", "mail"]


def test_mapped_claims_are_sent_under_their_remote_names(target):
    claims = {"mail": ["a@b", "c@d"], "level": 7, "vip": False, "nothing": None, "accountId": "ally", "blank": ""}
    driven = deliver(target, task(attributes=claims, mapped=True))
    assert driven.result.identifier == "person:ally"
    assert stored(target, "person:ally") == {
        "objectclass": ["person"],
        "accountId": ["ally"],
        "mail": ["a@b", "c@d"],
        "level": ["7"],
        "vip": ["false"],
    }


def test_a_role_with_a_comma_is_one_value(target):
    deliver(target, task(attributes={"role": ["Doe, Jane", "eng"]}, mapped=True))
    assert stored(target)["role"] == ["Doe, Jane", "eng"]


def test_a_password_is_sent_only_as_credentials_and_kept_nowhere(target):
    password = "p&ss<w>\"ö'"
    driven = deliver(target, task(password=password))
    assert target.objects["person:alice"].password == password
    assert password not in repr(driven.result.delivered)
    assert password in driven.requests[-1].secrets
    assert "s3cr3t & <more>" in driven.requests[-1].secrets


def test_a_default_password_is_for_a_new_account_only(target):
    configured = settings(default_pwd="initial")
    link = created(target, configured=configured)
    assert target.objects["person:alice"].password == "initial"
    target.objects["person:alice"].password = "changed"
    deliver(target, task("modify", {**ALICE, "displayName": "A."}, link=link), configured)
    assert target.objects["person:alice"].password == "changed"


def test_no_password_is_sent_when_password_provisioning_is_off(target):
    configured = settings(enable_pwd_provisioning="false", default_pwd="initial")
    link = created(target, configured=configured, password="given")
    deliver(target, task("modify", link=link, password="other"), configured)
    assert target.objects["person:alice"].password is None


def test_a_disabled_user_is_created_and_suspended(target):
    driven = deliver(target, task(attributes={**ALICE, "active": False}))
    assert driven.result.outcome == "created"
    assert driven.result.active is False
    assert target.objects["person:alice"].active is False
    assert driven.progress[0].identifier == "person:alice"  # a failed suspend does not lose the account


def test_the_target_is_asked_for_once_and_remembered(target):
    driven = deliver(target, task())
    (fact,) = driven.remembered
    assert fact.ttl.days == 1
    again = deliver(
        target, task("modify", {**ALICE, "title": "Dr"}, link=linked(driven.result), remembered={fact.key: fact.value})
    )
    assert [request.purpose for request in again.requests] == ["update the user"]
    assert target.messages[-1].find("{*}psoID").get("targetID") == "directory"


def test_a_server_that_does_not_list_its_targets_is_used_without(target):
    target.lists_targets = False
    driven = deliver(target, task())
    assert driven.result.outcome == "created"
    assert target.messages[-1].get("targetID") is None
    assert driven.remembered[0].ttl.total_seconds() < 86_400


# --- existing accounts ------------------------------------------------------------------------------------------------


def test_an_existing_account_is_found_by_search_and_linked(target):
    target.put("alice", sn=["Old"], title=["Queen"])
    driven = deliver(target, task())
    assert driven.result.outcome == "linked"
    assert driven.result.identifier == "person:alice"
    assert stored(target)["sn"] == ["Liddell"]
    assert stored(target)["title"] == ["Queen"]  # what we never set is not ours to remove


def test_an_existing_account_is_found_by_the_identifier_pattern(target):
    target.capabilities = ()
    target.put("alice")
    driven = deliver(target, task(), settings(lookup_pattern="{objectclass}:{name}"))
    assert driven.result.outcome == "linked"
    assert "searchRequest" not in target.received


def test_an_existing_account_is_a_conflict_when_linking_is_forbidden(target):
    target.put("alice")
    with pytest.raises(TargetConflict):
        deliver(target, task(), settings(on_conflict="fail"))
    assert target.received[-1] == "addRequest"


def test_an_account_that_cannot_be_found_is_a_conflict_that_names_the_setting(target):
    target.capabilities = (PASSWORD,)
    target.put("alice")
    with pytest.raises(TargetConflict, match="spml-lookup-pattern"):
        deliver(target, task())


def test_a_stranger_of_the_same_identifier_is_never_linked(target):
    target.put("alice")
    target.objects["alice"] = target.put("alice", "group") and target.objects.pop("group:alice")
    del target.objects["person:alice"]
    target.misbehave("addRequest", "alreadyExists")
    with pytest.raises(TargetConflict):
        deliver(target, task())


def test_linking_a_suspended_account_resumes_it(target):
    target.put("alice")
    target.objects["person:alice"].active = False
    result = deliver(target, task()).result
    assert result.outcome == "linked"
    assert target.objects["person:alice"].active is True


@pytest.mark.parametrize("on_conflict", ["link", "fail"])
def test_an_ambiguous_create_that_took_effect_is_not_repeated(target, on_conflict):
    created(target)
    before = len(target.received)
    driven = deliver(target, task(unfinished=LOST), settings(on_conflict=on_conflict))
    assert driven.result.outcome == "created"
    assert target.received[before:] == ["listTargetsRequest", "lookupRequest", "searchRequest", "activeRequest"]


def test_an_account_that_no_ambiguous_create_can_have_made_is_linked_only_as_set(target):
    target.put("alice", sn=["Springs"])
    assert deliver(target, task(unfinished=LOST)).result.outcome == "linked"
    target.put("alice", sn=["Springs"])
    with pytest.raises(TargetConflict, match="other values"):
        deliver(target, task(unfinished=LOST), settings(on_conflict="fail"))
    result = deliver(target, task("delete", unfinished=LOST), settings(on_conflict="fail")).result
    assert result.outcome == "already-gone"
    assert "left alone" in result.warnings[0]
    assert "person:alice" in target.objects


def test_an_ambiguous_create_that_took_no_effect_is_done(target):
    driven = deliver(target, task(unfinished=LOST))
    assert driven.result.outcome == "created"


# --- update -----------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_when_nothing_changed(target):
    link = created(target)
    before = len(target.received)
    driven = deliver(target, task("replace", link=link))
    assert driven.result.outcome == "unchanged"
    assert target.received[before:] == ["listTargetsRequest"]


@pytest.mark.parametrize("operation", ["modify", "replace", "create"])
@pytest.mark.parametrize("style", ["data", "dsml"])
def test_only_the_difference_is_sent(target, operation, style):
    link = created(target)
    changed = {**ALICE, "title": "Dr", "displayName": "Ali"}
    del changed["phoneNumbers"]
    driven = deliver(target, task(operation, changed, link=link), settings(modification_style=style))
    assert driven.result.outcome == "updated"
    modes = [modification.get("modificationMode") for modification in target.messages[-1].iterfind("{*}modification")]
    assert set(modes) == {"replace", "delete"}
    names = [e.get("name") for e in target.messages[-1].iter(f"{{{DSML}}}attr", f"{{{DSML}}}modification")]
    assert sorted(names) == ["displayName", "mobile", "telephoneNumber", "title"]
    assert stored(target)["title"] == ["Dr"]
    assert "mobile" not in stored(target)
    assert deliver(target, task(operation, changed, link=linked(driven.result))).result.outcome == "unchanged"


def test_a_rename_keeps_the_account_and_takes_the_new_identifier(target):
    link = created(target)
    moved = target.on_modify

    def rename(message):
        moved(message)
        target.objects["person:alicia"] = target.objects.pop("person:alice")
        return target._with_pso(target._response("modifyRequest"), "person:alicia", message)

    target.on_modify = rename
    result = deliver(target, task("modify", {**ALICE, "userName": "alicia"}, link=link, name="alicia")).result
    assert result.identifier == "person:alicia"
    assert stored(target, "person:alicia")["accountId"] == ["alicia"]


def test_an_unknown_delivered_state_is_looked_up_first(target):
    link = created(target)
    driven = deliver(target, task("modify", {**ALICE, "title": "Dr"}, link=Link(link.identifier)))
    assert target.received[-2:] == ["lookupRequest", "modifyRequest"]
    names = [attr.get("name") for attr in target.messages[-1].iter(f"{{{DSML}}}attr")]
    assert names == ["title"]
    assert driven.result.outcome == "updated"


def test_everything_is_replaced_when_the_target_shows_no_data(target):
    link = created(target)
    target.returns_data = False
    deliver(target, task("modify", {**ALICE, "title": "Dr"}, link=Link(link.identifier)))
    assert len(list(target.messages[-1].iter(f"{{{DSML}}}attr"))) == 12
    assert stored(target)["title"] == ["Dr"]


def test_an_ambiguous_update_is_compared_with_what_the_target_has(target):
    link = created(target)
    target.objects["person:alice"].attributes["title"] = ("TITLE", ["Dr"])
    result = deliver(target, task("modify", {**ALICE, "title": "Dr"}, link=link, unfinished=LOST)).result
    assert result.outcome == "unchanged"
    assert result.delivered["attributes"]["title"] == ["Dr"]


def test_a_vanished_account_is_created_again(target):
    link = created(target)
    target.objects.clear()
    driven = deliver(target, task("modify", {**ALICE, "title": "Dr"}, link=link))
    assert driven.result.outcome == "recreated"
    assert stored(target)["title"] == ["Dr"]


def test_a_vanished_account_whose_name_is_taken_is_linked(target):
    link = created(target)
    moved = Link("person:gone", link.delivered)
    driven = deliver(target, task("modify", {**ALICE, "title": "Dr"}, link=moved))
    assert driven.result.outcome == "linked"
    assert driven.result.identifier == "person:alice"


def test_an_object_that_vanishes_while_it_is_linked_is_tried_again(target):
    target.put("alice")
    target.misbehave("modifyRequest", "noSuchIdentifier")
    with pytest.raises(TargetUnavailable, match="was gone"):
        deliver(target, task())


def test_an_account_that_vanishes_before_it_is_suspended_is_tried_again(target):
    target.misbehave("suspendRequest", "noSuchIdentifier")
    with pytest.raises(TargetUnavailable, match="was gone"):
        deliver(target, task(attributes={**ALICE, "active": False}))


def test_a_changed_password_is_set_by_the_capability(target):
    link = created(target)
    driven = deliver(target, task("modify", link=link, password="n€w"))
    assert target.received[-1] == "setPasswordRequest"
    assert target.objects["person:alice"].password == "n€w"
    assert driven.result.outcome == "updated"
    assert "n€w" in driven.requests[-1].secrets


@pytest.mark.parametrize("lists", [True, False])
def test_a_changed_password_is_an_attribute_where_the_capability_is_missing(target, lists):
    target.capabilities, target.lists_targets = (SEARCH,), lists
    link = created(target)
    deliver(target, task("modify", link=link, password="n€w"))
    assert target.received[-1] == "modifyRequest"
    assert target.objects["person:alice"].password == "n€w"


def test_disabling_comes_before_anything_that_may_be_refused(target):
    link = created(target)
    target.misbehave("modifyRequest", "malformedRequest")
    driven = Driven()
    with pytest.raises(TargetRefused):
        deliver(target, task("modify", {**ALICE, "active": False, "title": "x"}, link=link), driven=driven)
    assert target.objects["person:alice"].active is False
    assert driven.progress[-1].delivered["active"] is False


def test_a_user_is_suspended_once_and_resumed(target):
    off = {**ALICE, "active": False}
    result = deliver(target, task("modify", off, link=created(target))).result
    assert result.outcome == "updated"
    assert result.active is False
    assert deliver(target, task("modify", off, link=linked(result))).result.outcome == "unchanged"
    back = deliver(target, task("modify", link=linked(result))).result
    assert back.active is True
    assert target.objects["person:alice"].active is True


def test_disabling_is_refused_loudly_where_the_target_cannot_suspend(target):
    target.capabilities = (PASSWORD,)
    link = created(target)
    with pytest.raises(Misconfigured) as caught:
        deliver(target, task("modify", {**ALICE, "active": False}, link=link))
    assert caught.value.setting == "spml-enable-suspend"


def test_disabling_is_a_warning_when_suspend_is_off(target):
    link = created(target)
    configured = settings(enable_suspend="off")
    result = deliver(target, task("modify", {**ALICE, "active": False}, link=link), configured).result
    assert "stays enabled" in result.warnings[0]
    assert target.objects["person:alice"].active is True


# --- delete -----------------------------------------------------------------------------------------------------------


def test_a_deleted_user_is_gone(target):
    result = deliver(target, task("delete", link=created(target))).result
    assert result.outcome == "deleted"
    assert result.active is False
    assert target.objects == {}


def test_deleting_what_is_gone_is_done(target):
    link = created(target)
    target.objects.clear()
    assert deliver(target, task("delete", link=link)).result.outcome == "already-gone"


def test_a_delete_without_a_link_sends_nothing_unsafe(target):
    target.put("alice")
    assert deliver(target, task("delete")).result.outcome == "already-gone"
    assert "person:alice" in target.objects


def test_what_an_ambiguous_create_left_behind_is_deleted(target):
    target.put("alice")
    assert deliver(target, task("delete", unfinished=LOST)).result.outcome == "deleted"
    assert target.objects == {}


def test_delete_may_only_suspend_and_create_brings_back(target):
    configured = settings(delete_action="suspend")
    gone = deliver(target, task("delete", link=created(target)), configured).result
    assert gone.outcome == "deactivated"
    assert target.objects["person:alice"].active is False
    back = {name: value for name, value in ALICE.items() if name != "active"}
    result = deliver(target, task("create", back, link=linked(gone)), configured).result
    assert result.active is True
    assert target.objects["person:alice"].active is True


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_created_with_its_members(target):
    membership = Membership(current=members("alice", "bob"))
    result = deliver(target, group(membership=membership)).result
    assert result.identifier == "group:staff"
    assert stored(target, "group:staff") == {
        "objectclass": ["group"],
        "cn": ["staff"],
        "member": ["person:alice", "person:bob"],
    }
    assert "person:alice" not in repr(result.delivered)  # a large group's members are not kept twice


def test_a_membership_change_sends_only_the_change(target):
    link = linked(deliver(target, group(membership=Membership(current=members("alice", "bob")))).result)
    change = Membership(current=members("bob", "carl"), added=members("carl"), removed=members("alice"))
    result = deliver(target, group("modify", membership=change, link=link)).result
    assert result.outcome == "updated"
    assert stored(target, "group:staff")["member"] == ["person:bob", "person:carl"]
    values = [value.text for value in target.messages[-1].iter(f"{{{DSML}}}value")]
    assert values == ["person:carl", "person:alice"]


def test_an_unknown_membership_is_replaced_whole(target):
    link = linked(deliver(target, group(membership=Membership(current=members("alice")))).result)
    deliver(target, group("modify", membership=Membership(), link=link))
    assert "member" not in stored(target, "group:staff")


def test_an_ambiguous_membership_change_is_compared_with_what_the_target_has(target):
    link = linked(deliver(target, group(membership=Membership(current=members("alice")))).result)
    target.objects["group:staff"].attributes["member"] = ("member", ["person:carl"])
    change = Membership(current=members("carl"), added=members("carl"), removed=members("alice"))
    driven = deliver(target, group("modify", membership=change, link=link, unfinished=LOST))
    assert driven.result.outcome == "unchanged"


def test_an_existing_group_takes_our_members(target):
    target.put("staff", "group", member=["person:old", "person:alice"])
    result = deliver(target, group(membership=Membership(current=members("alice", "bob")))).result
    assert result.outcome == "linked"
    assert sorted(stored(target, "group:staff")["member"]) == ["person:alice", "person:bob"]


def test_a_member_that_the_target_does_not_know_is_refused_without_creating_the_group_again(target):
    link = linked(deliver(target, group(membership=Membership())).result)
    target.misbehave("modifyRequest", "noSuchIdentifier")
    change = Membership(current=members("ghost"), added=members("ghost"), removed=())
    with pytest.raises(TargetRefused):
        deliver(target, group("modify", membership=change, link=link))
    assert target.received.count("addRequest") == 1


def test_a_vanished_group_is_created_again_with_its_members(target):
    link = linked(deliver(target, group(membership=Membership())).result)
    target.objects.clear()
    change = Membership(current=members("alice", "bob"), added=members("bob"), removed=())
    assert deliver(target, group("modify", membership=change, link=link)).result.outcome == "recreated"
    assert stored(target, "group:staff")["member"] == ["person:alice", "person:bob"]


def test_a_group_is_renamed_and_deleted(target):
    link = linked(deliver(target, group(membership=Membership())).result)
    renamed = deliver(target, group("modify", "crew", membership=Membership(added=(), removed=()), link=link)).result
    assert stored(target, "group:staff")["cn"] == ["crew"]
    assert deliver(target, group("delete", link=linked(renamed))).result.outcome == "deleted"


def test_groups_need_their_object_class(target):
    with pytest.raises(Misconfigured) as caught:
        deliver(target, group(), settings(group_oc=""))
    assert caught.value.setting == "spml-group-oc"


def test_a_change_of_300_among_5000_members_sends_300(target):
    everyone = members(*(f"u{number}" for number in range(5000)))
    link = linked(deliver(target, group(membership=Membership(current=everyone))).result)
    change = Membership(current=everyone[300:], added=(), removed=everyone[:300])
    driven = deliver(target, group("modify", membership=change, link=link))
    assert len(list(target.messages[-1].iter(f"{{{DSML}}}value"))) == 300
    assert len(driven.requests[-1].body) < 32_000
