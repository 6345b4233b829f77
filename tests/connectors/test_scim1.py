"""The SCIM 1.1 connector against a strict server of ours that checks every payload against the core schema."""

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from connectors.connector import Link, Member, Membership, Reply
from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.http import NoReply, Sender, Transport
from connectors.scim1 import Scim1
from connectors.scim1_payload import CORE, ENTERPRISE, partial, wanted
from tests.support.driving import Driven, run
from tests.support.loopback import hang_up, serving
from tests.support.scim1_target import Scim1Target
from tests.support.tasks import ALICE, NOW, group_task, members, settings, unanswered, user_task
from tests.support.tasks import ENTERPRISE as ENTERPRISE_2

BASE = "http://scim.test"
RICH = {
    **ALICE,
    "displayName": "Alice",
    "phoneNumbers": [{"value": "+44 1", "type": "work"}],
    "addresses": [{"locality": "Oxford", "country": "GB", "type": "home", "primary": True}],
    "roles": [{"value": "Doe, Jane"}, {"value": "eng"}],
    ENTERPRISE_2: {"department": "eng", "manager": {"value": "u9", "$ref": "../Users/u9", "displayName": "Bob"}},
}


def configured(base=BASE, on_conflict="link", **properties):
    given_ = {f"scim-{key.replace('_', '-')}": value for key, value in properties.items()}
    usual = {"scim-username": "admin", "scim-password": "s3cr3t", "scim-user-ep": f"{base}/Users"}
    return settings(usual | {"scim-group-ep": f"{base}/Groups"} | given_, on_conflict=on_conflict)


@pytest.fixture
def target():
    target = Scim1Target()
    yield target
    assert target.violations == []


def deliver(target, task, how=None, driven=None):
    return run(Scim1().provision(task, how or configured()), target.answer, driven)


def linked(result, **changes):
    return Link(**{"identifier": result.identifier, "delivered": result.delivered, "etag": result.etag} | changes)


def created(target, task=None, how=None):
    return linked(deliver(target, task or user_task(attributes=RICH), how).result)


def group_of(*numbers, **changes):
    return group_task(membership=Membership(current=members(*numbers)), **changes)


# --- payload ----------------------------------------------------------------------------------------------------------


def test_a_user_is_translated_to_the_core_schema_of_1_1(target):
    result = deliver(target, user_task(attributes=RICH)).result
    assert result.outcome == "created"
    assert result.identifier == "u1/é"
    stored = target.only()
    assert stored["schemas"] == [CORE, ENTERPRISE]
    assert stored[ENTERPRISE] == {"department": "eng", "manager": {"managerId": "u9", "displayName": "Bob"}}
    assert stored["roles"] == [{"value": "Doe, Jane"}, {"value": "eng"}]
    assert stored["externalId"] == "entity-alice"


@pytest.mark.parametrize("prefix", ["", f"{CORE}:", "urn:ietf:params:scim:schemas:core:2.0:User:"])
def test_mapped_claims_may_be_named_by_path_or_uri(target, prefix):
    claims = {f"{prefix}userName": "ally", f"{prefix}emails.work": ["a@b"], f"{prefix}name.familyName": "L"}
    claims[f"{ENTERPRISE}:department"] = "eng"
    deliver(target, user_task(attributes=claims, mapped=True))
    assert target.only() == {
        "schemas": [CORE, ENTERPRISE],
        "userName": "ally",
        "emails": [{"value": "a@b", "type": "work"}],
        "name": {"familyName": "L"},
        ENTERPRISE: {"department": "eng"},
        "externalId": "entity-alice",
    }


def test_the_user_store_domain_stands_in_front_of_the_name(target):
    deliver(target, user_task(), configured(user_store_domain="SCIM"))
    assert target.only()["userName"] == "SCIM/alice"


JSON_TEXT = st.text(max_size=8)
NAMES = st.dictionaries(st.sampled_from(["givenName", "familyName", "middleName"]), JSON_TEXT, max_size=3)
EMAILS = st.lists(st.fixed_dictionaries({"value": JSON_TEXT, "type": st.sampled_from(["work", "home"])}), max_size=3)
EXTENSION = st.dictionaries(st.sampled_from(["department", "division"]), JSON_TEXT, max_size=2)
IMAGES = st.fixed_dictionaries(
    {"userName": st.just("alice")},
    optional={"name": NAMES, "emails": EMAILS, "title": JSON_TEXT, "active": st.booleans(), ENTERPRISE_2: EXTENSION},
)


@effort(deadline=None)
@given(before=IMAGES, after=IMAGES)
def test_a_patch_turns_any_image_into_any_other(before, after):
    target = Scim1Target()
    link = created(target, user_task(attributes=before))
    deliver(target, user_task("modify", attributes=after, link=link))
    expected = wanted(user_task(attributes=after), configured())
    stored = {key: value for key, value in target.only().items() if value not in ({}, [])}
    assert {key: stored.get(key) for key in expected if key != "schemas"} == {
        key: value for key, value in expected.items() if key != "schemas"
    }
    assert stored.keys() <= expected.keys()
    assert target.violations == []


def test_a_change_names_only_what_changed():
    before = {
        "schemas": [CORE],
        "name": {"givenName": "A", "middleName": "B"},
        "title": "x",
        "emails": [{"value": "a"}],
    }
    after = {"schemas": [CORE], "name": {"givenName": "C"}, "emails": [{"value": "b"}], "nickName": "n"}
    assert partial(before, after) == {
        "name": {"givenName": "C"},
        "emails": [{"value": "b"}],
        "nickName": "n",
        "meta": {"attributes": ["name.middleName", "emails", "title"]},
    }
    assert partial({ENTERPRISE: {"department": "x"}}, {}) == {"meta": {"attributes": [f"{ENTERPRISE}:department"]}}


# --- users ------------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_when_nothing_changed(target):
    link = created(target)
    for operation in ("modify", "replace", "create"):
        assert deliver(target, user_task(operation, attributes=RICH, link=link)).result.outcome == "unchanged"
    assert target.received == ["POST Users"]


def test_a_change_is_a_patch(target):
    link = created(target)
    result = deliver(target, user_task("modify", attributes={**RICH, "title": "Dr", "emails": []}, link=link)).result
    assert result.outcome == "updated"
    assert target.bodies[-1] == {"schemas": [CORE], "title": "Dr", "meta": {"attributes": ["emails"]}}
    assert "emails" not in target.only()


def test_a_target_without_patch_gets_the_whole_by_put_and_is_remembered(target):
    target.patches = False
    link = created(target)
    changed = {**RICH, "title": "Dr"}
    driven = deliver(target, user_task("modify", attributes=changed, link=link))
    assert target.received[-2:] == ["PATCH Users", "PUT Users"]
    (fact,) = driven.remembered
    again = user_task("modify", attributes=RICH, link=linked(driven.result), remembered={fact.key: fact.value})
    deliver(target, again)
    assert target.received[-2:] == ["PUT Users", "PUT Users"]
    assert "title" not in target.only()


def test_an_unknown_state_is_read_and_what_others_set_is_left(target):
    link = created(target)
    target.only()["nickName"] = "set by others"
    deliver(target, user_task("modify", attributes={**RICH, "title": "Dr"}, link=Link(link.identifier)))
    assert target.received[-2:] == ["GET Users", "PATCH Users"]
    assert target.bodies[-1] == {"schemas": [CORE], "title": "Dr"}
    assert target.only()["nickName"] == "set by others"


def test_a_password_is_sent_when_it_is_given_and_never_again(target):
    how = configured(default_pwd="initial")
    link = created(target, how=how)
    assert target.only()["password"] == "initial"
    deliver(target, user_task("modify", attributes={**RICH, "title": "Dr"}, link=link), how)
    assert "password" not in target.bodies[-1]
    driven = deliver(target, user_task("modify", attributes=RICH, link=link, password="n€w"), how)
    assert target.only()["password"] == "n€w"
    assert "n€w" in driven.requests[-1].secrets
    assert "password" not in driven.result.delivered


def test_no_password_is_sent_when_password_provisioning_is_off(target):
    how = configured(default_pwd="initial", enable_pwd_provisioning="false")
    created(target, user_task(attributes=RICH, password="given"), how)
    assert "password" not in target.only()


def test_a_disabled_user_is_inactive(target):
    result = deliver(target, user_task("modify", attributes={**RICH, "active": False}, link=created(target))).result
    assert result.active is False
    assert target.only()["active"] is False


def test_an_existing_account_is_linked_by_its_name(target):
    target.put("Users", userName='Al"ice\\', nickName="kept")
    result = deliver(target, user_task(attributes={"userName": 'al"ice\\', "title": "Dr"})).result
    assert result.outcome == "linked"
    assert target.only()["title"] == "Dr"
    assert target.only()["nickName"] == "kept"


def test_an_existing_account_is_a_conflict_when_linking_is_forbidden(target):
    target.put("Users", userName="alice")
    with pytest.raises(TargetConflict):
        deliver(target, user_task(), configured(on_conflict="fail"))


def test_an_account_that_exists_but_is_not_found_is_a_conflict(target):
    target.put("Users", userName="alice")
    for _ in range(2):
        target.misbehave("GET Users", Reply(404, {}, b""))
    with pytest.raises(TargetConflict, match="finds none"):
        deliver(target, user_task())


@pytest.mark.parametrize("on_conflict", ["link", "fail"])
def test_an_ambiguous_create_that_took_effect_is_not_repeated(target, on_conflict):
    created(target)
    task = user_task(attributes=RICH, unfinished=unanswered())
    assert deliver(target, task, configured(on_conflict=on_conflict)).result.outcome == "created"
    assert target.received.count("POST Users") == 1


def test_a_creation_without_an_id_in_the_answer_is_looked_up(target):
    target.misbehave("POST Users", lambda _reply: Reply(201, {}, b""))
    assert deliver(target, user_task()).result.identifier == "u1/é"


def test_a_creation_that_leaves_nothing_is_refused(target):
    target.misbehave("POST Users", Reply(200, {}, b""))
    with pytest.raises(TargetRefused, match="without an identifier"):
        deliver(target, user_task())


def test_a_vanished_account_is_created_again(target):
    link = created(target)
    target.resources["Users"].clear()
    assert deliver(target, user_task("modify", attributes=ALICE, link=link)).result.outcome == "recreated"
    target.resources["Users"].clear()
    assert deliver(target, user_task("modify", link=Link("gone"))).result.outcome == "recreated"


def test_a_deleted_user_is_gone_and_stays_gone(target):
    link = created(target)
    assert deliver(target, user_task("delete", link=link)).result.outcome == "deleted"
    assert deliver(target, user_task("delete", link=link)).result.outcome == "already-gone"
    assert deliver(target, user_task("delete")).result.outcome == "already-gone"


def test_a_delete_after_an_ambiguous_create_takes_only_what_is_ours(target):
    created(target)
    assert deliver(target, user_task("delete", unfinished=unanswered())).result.outcome == "deleted"
    target.put("Users", userName="alice")
    result = deliver(target, user_task("delete", unfinished=unanswered())).result
    assert result.outcome == "already-gone"
    assert "left alone" in result.warnings[0]
    assert target.only()["userName"] == "alice"


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (400, {}, TargetRefused),
        (401, {}, CredentialsRejected),
        (403, {}, TargetRefused),
        (429, {"retry-after": "7"}, TargetThrottled),
        (500, {}, TargetUnavailable),
        (503, {}, TargetUnavailable),
        (302, {"location": "/login"}, Misconfigured),
    ],
)
def test_every_status_has_its_class(target, status, headers, kind):
    body = b'{"Errors": [{"description": "no, p4ssw0rd", "code": "1"}]}'
    target.misbehave("POST Users", Reply(status, {"content-type": "application/json", **headers}, body))
    with pytest.raises(kind) as caught:
        deliver(target, user_task(password="p4ssw0rd"))
    assert type(caught.value) is kind
    if kind is TargetRefused:
        assert caught.value.detail == "no, ********"


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_created_with_its_members(target):
    result = deliver(target, group_of(1, 2)).result
    assert [one["value"] for one in target.only("Groups")["members"]] == ["m1", "m2"]
    assert "members" not in result.delivered


def test_a_membership_change_is_a_patch_with_marked_removals(target):
    link = created(target, group_of(1, 2))
    change = Membership(current=members(2, 3), added=members(3), removed=members(1))
    result = deliver(target, group_task("modify", membership=change, link=link)).result
    assert result.outcome == "updated"
    assert target.bodies[-1]["members"] == [
        {"value": "m1", "operation": "delete"},
        {"value": "m3", "display": "user3", "type": "User"},
    ]
    assert [one["value"] for one in target.only("Groups")["members"]] == ["m2", "m3"]


def test_an_unknown_membership_is_read_and_compared(target):
    link = created(target, group_of(1, 2))
    deliver(target, group_task("modify", membership=Membership(current=members(2, 3)), link=link))
    assert [one["value"] for one in target.only("Groups")["members"]] == ["m2", "m3"]
    assert deliver(
        target, group_task("modify", membership=Membership(current=members(2, 3)), link=link)
    ).result.outcome == ("unchanged")


def test_one_bad_member_does_not_cost_the_others_their_membership(target):
    link = created(target, group_of())
    target.unknown_members = {"m5"}
    everyone = members(*range(1, 9))
    with pytest.raises(TargetRefused, match="`user5`"):
        deliver(
            target,
            group_task("modify", membership=Membership(current=everyone, added=everyone, removed=()), link=link),
        )
    assert sorted(one["value"] for one in target.only("Groups")["members"]) == [f"m{n}" for n in (1, 2, 3, 4, 6, 7, 8)]


def test_a_vanished_group_is_created_again_with_all_members(target):
    link = created(target, group_of(1))
    target.resources["Groups"].clear()
    change = Membership(current=members(1, 2), added=members(2), removed=())
    assert deliver(target, group_task("modify", membership=change, link=link)).result.outcome == "recreated"
    assert len(target.only("Groups")["members"]) == 2


@pytest.mark.parametrize("membership", [None, Membership(current=members(1, 2), added=(), removed=())])
def test_a_rename_without_patch_keeps_the_members(target, membership):
    target.patches = False
    link = created(target, group_of(1, 2))
    deliver(target, group_task("modify", attributes={"displayName": "crew"}, membership=membership, link=link))
    assert target.only("Groups")["displayName"] == "crew"
    assert [one["value"] for one in target.only("Groups")["members"]] == ["m1", "m2"]


def test_a_membership_change_without_patch_is_a_put_of_all(target):
    target.patches = False
    link = created(target, group_of(1))
    change = Membership(current=members(1, 2), added=members(2), removed=())
    deliver(target, group_task("modify", membership=change, link=link))
    assert len(target.only("Groups")["members"]) == 2


def test_a_nested_group_is_a_member_of_type_group(target):
    nested = Membership(current=(Member("e", "g7", "inner", "group"),))
    deliver(target, group_task(membership=nested))
    assert target.only("Groups")["members"] == [{"value": "g7", "display": "inner", "type": "Group"}]


def test_groups_need_their_endpoint(target):
    with pytest.raises(Misconfigured) as caught:
        deliver(target, group_of(), configured(group_ep=""))
    assert caught.value.setting == "scim-group-ep"


def test_300_of_5000_members_change_in_one_message(target):
    everyone = members(*range(5000))
    link = created(target, group_task(membership=Membership(current=everyone)))
    change = Membership(current=everyone[300:], added=(), removed=everyone[:300])
    driven = deliver(target, group_task("modify", membership=change, link=link))
    assert len(driven.requests) == 1
    assert len(target.only("Groups")["members"]) == 4700


# --- connection test and settings -------------------------------------------------------------------------------------


def probe(target, how=None):
    return run(Scim1().probe(how or configured(), {}, NOW), target.answer).result


def test_a_connection_test_reads_and_says_what_it_found(target):
    findings = probe(target)
    assert [finding.good for finding in findings] == [True] * 3
    assert {call.split()[0] for call in target.received} == {"GET"}


def test_a_connection_test_tells_a_scim_2_server(target):
    body = b'{"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0}'
    target.misbehave("GET Users", Reply(200, {"content-type": "application/scim+json"}, body))
    (bad,) = [finding for finding in probe(target) if not finding.good]
    assert "use the connector `scim2`" in bad.message


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(401, {}, b""), "401"),
        (Reply(404, {}, b""), "404"),
        (Reply(200, {}, b"[]"), "no SCIM list"),
        (Reply(503, {}, b""), "503"),
    ],
)
def test_a_connection_test_names_what_is_wrong(target, reply, reason):
    target.misbehave("GET Users", reply)
    (bad,) = [finding for finding in probe(target) if not finding.good]
    assert reason in bad.message


def test_a_server_without_a_configuration_is_no_failure(target):
    target.misbehave("GET ServiceProviderConfigs", Reply(404, {}, b""))
    assert all(finding.good for finding in probe(target))


def test_a_bearer_token_takes_the_place_of_user_and_password(target):
    target.token = "t0k3n"
    how = configured(access_token="t0k3n", username="", password="")
    assert Scim1().problems(how) == []
    driven = deliver(target, user_task(), how)
    assert driven.result.outcome == "created"
    assert "t0k3n" in driven.requests[0].secrets


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"user_ep": ""}, "scim-user-ep"),
        ({"user_ep": "x"}, "scim-user-ep"),
        ({"group_ep": "x"}, "scim-group-ep"),
        ({"username": ""}, "scim-username"),
        ({"password": ""}, "scim-password"),
        ({"username": "a:b"}, "scim-username"),
        ({"access_token": "a b"}, "scim-access-token"),
        ({"enable_pwd_provisioning": "maybe"}, "scim-enable-pwd-provisioning"),
    ],
)
def test_settings_that_cannot_work_are_named_and_never_used(change, key):
    assert key in dict(Scim1().problems(configured(**change)))
    driven = Driven()
    with pytest.raises(Misconfigured) as caught:
        deliver(Scim1Target(), user_task(), configured(**change), driven)
    assert caught.value.setting == key
    assert driven.requests == []
    assert not all(finding.good for finding in probe(Scim1Target(), configured(**change)))


def test_wso2s_keys_are_there_with_their_labels():
    labels = {known.key: (known.display_name, known.required, known.confidential) for known in Scim1().properties}
    assert labels["scim-username"] == ("Username", True, False)
    assert labels["scim-password"] == ("Password", True, True)
    assert labels["scim-user-ep"] == ("User Endpoint", True, False)
    assert labels["scim-group-ep"] == ("Group Endpoint", False, False)
    assert labels["scim-user-store-domain"] == ("User Store Domain", False, False)
    assert labels["scim-enable-pwd-provisioning"] == ("Enable Password Provisioning", False, False)
    assert labels["scim-default-pwd"] == ("Default Password", False, True)


# --- end to end -------------------------------------------------------------------------------------------------------


def test_a_user_lives_its_life_over_the_network_and_a_lost_answer_makes_no_second_account(target):
    with serving(target) as base:
        sender, how = Sender(), configured(base)
        transport = Transport(deadline=5, allow=("127.0.0.0/8",))

        def send(request):
            return sender.send(request, transport=transport)

        target.misbehave("POST Users", hang_up)
        with pytest.raises(NoReply):
            run(Scim1().provision(user_task(attributes=RICH), how), send)
        again = user_task(attributes=RICH, unfinished=unanswered())
        result = run(Scim1().provision(again, how), send).result
        assert result.outcome == "created"
        changed = user_task("modify", attributes={**RICH, "displayName": "爱丽丝"}, link=linked(result))
        result = run(Scim1().provision(changed, how), send).result
        assert target.only()["displayName"] == "爱丽丝"
        assert run(Scim1().provision(user_task("delete", link=linked(result)), how), send).result.outcome == "deleted"
        sender.close()
    assert target.resources["Users"] == {}
    assert target.received.count("POST Users") == 1
