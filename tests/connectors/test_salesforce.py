"""The Salesforce connector against a strict fake of its REST API: users."""

import json
from dataclasses import replace

import pytest

from connectors.connector import Exchange, Link, Reply
from connectors.errors import (
    CredentialsRejected,
    Misconfigured,
    TargetConflict,
    TargetRefused,
    TargetThrottled,
    TargetUnavailable,
)
from connectors.salesforce import Salesforce
from tests.support.driving import run
from tests.support.google_tasks import linked
from tests.support.salesforce_target import BASE, PASSWORD, SECRET, USERNAME, SalesforceTarget, salesforce_error
from tests.support.salesforce_tasks import knowing, pem, provision, salesforce_settings
from tests.support.tasks import ALICE, ENTERPRISE, NOW, unanswered, user_task

USERS = f"{BASE}/services/data/v59.0/sobjects/User"
HIDDEN_POST = unanswered("POST", USERS)
MARKED = {"external_id_field": "Sluice_Id__c"}


@pytest.fixture
def target():
    return SalesforceTarget()


def only(target):
    (one,) = target.records["User"].values()
    return one


def existing(target, **changed):
    known = {"Username": "alice@acme.test", "LastName": "L", "Email": "a@x.test", "IsActive": False, "Title": "theirs"}
    return target.give("User", "005000000000200AAA", **(known | changed))


# --- create -----------------------------------------------------------------------------------------------------------


def test_a_user_is_made_with_what_salesforce_has_fields_for(target):
    attributes = {
        **ALICE,
        "nickName": "Al the Great",
        "title": "Engineer",
        "locale": "en-GB",
        "preferredLanguage": "de",
        "timezone": "Europe/London",
        "phoneNumbers": [{"value": "+1 5", "type": "mobile"}, {"value": "+1 6", "type": "work"}],
        "addresses": [{"streetAddress": "1 Lane", "locality": "Oxford", "country": "GB", "type": "work"}],
        ENTERPRISE: {
            "department": "R&D",
            "division": "EMEA",
            "organization": "Acme",
            "employeeNumber": "701",
            "manager": {"value": "005000000000009AAA"},
        },
    }
    done = provision(target, user_task(attributes=attributes))
    assert done.result.outcome == "created"
    user = only(target)
    assert done.result.identifier == user.pop("Id")
    assert user == {
        "Username": "alice@acme.test",
        "FirstName": "Alice",
        "LastName": "Liddell",
        "Email": "alice@example.com",
        "Alias": "AltheGre",
        "Title": "Engineer",
        "Department": "R&D",
        "Division": "EMEA",
        "CompanyName": "Acme",
        "EmployeeNumber": "701",
        "Phone": "+1 6",
        "MobilePhone": "+1 5",
        "Street": "1 Lane",
        "City": "Oxford",
        "Country": "GB",
        "ManagerId": "005000000000009AAA",
        "IsActive": True,
        "ProfileId": "00e000000000001AAA",
        "TimeZoneSidKey": "Europe/London",
        "LocaleSidKey": "en_GB",
        "LanguageLocaleKey": "de",
        "EmailEncodingKey": "UTF-8",
    }
    assert done.progress[0].identifier == done.result.identifier


def test_what_salesforce_demands_has_defaults(target):
    ours = salesforce_settings(time_zone="Europe/London", locale="en_GB")
    attributes = {"userName": "bob", "emails": "bob@example.com", "locale": "tlh-KX", "timezone": "Mars/Olympus"}
    provision(target, user_task(name="bob", attributes=attributes), ours)
    user = only(target)
    assert (user["LastName"], user["Alias"], user["LocaleSidKey"]) == ("bob", "bob", "en_GB")
    assert user["TimeZoneSidKey"] == "Europe/London"


@pytest.mark.parametrize(
    ("properties", "attributes", "expected"),
    [
        ({}, {}, "alice@acme.test"),
        ({"prov_domainName": "@corp.test"}, {}, "alice@corp.test"),
        ({}, {"userName": "alice@own.test"}, "alice@own.test"),
        ({"prov_pattern": "{UD,UN,TD,IDP}"}, {}, "primary_alice_carbon.super_acme@acme.test"),
        ({"prov_pattern": "{UN,IDP}", "prov_separator": "."}, {}, "alice.acme@acme.test"),
    ],
)
def test_the_user_name_has_the_form_of_an_address(target, properties, attributes, expected):
    provision(target, user_task(attributes={**ALICE, **attributes}), salesforce_settings(**properties))
    assert only(target)["Username"] == expected


def test_a_user_name_that_is_no_address_is_refused_before_anything_is_sent(target):
    with pytest.raises(TargetRefused, match="set `sf-prov-domainName`"):
        provision(target, user_task(), salesforce_settings(prov_domainName=""))
    assert target.calls == []


def test_the_profile_may_be_named_and_is_looked_up_once(target):
    ours = salesforce_settings(profile_id="Standard User")
    first = provision(target, user_task(), ours)
    assert only(target)["ProfileId"] == "00e000000000001AAA"
    bob = {**ALICE, "userName": "bob"}
    second = provision(target, knowing(user_task(attributes=bob), first), ours)
    assert [request.method for request in second.requests] == ["POST"]
    with pytest.raises(Misconfigured, match="no profile `O'Hara`"):
        provision(target, user_task(), salesforce_settings(profile_id="O'Hara"))
    with pytest.raises(Misconfigured, match="needs a profile"):
        provision(target, user_task(), salesforce_settings(profile_id=""))


@pytest.mark.parametrize(
    ("given", "properties", "expected"),
    [
        ("given-secret", {"default_pwd": "default-secret"}, ["given-secret"]),
        (None, {"default_pwd": "default-secret"}, ["default-secret"]),
        ("given-secret", {"default_pwd": "default-secret", "enable_pwd_provisioning": "false"}, []),
        (None, {}, []),
    ],
)
def test_a_new_account_has_the_given_password_else_the_default_one_else_none(target, given, properties, expected):
    provision(target, user_task(password=given), salesforce_settings(**properties))
    assert list(target.passwords.values()) == expected


def test_an_update_never_resets_a_password_that_was_not_given(target):
    ours = salesforce_settings(default_pwd="default-secret")
    done = provision(target, user_task(), ours)
    task = linked(user_task("modify", attributes={**ALICE, "title": "Queen"}), done)
    changed = provision(target, task, ours)
    assert len(changed.requests) == 1
    provision(target, replace(linked(task, changed), password="another-secret"), ours)
    assert list(target.passwords.values()) == ["another-secret"]


def test_a_password_that_an_unanswered_request_has_set_is_no_failure(target):
    done = provision(target, user_task(password="a-long-secret"))
    again = linked(user_task(password="a-long-secret", unfinished=HIDDEN_POST), done)
    assert "was refused as it is when it was set before" in provision(target, again).result.warnings[0]
    with pytest.raises(TargetRefused, match="INVALID_NEW_PASSWORD"):
        provision(target, replace(again, unfinished=()))


@pytest.mark.parametrize("grant", ["clientCredentials", "password", "jwtBearer"])
def test_nothing_secret_is_recorded(target, grant):
    ours = salesforce_settings(authentication=grant, username=USERNAME, password=PASSWORD, private_key=pem())
    done = provision(target, user_task(password="pass word/1"), ours)
    records = "\n".join(done.recorded)
    for secret in ("pass word/1", "pass+word%2F1", "token.1", SECRET, PASSWORD, "pass+word%2BTOKEN", pem()[30:60]):
        assert secret not in records
    assert "NewPassword" in records


def test_a_password_that_salesforce_refuses_with_its_text_is_not_told_on(target):
    with pytest.raises(TargetRefused) as caught:
        provision(target, user_task(password="short"))
    assert "at least 8 characters: ****" in caught.value.message


def test_unicode_and_markup_arrive_as_they_are(target):
    text = "Ælf <b>&amp;</b> \"'\\ \u202e 王 \U0001f600"
    provision(target, user_task(attributes={**ALICE, "title": text, "userName": "o'hara\\@acme.test"}))
    assert only(target)["Title"] == text
    again = provision(target, user_task(attributes={**ALICE, "title": text, "userName": "o'hara\\@acme.test"}))
    assert again.result.outcome == "linked"


# --- fields -----------------------------------------------------------------------------------------------------------

MAPPED = {
    "Username": "alice",
    "LastName": "Liddell",
    "Email": "alice@example.com",
    "IsActive": "true",
    "UserPermissionsMarketingUser": "no",
    "Badge__c": "42",
    "Skills__c": ["A", "B"],
    "Hired__c": "2026-01-01",
}


def test_a_mapped_user_has_the_fields_that_the_mapping_names_as_describe_types_them(target):
    provision(target, user_task(attributes=MAPPED, mapped=True))
    user = only(target)
    assert user["Username"] == "alice@acme.test"
    assert (user["IsActive"], user["UserPermissionsMarketingUser"]) == (True, False)
    assert (user["Badge__c"], user["Skills__c"]) == (42.0, "A;B")


def test_a_field_that_no_user_has_is_named_before_anything_is_written(target):
    with pytest.raises(Misconfigured, match="have no field `Badge`: did you mean `Badge__c`"):
        provision(target, user_task(attributes={**MAPPED, "Badge": "1"}, mapped=True))
    assert not target.records["User"]
    with pytest.raises(Misconfigured, match="`Badge__c` takes numbers: `many` is none"):
        provision(target, user_task(attributes={**MAPPED, "Badge__c": "many"}, mapped=True))


def test_the_fields_are_asked_for_once_a_day_and_when_one_is_new(target):
    first = provision(target, user_task())
    second = provision(target, knowing(linked(user_task("modify", attributes={**ALICE, "title": "x"}), first), first))
    assert second.result.outcome == "updated"
    described = [call for call in target.calls if call.endswith("/describe")]
    assert len(described) == 1
    kept = {one.key: one.value for one in first.remembered}
    del kept["salesforce-fields"]["fields"]["Badge__c"]
    task = user_task(attributes={**MAPPED, "Username": "bob"}, mapped=True, remembered=kept)
    assert provision(target, task).result.outcome == "created"


def test_a_field_that_can_only_be_set_at_first_is_left_out_later_and_told(target):
    done = provision(target, user_task(attributes=MAPPED, mapped=True))
    changed = {**MAPPED, "Hired__c": "2026-02-02", "Badge__c": "43"}
    update = provision(target, linked(user_task("modify", attributes=changed, mapped=True), done))
    assert update.body(0) == {"Badge__c": 43.0}
    assert update.result.warnings == ("`Hired__c` cannot be set later, and was left out",)


def test_an_organization_that_does_not_describe_its_users_is_trusted_to_say_what_is_wrong(target):
    target.script.append(salesforce_error(403, "INSUFFICIENT_ACCESS", "no"))
    done = provision(target, user_task())
    assert done.result.outcome == "created"
    target.script.append(salesforce_error(403, "INSUFFICIENT_ACCESS", "no"))
    with pytest.raises(TargetRefused, match="No such column 'Shoe__c'"):
        provision(target, user_task(attributes={**MAPPED, "IsActive": True, "Shoe__c": "1"}, mapped=True))


# --- access -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "grant"),
    [
        ({}, "client_credentials"),
        ({"usePasswordGrant": "true", "username": USERNAME, "password": PASSWORD}, "password"),
        ({"authentication": "password", "username": USERNAME, "password": PASSWORD}, "password"),
        (
            {"authentication": "jwtBearer", "username": USERNAME, "private_key": pem(), "client_secret": ""},
            "jwt-bearer",
        ),
    ],
)
def test_each_grant_gives_access(target, properties, grant):
    ours = salesforce_settings(**properties)
    assert Salesforce().problems(ours) == []
    assert provision(target, user_task(), ours).result.outcome == "created"
    assert target.grants == [grant]


@pytest.mark.parametrize(
    "properties",
    [
        {"client_secret": "wrong"},
        {"usePasswordGrant": "true", "username": USERNAME, "password": "wrong"},
        {"authentication": "jwtBearer", "username": "other@acme.test", "private_key": pem()},
        {"authentication": "jwtBearer", "username": USERNAME, "private_key": pem(), "jwt_audience": "https://x.test"},
    ],
)
def test_wrong_credentials_are_told_from_other_failures(target, properties):
    with pytest.raises(CredentialsRejected):
        provision(target, user_task(), salesforce_settings(**properties))


def test_a_token_is_remembered_and_renewed_when_its_session_has_ended(target):
    first = provision(target, user_task())
    provision(target, knowing(linked(user_task("modify", attributes={**ALICE, "title": "x"}), first), first))
    assert len(target.tokens) == 1
    target.tokens.clear()
    task = knowing(linked(user_task("modify", attributes={**ALICE, "title": "y"}), first), first)
    assert provision(target, task).result.outcome == "updated"
    assert len(target.grants) == 2


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("https://acme--dev.sandbox.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com"),
        ("https://evil.test", BASE),
        ("http://acme2.my.salesforce.com", BASE),
        ("https://salesforce.com.evil.test", BASE),
        ("nonsense", BASE),
    ],
)
def test_the_token_is_only_taken_to_salesforce(target, said, host):
    target.instance = said
    done = provision(target, user_task())
    assert done.requests[0].url.startswith(f"{host}/services/data/")


# --- what exists, what is uncertain -----------------------------------------------------------------------------------


def test_an_account_that_exists_is_linked_and_brought_to_the_wanted_state(target):
    existing(target)
    done = provision(target, user_task())
    assert (done.result.outcome, done.result.identifier) == ("linked", "005000000000200AAA")
    assert only(target)["IsActive"] is True
    assert only(target)["Title"] == "theirs"
    assert done.progress[0].delivered == {}


def test_an_account_that_exists_may_be_forbidden_to_link(target):
    existing(target)
    with pytest.raises(TargetConflict, match="may not be linked"):
        provision(target, user_task(), salesforce_settings(on_conflict="fail"))
    assert only(target)["IsActive"] is False


def test_a_user_name_of_another_organization_is_a_conflict(target):
    target.elsewhere.add("alice@acme.test")
    with pytest.raises(TargetConflict, match="unique among all organizations"):
        provision(target, user_task())


def test_an_account_is_known_by_the_external_id_whatever_its_name(target):
    ours = salesforce_settings(**MARKED, on_conflict="fail")
    provision(target, user_task(), ours)
    assert only(target)["Sluice_Id__c"] == "entity-alice"
    only(target)["Username"] = "renamed@acme.test"
    again = provision(target, user_task(unfinished=HIDDEN_POST), ours)
    assert again.result.outcome == "created"
    assert only(target)["Username"] == "alice@acme.test"


@pytest.mark.parametrize("properties", [{}, MARKED])
@pytest.mark.parametrize("on_conflict", ["link", "fail"])
def test_after_an_ambiguous_post_nothing_is_made_twice(target, on_conflict, properties):
    ours = salesforce_settings(on_conflict=on_conflict, **properties)
    provision(target, user_task(), ours)
    again = provision(target, user_task(unfinished=HIDDEN_POST), ours)
    assert (again.result.outcome, len(target.records["User"])) == ("created", 1)
    assert "POST" not in [request.method for request in again.requests]


def test_after_an_ambiguous_post_that_never_arrived_the_account_is_made(target):
    assert provision(target, user_task(unfinished=HIDDEN_POST)).result.outcome == "created"


def test_an_ambiguous_update_is_compared_with_what_is_there(target):
    done = provision(target, user_task())
    task = linked(user_task("modify", attributes={**ALICE, "title": "Queen"}), done)
    provision(target, task)
    again = provision(target, replace(task, unfinished=(Exchange("PATCH", USERS, safe=False),)))
    assert again.result.outcome == "unchanged"


def test_a_vanished_account_is_made_again(target):
    done = provision(target, user_task())
    target.records["User"].clear()
    again = provision(target, linked(user_task("modify", attributes={**ALICE, "title": "x"}), done))
    assert again.result.outcome == "recreated"
    assert only(target)["Title"] == "x"


# --- update -----------------------------------------------------------------------------------------------------------


def test_only_what_differs_is_sent_and_what_is_gone_is_cleared(target):
    done = provision(target, user_task(attributes={**ALICE, "title": "Engineer"}))
    task = linked(user_task("replace", attributes={**ALICE, ENTERPRISE: {"department": "Tea"}}), done)
    changed = provision(target, task)
    assert changed.body(0) == {"Department": "Tea", "Title": None}
    assert provision(target, linked(task, changed)).calls == []


def test_what_salesforce_demands_is_never_cleared(target):
    done = provision(target, user_task())
    bare = {key: value for key, value in ALICE.items() if key not in {"name", "emails"}}
    changed = provision(target, linked(user_task("replace", attributes=bare), done))
    assert changed.body(0) == {"Email": "alice@acme.test", "FirstName": None}


def test_a_link_without_a_delivered_state_is_read_first(target):
    done = provision(target, user_task())
    read = provision(target, user_task("replace", link=Link(done.result.identifier)))
    assert read.result.outcome == "unchanged"
    assert [request.method for request in read.requests] == ["GET"]


def test_a_rename_keeps_the_account_and_a_taken_name_is_a_conflict(target):
    done = provision(target, user_task())
    task = linked(user_task("modify", attributes={**ALICE, "userName": "ally"}), done)
    assert provision(target, task).result.identifier == done.result.identifier
    assert only(target)["Username"] == "ally@acme.test"
    existing(target)
    with pytest.raises(TargetConflict, match="DUPLICATE_USERNAME"):
        provision(target, linked(user_task("modify"), provision(target, task)))


def test_a_user_is_deactivated_and_activated(target):
    done = provision(target, user_task())
    off = provision(target, linked(user_task("modify", attributes={**ALICE, "active": False}), done))
    assert off.body(0) == {"IsActive": False}
    assert off.result.active is False
    silent = {key: value for key, value in ALICE.items() if key != "active"}
    assert provision(target, linked(user_task("modify", attributes=silent), off)).calls == []
    assert provision(target, linked(user_task("modify"), off)).result.active is True


# --- delete -----------------------------------------------------------------------------------------------------------


def test_a_user_is_deactivated_and_its_name_is_free_again(target):
    done = provision(target, user_task())
    task = linked(user_task("delete"), done)
    gone = provision(target, task)
    assert (gone.result.outcome, gone.result.active) == ("deactivated", False)
    user = only(target)
    assert user["IsActive"] is False
    assert user["Username"] == f"retired.{user['Id'].lower()}.alice@acme.test"
    provision(target, replace(task, link=Link(user["Id"], gone.result.delivered)))
    assert provision(target, replace(task, link=Link(user["Id"]))).result.outcome == "deactivated"
    assert user["Username"] == f"retired.{user['Id'].lower()}.alice@acme.test", "the same each time"
    assert provision(target, user_task(entity_id="another alice")).result.outcome == "created"


def test_a_user_that_was_taken_away_comes_back_under_its_name(target):
    done = provision(target, user_task())
    gone = provision(target, linked(user_task("delete"), done))
    silent = {key: value for key, value in ALICE.items() if key != "active"}
    back = provision(target, linked(user_task("create", attributes=silent), gone))
    assert back.result.active is True
    assert (only(target)["Username"], only(target)["IsActive"]) == ("alice@acme.test", True)


def test_a_user_may_keep_its_name_when_it_is_deactivated(target):
    ours = salesforce_settings(deprovisioning="deactivate")
    done = provision(target, user_task(), ours)
    gone = provision(target, linked(user_task("delete"), done), ours)
    assert gone.body(0) == {"IsActive": False}
    target.records["User"].clear()
    assert provision(target, linked(user_task("delete"), done), ours).result.outcome == "already-gone"


def test_a_federation_identifier_is_freed_too(target):
    done = provision(target, user_task(attributes={**MAPPED, "FederationIdentifier": "alice@idp"}, mapped=True))
    gone = provision(target, linked(user_task("delete"), done))
    assert gone.body(0)["FederationIdentifier"] is None


def test_a_long_name_is_shortened_where_it_gives_way(target):
    done = provision(target, user_task(attributes={**ALICE, "userName": "a" * 60 + "@acme.test"}))
    provision(target, linked(user_task("delete"), done))
    assert len(only(target)["Username"]) == 80


def test_a_delete_without_a_link_takes_only_what_an_unanswered_request_made(target):
    assert provision(target, user_task("delete")).calls == []
    provision(target, user_task())
    gone = provision(target, user_task("delete", unfinished=HIDDEN_POST))
    assert gone.result.outcome == "deactivated"
    existing(target)
    kept = provision(target, user_task("delete", unfinished=HIDDEN_POST))
    assert "was left alone" in kept.result.warnings[0]


# --- errors and allowance ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (salesforce_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), TargetThrottled),
        (salesforce_error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), TargetThrottled),
        (salesforce_error(429, "REQUEST_LIMIT_EXCEEDED", "too many"), TargetThrottled),
        (salesforce_error(503, "SERVER_UNAVAILABLE", "busy"), TargetUnavailable),
        (salesforce_error(500, "UNKNOWN_EXCEPTION", "an unexpected error occurred"), TargetUnavailable),
        (salesforce_error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), TargetUnavailable),
        (salesforce_error(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled"), Misconfigured),
        (salesforce_error(404, "NOT_FOUND", "The requested resource does not exist"), Misconfigured),
        (salesforce_error(400, "LICENSE_LIMIT_EXCEEDED", "License Limit Exceeded"), TargetRefused),
        (salesforce_error(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights"), TargetRefused),
        (Reply(404, {"content-type": "text/html"}, b"<html>URL No Longer Exists"), Misconfigured),
        (Reply(301, {"location": "https://elsewhere.test"}, b""), Misconfigured),
        (Reply(200, {"content-type": "text/html"}, b"<html>sign in"), TargetRefused),
        (Reply(502, {}, b""), TargetUnavailable),
    ],
)
def test_an_error_says_what_to_do_next(target, reply, kind):
    known = provision(target, user_task(attributes={**ALICE, "userName": "other"}))
    target.script.append(reply)
    with pytest.raises(kind) as caught:
        provision(target, knowing(user_task(), known))
    assert type(caught.value) is kind
    assert caught.value.message.startswith("create the user: ")


def test_a_days_allowance_is_waited_for_longer_than_a_crowd(target):
    target.used = target.allowance
    with pytest.raises(TargetThrottled) as caught:
        provision(target, user_task())
    assert caught.value.retry_after == 900


def test_near_the_end_of_the_allowance_nothing_more_is_sent(target):
    known = provision(target, user_task(attributes={**ALICE, "userName": "other"}))
    target.used = 14_249
    done = provision(target, knowing(user_task(), known))
    assert done.result.outcome == "created", "what is done is not undone"
    (usage,) = [one for one in done.remembered if one.key == "salesforce-usage"]
    assert usage.value == {"used": 14_250, "most": 15_000}
    before = len(target.calls)
    with pytest.raises(TargetThrottled, match="14250 of 15000 API requests of the day are used") as caught:
        provision(target, knowing(user_task("modify", link=Link(done.result.identifier)), known, done))
    assert caught.value.retry_after == 900
    assert len(target.calls) == before
    more = salesforce_settings(api_usage_limit="99")
    assert (
        provision(target, knowing(linked(user_task("modify"), done), known, done), more).result.outcome == "unchanged"
    )


def test_a_task_that_meets_the_end_of_the_allowance_stops_between_its_requests(target):
    known = provision(target, user_task(attributes={**ALICE, "userName": "other"}))
    target.used = 14_249
    with pytest.raises(TargetThrottled, match="set the password"):
        provision(target, knowing(user_task(password="a-long-secret"), known))
    assert len(target.records["User"]) == 2


# --- connection test --------------------------------------------------------------------------------------------------


def test_the_connection_test_says_what_is_left_and_what_is_found(target):
    ours = salesforce_settings(profile_id="Standard User")
    found = run(Salesforce().probe(ours, {}, NOW), target.answer).result
    assert [one.good for one in found] == [True, True, True]
    assert "14981 of 15000 API requests are left" in found[0].message
    assert "the profile `Standard User` is `00e000000000001AAA`" in found[2].message


def test_the_connection_test_tells_bad_credentials_settings_and_profiles(target):
    (wrong,) = run(Salesforce().probe(salesforce_settings(client_secret="wrong"), {}, NOW), target.answer).result
    assert "invalid client credentials" in wrong.message
    (problem,) = run(Salesforce().probe(salesforce_settings(clientid=""), {}, NOW), target.answer).result
    assert problem.message == "sf-clientid: Client ID is required"
    found = run(Salesforce().probe(salesforce_settings(profile_id="Nobody"), {}, NOW), target.answer).result
    assert found[-1].message == "the organization has no profile `Nobody`"


def test_the_delivered_state_can_be_kept_as_json(target):
    done = provision(target, user_task(password="a-long-secret"))
    assert "secret" not in json.dumps(done.result.delivered)
