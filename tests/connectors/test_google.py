"""The Google connector against a fake that is driven by Google's published discovery document."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.connector import Exchange, Link, Member, Membership, Reply
from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.google import Google
from tests.support.driving import Driven, run
from tests.support.google_target import BASE, GoogleTarget, google_error
from tests.support.google_tasks import google_settings, linked, pem, provision
from tests.support.tasks import ALICE, ENTERPRISE, NOW, group_task, unanswered, user_task

USERS = f"{BASE}/admin/directory/v1/users"
GROUPS = f"{BASE}/admin/directory/v1/groups"
HIDDEN_POST = unanswered("POST", USERS)


@pytest.fixture
def target():
    """Whatever a test does, nothing that was sent or answered may contradict the discovery document."""
    server = GoogleTarget()
    yield server
    assert server.violations == []


def only(store):
    (one,) = store.values()
    return one


def existing(target, **changed):
    """An account that somebody else has made."""
    user = {
        "id": "200",
        "primaryEmail": "alice@example.com",
        "name": {"givenName": "A.", "familyName": "L."},
        "kind": "admin#directory#user",
    }
    target.users["200"] = user | changed
    return target.users["200"]


def another_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def members_of(target):
    return set(only(target.members))


def people(target, *names):
    """Accounts at Google, as members of ours."""
    made = []
    for name in names:
        target.users[f"id-{name}"] = {"id": f"id-{name}", "primaryEmail": f"{name}@example.com"}
        made.append(Member(f"entity-{name}", f"id-{name}", name))
    return tuple(made)


# --- users: create ----------------------------------------------------------------------------------------------------


def test_a_user_is_inserted_with_what_google_has_fields_for(target):
    attributes = {
        **ALICE,
        "displayName": "Alice L.",
        "title": "Engineer",
        "userType": "Employee",
        "preferredLanguage": "en-GB",
        "profileUrl": "https://people.example.com/alice",
        "emails": [
            {"value": "alice@example.com", "type": "work", "primary": True},
            {"value": "al@home.test", "type": "home"},
            {"value": "a@club.test", "type": "club"},
        ],
        "phoneNumbers": [{"value": "+1 5", "type": "mobile"}, {"value": "+1 6", "type": "fax", "primary": True}],
        "addresses": [{"locality": "Oxford", "country": "GB", "type": "work"}, {"type": "home"}],
        ENTERPRISE: {
            "department": "R&D",
            "costCenter": "42",
            "organization": "Acme",
            "employeeNumber": "701",
            "manager": {"value": "boss@example.com"},
        },
    }
    done = provision(target, user_task(attributes=attributes, password="correct horse"))
    assert done.result.outcome == "created"
    user = only(target.users)
    assert done.result.identifier == user["id"]
    assert target.passwords[user["id"]] == "correct horse"
    assert {key: value for key, value in user.items() if key not in {"id", "kind", "etag"}} == {
        "primaryEmail": "alice@example.com",
        "name": {"givenName": "Alice", "familyName": "Liddell", "displayName": "Alice L."},
        "suspended": False,
        "emails": [
            {"address": "al@home.test", "type": "home"},
            {"address": "a@club.test", "type": "custom", "customType": "club"},
        ],
        "phones": [
            {"value": "+1 5", "type": "mobile"},
            {"value": "+1 6", "type": "work_fax", "primary": True},
        ],
        "addresses": [{"locality": "Oxford", "country": "GB", "type": "work"}],
        "organizations": [
            {
                "title": "Engineer",
                "department": "R&D",
                "costCenter": "42",
                "name": "Acme",
                "description": "Employee",
                "type": "work",
                "primary": True,
            }
        ],
        "externalIds": [
            {"type": "organization", "value": "701"},
            {"type": "custom", "customType": "sluice", "value": "entity-alice"},
        ],
        "relations": [{"type": "manager", "value": "boss@example.com"}],
        "languages": [{"languageCode": "en-GB", "preference": "preferred"}],
        "websites": [{"type": "profile", "value": "https://people.example.com/alice"}],
    }


def test_the_identifier_is_committed_with_the_insert(target):
    done = provision(target, user_task())
    (progress,) = done.progress
    assert (progress.identifier, progress.delivered) == (done.result.identifier, done.result.delivered)
    assert "password" not in json.dumps(done.result.delivered)


@pytest.mark.parametrize(
    ("given", "properties", "expected"),
    [
        ("given-secret", {"default_pwd": "default-secret"}, "given-secret"),
        (None, {"default_pwd": "default-secret"}, "default-secret"),
    ],
)
def test_a_new_account_has_the_given_password_else_the_default_one(target, given, properties, expected):
    provision(target, user_task(password=given), google_settings(**properties))
    assert list(target.passwords.values()) == [expected]


def test_a_new_account_has_a_random_password_where_none_is_to_be_sent(target):
    ours = google_settings(default_pwd="default-secret", enable_pwd_provisioning="false")
    provision(target, user_task(password="given-secret"), ours)
    assert len(only(target.passwords)) == 40


def test_without_any_password_an_account_gets_one_that_nobody_knows(target):
    provision(target, user_task())
    provision(target, user_task(entity_id="other", attributes={**ALICE, "emails": "bob@example.com"}))
    one, other = target.passwords.values()
    assert one != other
    assert len(one) == len(other) == 40


def test_an_update_never_resets_a_password_that_was_not_given(target):
    ours = google_settings(default_pwd="default-secret")
    done = provision(target, user_task(), ours)
    task = linked(user_task("modify", attributes={**ALICE, "title": "Queen"}), done)
    changed = provision(target, task, ours)
    assert "password" not in changed.body(0)
    provision(target, replace(linked(task, changed), password="another-secret"), ours)
    assert list(target.passwords.values()) == ["another-secret"]


def test_nothing_secret_is_recorded_even_when_google_echoes_it(target):
    target.echoes_passwords = True
    done = provision(target, user_task(password="pass word/1"))
    records = "\n".join(done.recorded)
    for secret in ("pass word/1", "ya29.token-1", pem()[30:60], "pass%20word", "pass+word"):
        assert secret not in records
    assert "assertion=***" in records


def test_a_password_that_google_refuses_with_its_text_is_not_told_on(target):
    with pytest.raises(TargetRefused) as caught:
        provision(target, user_task(password="short"))
    assert "Invalid Password: ****" in caught.value.message
    assert "short" not in caught.value.message + (caught.value.detail or "")


def test_a_new_account_is_put_into_the_organizational_unit(target):
    ours = google_settings(org_unit="/Staff")
    done = provision(target, user_task(), ours)
    assert only(target.users)["orgUnitPath"] == "/Staff"
    only(target.users)["orgUnitPath"] = "/Moved by an administrator"
    provision(target, linked(user_task("replace", attributes={**ALICE, "title": "x"}), done), ours)
    assert only(target.users)["orgUnitPath"] == "/Moved by an administrator"


# --- addresses and names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "attributes", "expected"),
    [
        ({}, {}, "alice@example.com"),
        ({"email_claim_dropdown": "userName"}, {}, "alice@example.com"),
        ({"email_claim_dropdown": "http://wso2.org/claims/username"}, {"userName": "Ann.B"}, "ann.b@example.com"),
        ({"email_claim_dropdown": "emails.work"}, {}, "alice@example.com"),
        ({"pattern": "{UD,UN,TD,IDP}"}, {}, "primary_alice_carbon.super_acme@example.com"),
        ({"pattern": "{UN,IDP}", "separator": "-"}, {}, "alice-acme@example.com"),
    ],
)
def test_the_address_comes_from_the_claim_or_the_pattern(target, properties, attributes, expected):
    provision(target, user_task(attributes={**ALICE, **attributes}), google_settings(**properties))
    assert only(target.users)["primaryEmail"] == expected


def test_two_names_never_make_one_address(target):
    ours = google_settings(pattern="{UN}")
    for name in ("ann/b", "ann:b", "Zoë", "王芳", "李娜", "x" * 80):
        provision(target, user_task(name=name, entity_id=f"entity-{name}"), ours)
    assert len(target.users) == 6
    assert "zoe@example.com" in [one["primaryEmail"] for one in target.users.values()]


def test_a_user_without_an_address_is_refused_with_the_name_of_the_claim(target):
    with pytest.raises(TargetRefused, match=r"no value for the primary email claim `emails\.home`"):
        provision(target, user_task(), google_settings(email_claim_dropdown="emails.home"))


def test_an_address_of_another_domain_is_for_google_to_judge(target):
    with pytest.raises(TargetRefused, match="Domain not found"):
        provision(target, user_task(attributes={**ALICE, "emails": [{"value": "alice@elsewhere.test"}]}))


def test_names_that_google_demands_have_defaults(target):
    ours = google_settings(givenname="Given", familyname="Family")
    provision(target, user_task(attributes={"emails": [{"value": "alice@example.com"}]}), ours)
    assert only(target.users)["name"] == {"givenName": "Given", "familyName": "Family"}
    with pytest.raises(TargetRefused, match="no given name, which Google demands: set a default"):
        provision(target, user_task(attributes={"emails": [{"value": "bob@example.com"}]}))


def test_names_come_from_the_claims_that_are_set(target):
    ours = google_settings(
        givenname_claim_dropdown="nickName", familyname_claim_dropdown="http://wso2.org/claims/title"
    )
    provision(target, user_task(attributes={**ALICE, "nickName": "Al", "title": "Dr"}), ours)
    assert only(target.users)["name"] == {"givenName": "Al", "familyName": "Dr"}


def test_a_mapped_user_has_the_fields_that_the_mapping_names(target):
    attributes = {
        "mail": "alice@example.com",
        "name.givenName": "Alice",
        "sn": "Liddell",
        "phones.mobile": "+1 5",
        "phones.work": ["+1 6", "+1 7"],
        "organizations.title": "Engineer",
        "organizations.department": "R&D",
        "externalIds.organization": "701",
        "relations.manager": "boss@example.com",
        "customSchemas.Staff.badge": "b-1",
        "includeInGlobalAddressList": "false",
        "orgUnitPath": "/Staff",
        "recoveryEmail": "al@home.test",
        "shoeSize": "38",
    }
    ours = google_settings(email_claim_dropdown="mail", familyname_claim_dropdown="sn")
    done = provision(target, user_task(attributes=attributes, mapped=True), ours)
    user = only(target.users)
    assert user["name"] == {"givenName": "Alice", "familyName": "Liddell"}
    assert [one["value"] for one in user["phones"]] == ["+1 5", "+1 6", "+1 7"]
    assert user["organizations"] == [{"type": "work", "primary": True, "title": "Engineer", "department": "R&D"}]
    assert user["externalIds"][0] == {"value": "701", "type": "organization"}
    assert user["customSchemas"] == {"Staff": {"badge": "b-1"}}
    assert user["includeInGlobalAddressList"] is False
    assert (user["orgUnitPath"], user["recoveryEmail"]) == ("/Staff", "al@home.test")
    assert done.result.warnings == ("`shoeSize` is no field of a user at Google, and was left out",)


def test_unicode_and_markup_arrive_as_they_are(target):
    text = "Ælfgifu <b>&amp;</b> \"'\\ \u202e 王 \U0001f600"
    attributes = {**ALICE, "name": {"givenName": text, "familyName": text}, "title": text}
    provision(target, user_task(attributes=attributes))
    user = only(target.users)
    assert user["name"]["givenName"] == user["organizations"][0]["title"] == text


# --- access -----------------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_and_remembered_for_each_kind(target):
    first = provision(target, user_task())
    (remembered,) = first.remembered
    task = linked(user_task("modify", attributes={**ALICE, "title": "x"}), first)
    provision(target, replace(task, remembered={remembered.key: remembered.value}))
    assert len(target.tokens) == 1
    group = provision(target, group_task(remembered={remembered.key: remembered.value}))
    assert group.remembered[0].key != remembered.key
    assert [scopes[0].rpartition(".")[2] for scopes in target.tokens.values()] == ["user", "group"]


def test_a_rejected_token_is_renewed_once(target):
    first = provision(target, user_task())
    remembered = {one.key: one.value for one in first.remembered}
    target.tokens.clear()
    done = provision(target, replace(user_task("replace", remembered=remembered), link=Link(first.result.identifier)))
    assert done.result.outcome == "unchanged"
    target.script.extend([google_error(401, "authError", "Invalid Credentials")] * 2)
    with pytest.raises(CredentialsRejected):
        provision(target, user_task("replace", link=Link(first.result.identifier)))


def test_who_delegated_users_only_is_not_refused_a_token_for_users(target):
    target.scopes = target.scopes[:1]
    assert provision(target, user_task()).result.outcome == "created"
    with pytest.raises(CredentialsRejected, match="Client is unauthorized"):
        provision(target, group_task())


def test_a_key_that_google_does_not_know_is_no_access(target):
    with pytest.raises(CredentialsRejected, match="Invalid JWT Signature"):
        provision(target, user_task(), google_settings(private_key=another_key()))


# --- what exists, what is uncertain -----------------------------------------------------------------------------------


def test_an_account_that_exists_is_linked_and_brought_to_the_wanted_state(target):
    strangers = [{"type": "custom", "customType": "hr", "value": "7"}, {"type": "organization", "value": "old"}]
    existing(target, externalIds=strangers, notes="theirs", suspended=True)
    done = provision(target, user_task(password="a-new-secret"))
    assert (done.result.outcome, done.result.identifier) == ("linked", "200")
    user = only(target.users)
    assert user["name"]["givenName"] == "Alice"
    assert user["suspended"] is False
    assert user["notes"] == "theirs"
    assert [one["value"] for one in user["externalIds"]] == ["7", "old", "entity-alice"]
    assert done.progress[0].identifier == "200"
    assert done.progress[0].delivered == {}


def test_an_account_that_exists_may_be_forbidden_to_link(target):
    existing(target)
    with pytest.raises(TargetConflict, match=r"`alice@example\.com` exists at the target and may not be linked"):
        provision(target, user_task(), google_settings(on_conflict="fail"))
    assert only(target.users)["name"]["givenName"] == "A."


def test_an_alias_of_a_stranger_is_never_linked(target):
    existing(target, primaryEmail="bob@example.com", aliases=["alice@example.com"])
    with pytest.raises(TargetConflict, match=r"is an alias of the user `bob@example\.com`"):
        provision(target, user_task())


def test_an_address_of_a_group_is_a_conflict(target):
    target.groups["g"] = {"id": "g", "email": "alice@example.com", "name": "x"}
    with pytest.raises(TargetConflict, match="shows no such user"):
        provision(target, user_task())


@pytest.mark.parametrize("on_conflict", ["link", "fail"])
def test_after_an_ambiguous_insert_nothing_is_inserted_twice(target, on_conflict):
    ours = google_settings(on_conflict=on_conflict)
    provision(target, user_task(), ours)
    again = provision(target, user_task(unfinished=HIDDEN_POST), ours)
    assert again.result.outcome == "created"
    assert len(target.users) == 1
    assert again.requests[0].method == "GET"


def test_an_ambiguous_insert_under_an_earlier_address_is_found_by_its_mark(target):
    provision(target, user_task())
    moved = {**ALICE, "emails": [{"value": "alice.l@example.com"}]}
    again = provision(target, user_task(attributes=moved, unfinished=HIDDEN_POST))
    assert again.result.outcome == "created"
    assert only(target.users)["primaryEmail"] == "alice.l@example.com"


def test_after_an_ambiguous_insert_that_never_arrived_the_account_is_made(target):
    done = provision(target, user_task(unfinished=HIDDEN_POST))
    assert done.result.outcome == "created"
    assert [request.method for request in done.requests] == ["GET", "GET", "POST"]


def test_an_ambiguous_update_is_compared_with_what_is_there(target):
    done = provision(target, user_task())
    task = linked(user_task("modify", attributes={**ALICE, "title": "Queen"}), done)
    provision(target, task)
    again = provision(target, replace(task, unfinished=(Exchange("PATCH", f"{USERS}/1", safe=False),)))
    assert again.result.outcome == "unchanged"
    assert [request.method for request in again.requests] == ["GET"]


def test_a_vanished_account_is_made_again(target):
    done = provision(target, user_task())
    target.users.clear()
    again = provision(target, linked(user_task("modify", attributes={**ALICE, "title": "x"}), done))
    assert again.result.outcome == "recreated"
    assert only(target.users)["organizations"][0]["title"] == "x"


def test_an_account_that_google_does_not_show_yet_is_waited_for(target):
    done = provision(target, user_task())
    task = linked(user_task("modify", attributes={**ALICE, "title": "x"}), done)
    gone = google_error(404, "notFound", "Resource Not Found: userKey")
    target.script.extend([gone, google_error(409, "duplicate", "Entity already exists."), gone])
    with pytest.raises(TargetUnavailable, match="shows no such user"):
        provision(target, task)


# --- update and rename ------------------------------------------------------------------------------------------------


def test_only_what_differs_is_sent(target):
    done = provision(target, user_task())
    task = linked(user_task("modify", attributes={**ALICE, "name": {**ALICE["name"], "givenName": "Al"}}), done)
    changed = provision(target, task)
    assert changed.result.outcome == "updated"
    assert changed.body(0) == {"name": {"givenName": "Al"}}
    assert changed.calls == [f"PATCH {USERS}/{done.result.identifier}"]
    assert provision(target, linked(task, changed)).calls == []


def test_what_is_gone_is_cleared_with_a_put_where_a_patch_does_not_clear(target):
    attributes = {**ALICE, "phoneNumbers": [{"value": "+1 5", "type": "work"}], "displayName": "Al"}
    done = provision(target, user_task(attributes=attributes))
    changed = provision(target, linked(user_task("replace"), done))
    assert changed.requests[0].method == "PUT"
    assert changed.body(0) == {"phones": None, "name": {"displayName": None}}
    assert "phones" not in only(target.users)


def test_a_name_that_google_demands_is_never_cleared(target):
    done = provision(target, user_task())
    bare = {key: value for key, value in ALICE.items() if key != "name"}
    assert provision(target, linked(user_task("replace", attributes=bare), done)).calls == []


def test_external_ids_of_others_survive_a_change_of_ours(target):
    attributes = {**ALICE, ENTERPRISE: {"employeeNumber": "1"}}
    done = provision(target, user_task(attributes=attributes))
    only(target.users)["externalIds"].append({"type": "account", "value": "theirs"})
    changed = {**ALICE, ENTERPRISE: {"employeeNumber": "2"}}
    task = linked(user_task("modify", attributes=changed), done)
    provision(target, task)
    values = {one["value"] for one in only(target.users)["externalIds"]}
    assert values == {"theirs", "2", "entity-alice"}


RENAMED = {**ALICE, "userName": "ally", "emails": [{"value": "ally@example.com"}]}


@pytest.mark.parametrize("by_itself", [True, False])
@pytest.mark.parametrize(("setting", "aliases"), [("keep", ["alice@example.com"]), ("remove", [])])
def test_after_a_rename_the_old_address_is_kept_or_removed(target, by_itself, setting, aliases):
    target.renames_leave_alias = by_itself
    ours = google_settings(old_address=setting)
    done = provision(target, user_task(), ours)
    renamed = provision(target, linked(user_task("modify", attributes=RENAMED), done), ours)
    assert renamed.result.outcome == "updated"
    assert renamed.result.identifier == done.result.identifier
    assert only(target.users)["primaryEmail"] == "ally@example.com"
    assert only(target.users).get("aliases", []) == aliases


def test_a_rename_to_a_taken_address_is_a_conflict(target):
    done = provision(target, user_task())
    existing(target, primaryEmail="ally@example.com")
    with pytest.raises(TargetConflict, match="Entity already exists"):
        provision(target, linked(user_task("modify", attributes=RENAMED), done))


def test_a_user_is_suspended_and_activated(target):
    done = provision(target, user_task())
    off = provision(target, linked(user_task("modify", attributes={**ALICE, "active": False}), done))
    assert off.body(0) == {"suspended": True}
    assert off.result.active is False
    silent = {key: value for key, value in ALICE.items() if key != "active"}
    assert provision(target, linked(user_task("modify", attributes=silent), off)).calls == []
    on = provision(target, linked(user_task("modify"), off))
    assert on.body(0) == {"suspended": False}
    assert on.result.active is True


# --- delete -----------------------------------------------------------------------------------------------------------


def test_a_user_is_deleted(target):
    done = provision(target, user_task())
    gone = provision(target, linked(user_task("delete"), done))
    assert (gone.result.outcome, gone.result.active) == ("deleted", False)
    assert target.users == {}
    assert provision(target, linked(user_task("delete"), done)).result.outcome == "already-gone"


def test_a_user_is_suspended_instead_when_set_and_comes_back(target):
    ours = google_settings(deprovisioning="suspend")
    done = provision(target, user_task(), ours)
    task = linked(user_task("delete"), done)
    gone = provision(target, task, ours)
    assert (gone.result.outcome, gone.result.active) == ("deactivated", False)
    assert only(target.users)["suspended"] is True
    silent = {key: value for key, value in ALICE.items() if key != "active"}
    back = provision(target, linked(user_task("create", attributes=silent), gone), ours)
    assert back.result.active is True
    assert only(target.users)["suspended"] is False
    target.users.clear()
    assert provision(target, task, ours).result.outcome == "already-gone"


def test_a_delete_without_a_link_is_nothing_to_do(target):
    assert provision(target, user_task("delete")).calls == []


def test_a_delete_after_an_ambiguous_insert_removes_only_what_is_ours(target):
    provision(target, user_task())
    gone = provision(target, user_task("delete", unfinished=HIDDEN_POST))
    assert gone.result.outcome == "deleted"
    existing(target)
    kept = provision(target, user_task("delete", unfinished=HIDDEN_POST))
    assert kept.result.outcome == "already-gone"
    assert "was left alone" in kept.result.warnings[0]
    assert len(target.users) == 1


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_made_with_its_members(target):
    done = provision(target, group_task(membership=Membership(current=people(target, "ann", "ben"))))
    assert done.result.outcome == "created"
    group = only(target.groups)
    assert (group["email"], group["name"]) == ("engineers@example.com", "engineers")
    assert members_of(target) == {"id-ann", "id-ben"}
    assert done.progress[0].identifier == group["id"]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Engineers & Friends", "engineers-friends@example.com"),
        ("Straße Øst", "strasse-ost@example.com"),
        ("sales.emea_1", "sales.emea_1@example.com"),
    ],
)
def test_a_group_has_an_address_made_of_its_name(target, name, address):
    provision(target, group_task(attributes={"displayName": name}))
    assert only(target.groups)["email"] == address
    assert only(target.groups)["name"] == name


def test_a_mapped_group_says_its_address_itself(target):
    attributes = {"email": "eng@example.com", "name": "Engineering", "description": "all of them", "colour": "red"}
    done = provision(target, group_task(attributes=attributes, mapped=True))
    assert {**attributes, **only(target.groups)}["email"] == "eng@example.com"
    assert only(target.groups)["description"] == "all of them"
    assert done.result.warnings == ("`colour` is no field of a group at Google, and was left out",)


def test_members_come_and_go_one_by_one(target):
    ann, ben, cem = people(target, "ann", "ben", "cem")
    done = provision(target, group_task(membership=Membership(current=(ann, ben))))
    change = Membership(current=(ben, cem), added=(cem,), removed=(ann,))
    changed = provision(target, linked(group_task("modify", membership=change), done))
    assert changed.result.outcome == "updated"
    assert members_of(target) == {"id-ben", "id-cem"}
    group = done.result.identifier
    assert changed.calls == [f"DELETE {GROUPS}/{group}/members/id-ann", f"POST {GROUPS}/{group}/members"]
    again = provision(target, linked(group_task("modify", membership=change), done))
    assert again.result.outcome == "updated"
    assert members_of(target) == {"id-ben", "id-cem"}


def test_members_are_compared_page_by_page_when_the_change_is_not_known(target):
    target.page = 2
    everyone = people(target, "a", "b", "c", "d", "e", "f")
    done = provision(target, group_task(membership=Membership(current=everyone[:5])))
    only(target.members)["id-a"]["role"] = "OWNER"
    whole = Membership(current=everyone[2:])
    provision(target, linked(group_task("replace", membership=whole), done))
    assert members_of(target) == {"id-a", "id-c", "id-d", "id-e", "id-f"}, "an owner is Google's own affair"


def test_a_group_may_be_a_member(target):
    inner = provision(target, group_task(name="inner", attributes={"displayName": "inner"})).result
    member = Member("entity-inner", inner.identifier, "inner", "group")
    done = provision(target, group_task(membership=Membership(current=(member,))))
    assert set(target.members[done.result.identifier]) == {inner.identifier}


def test_a_refused_member_costs_the_others_nothing(target):
    ann, ben = people(target, "ann", "ben")
    done = provision(target, group_task())
    itself = Member("entity-engineers", done.result.identifier, "engineers", "group")
    change = Membership(current=(ann, itself, ben), added=(ann, itself, ben), removed=())
    with pytest.raises(TargetRefused, match="1 of 3 were not accepted: `engineers`: Cyclic memberships"):
        provision(target, linked(group_task("modify", membership=change), done))
    assert members_of(target) == {"id-ann", "id-ben"}


def test_a_member_that_google_does_not_show_yet_is_waited_for(target):
    (ann,) = people(target, "ann")
    new = Member("entity-new", "id-new", "new")
    done = provision(target, group_task())
    change = Membership(current=(new, ann), added=(new, ann), removed=())
    with pytest.raises(TargetUnavailable, match="1 of 2 were not accepted: `new`"):
        provision(target, linked(group_task("modify", membership=change), done))
    assert members_of(target) == {"id-ann"}


def test_a_group_that_takes_no_member_at_all_is_not_asked_for_each(target):
    done = provision(target, group_task())
    strangers = tuple(Member(f"e{number}", f"nobody-{number}", f"n{number}") for number in range(50))
    change = Membership(current=strangers, added=strangers, removed=())
    driven = Driven()
    with pytest.raises(TargetRefused):
        provision(target, linked(group_task("modify", membership=change), done), driven=driven)
    assert len(driven.requests) == 10


def test_a_vanished_group_is_made_again_with_all_members(target):
    ann, ben = people(target, "ann", "ben")
    done = provision(target, group_task(membership=Membership(current=(ann,))))
    target.groups.clear()
    target.members.clear()
    change = Membership(current=(ann, ben), added=(ben,), removed=())
    again = provision(target, linked(group_task("modify", membership=change), done))
    assert again.result.outcome == "recreated"
    assert members_of(target) == {"id-ann", "id-ben"}


def test_a_group_of_the_same_name_is_linked_and_one_of_another_name_is_not(target):
    ann, _ben = people(target, "ann", "ben")
    target.groups["g"] = {"id": "g", "email": "r-d@example.com", "name": "R&D"}
    target.members["g"] = {"id-ben": {"id": "id-ben", "role": "MEMBER"}}
    named = {"displayName": "R&D"}
    done = provision(target, group_task(attributes=named, membership=Membership(current=(ann,))))
    assert (done.result.outcome, done.result.identifier) == ("linked", "g")
    assert members_of(target) == {"id-ann"}
    with pytest.raises(TargetConflict, match="is of another group, `R&D`"):
        provision(target, group_task(attributes={"displayName": "R+D"}))
    with pytest.raises(TargetConflict, match="may not be linked"):
        provision(target, group_task(attributes=named), google_settings(on_conflict="fail"))


def test_a_group_is_renamed_and_keeps_its_old_address(target):
    done = provision(target, group_task())
    renamed = provision(target, linked(group_task("modify", attributes={"displayName": "Makers"}), done))
    group = only(target.groups)
    assert (group["email"], group["name"], group["aliases"]) == (
        "makers@example.com",
        "Makers",
        ["engineers@example.com"],
    )
    assert renamed.result.identifier == done.result.identifier


def test_a_group_is_deleted(target):
    done = provision(target, group_task())
    assert provision(target, linked(group_task("delete"), done)).result.outcome == "deleted"
    assert provision(target, linked(group_task("delete"), done)).result.outcome == "already-gone"
    assert target.groups == {}


def test_after_an_ambiguous_insert_of_a_group_it_is_not_made_twice_and_can_be_deleted(target):
    ours = google_settings(on_conflict="fail")
    hidden = unanswered("POST", GROUPS)
    provision(target, group_task(), ours)
    again = provision(target, group_task(unfinished=hidden), ours)
    assert (again.result.outcome, len(target.groups)) == ("created", 1)
    assert provision(target, group_task("delete", unfinished=hidden), ours).result.outcome == "deleted"
    target.groups["g"] = {"id": "g", "email": "engineers@example.com", "name": "engineers"}
    target.members["g"] = {"someone": {"id": "someone", "role": "MEMBER"}}
    kept = provision(target, group_task("delete", unfinished=hidden), ours)
    assert "was left alone" in kept.result.warnings[0]


# --- errors by class --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (google_error(403, "rateLimitExceeded", "Rate Limit Exceeded"), TargetThrottled),
        (google_error(403, "userRateLimitExceeded", "User Rate Limit Exceeded"), TargetThrottled),
        (google_error(403, "quotaExceeded", "Quota exceeded"), TargetThrottled),
        (google_error(403, "dailyLimitExceeded", "Daily Limit Exceeded"), TargetThrottled),
        (google_error(429, "rateLimitExceeded", "Resource has been exhausted"), TargetThrottled),
        (google_error(403, "forbidden", "Not Authorized to access this resource/api"), TargetRefused),
        (google_error(403, "accessNotConfigured", "Admin SDK API has not been used"), Misconfigured),
        (google_error(403, "insufficientPermissions", "insufficient authentication scopes"), Misconfigured),
        (google_error(400, "invalid", "Invalid Input: primary_user_email"), TargetRefused),
        (google_error(412, "conditionNotMet", "User creation is not complete."), TargetUnavailable),
        (google_error(412, "limitExceeded", "Domain user limit reached."), TargetRefused),
        (google_error(409, "conflict", "Another change is under way"), TargetUnavailable),
        (google_error(500, "backendError", "Backend Error"), TargetUnavailable),
        (google_error(503, "backendError", "Service unavailable. Please try again"), TargetUnavailable),
        (Reply(502, {"content-type": "text/html"}, b"<html>bad gateway"), TargetUnavailable),
        (Reply(404, {"content-type": "text/html"}, b"<html>what?"), Misconfigured),
        (Reply(302, {"location": "https://login.test/"}, b""), Misconfigured),
        (Reply(200, {"content-type": "text/html"}, b"<html>sign in"), TargetRefused),
    ],
)
def test_an_error_says_what_to_do_next(target, reply, kind):
    target.script.append(reply)
    with pytest.raises(kind) as caught:
        provision(target, user_task())
    assert type(caught.value) is kind
    assert caught.value.message.startswith("create the user: ")


def test_a_throttled_request_waits_as_long_as_google_says(target):
    target.script.append(google_error(403, "quotaExceeded", "Quota exceeded", **{"retry-after": "17"}))
    with pytest.raises(TargetThrottled) as caught:
        provision(target, user_task())
    assert caught.value.retry_after == 17


def test_the_reason_is_read_in_googles_newer_form_too(target):
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]
    body = {"error": {"code": 403, "message": "disabled", "status": "PERMISSION_DENIED", "details": details}}
    target.script.append(Reply(403, {}, json.dumps(body).encode()))
    with pytest.raises(Misconfigured, match="SERVICE_DISABLED"):
        provision(target, user_task())


def test_an_insert_that_is_confirmed_without_an_id_is_looked_up(target):
    target.script.append(lambda reply: Reply(reply.status, reply.headers, b"{}"))
    done = provision(target, user_task())
    assert done.result.identifier == only(target.users)["id"]


# --- connection test --------------------------------------------------------------------------------------------------


def test_the_connection_test_reads_users_and_groups(target):
    found = run(Google().probe(google_settings(), {}, NOW), target.answer)
    assert [one.good for one in found.result] == [True, True]
    assert {request.method for request in found.requests if "/token" not in request.url} == {"GET"}


def test_the_connection_test_says_which_scope_is_missing(target):
    target.scopes = target.scopes[:1]
    users, groups = run(Google().probe(google_settings(), {}, NOW), target.answer).result
    assert users.good
    assert not groups.good
    assert "groups need the delegated scope https://www.googleapis.com/auth/admin.directory.group" in groups.message


def test_the_connection_test_finds_a_wrong_domain_and_bad_settings(target):
    ours = google_settings(domain_name="elsewhere.test")
    users, _ = run(Google().probe(ours, {}, NOW), target.answer).result
    assert "Domain not found" in users.message
    (problem,) = run(Google().probe(google_settings(admin_email=""), {}, NOW), target.answer).result
    assert problem.message == "google_prov_admin_email: Administrator's Email is required"
