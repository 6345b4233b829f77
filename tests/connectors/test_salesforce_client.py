"""The fake Salesforce is one that simple-salesforce accepts; the connector's requests pass over a real connection."""

import random

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce as Official
from simple_salesforce import format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from connectors.connector import Member, Membership
from connectors.http import Sender, Transport
from connectors.salesforce import Salesforce
from tests.support.driving import run
from tests.support.google_tasks import linked
from tests.support.loopback import serving
from tests.support.salesforce_target import CLIENT, PASSWORD, SECRET, USERNAME, SalesforceTarget
from tests.support.salesforce_tasks import pem, provision, salesforce_settings
from tests.support.tasks import ALICE, group_task, user_task

WAYS = {
    "password": {"username": USERNAME, "password": PASSWORD, "consumer_secret": SECRET},
    "jwt-bearer": {"username": USERNAME, "privatekey": pem()},
    "client_credentials": {"consumer_secret": SECRET, "domain": "acme.my"},
}


class ToLoopback(HTTPAdapter):
    """The client speaks https to salesforce.com only: its requests take the way to the fake."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def send(self, request, **kwargs):
        host = request.url.split("/")[2]
        assert host.endswith(".salesforce.com")
        request.url = request.url.replace(f"https://{host}", self.base)
        return super().send(request, **kwargs)


@pytest.fixture
def served():
    target = SalesforceTarget()
    with serving(target) as base, requests.Session() as session:
        session.mount("https://", ToLoopback(base))
        yield target, base, session


@pytest.fixture
def official(served):
    _, _, session = served
    return Official(consumer_key=CLIENT, version="59.0", session=session, **WAYS["jwt-bearer"])


USER = {
    "Username": "bob@acme.test",
    "LastName": "O'Hara",
    "Email": "bob@acme.test",
    "Alias": "bob",
    "ProfileId": "00e000000000001AAA",
    "TimeZoneSidKey": "GMT",
    "LocaleSidKey": "en_US",
    "LanguageLocaleKey": "en_US",
    "EmailEncodingKey": "UTF-8",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_client_signs_in_with_each_grant(served, way):
    target, _, session = served
    api = Official(consumer_key=CLIENT, version="59.0", session=session, **WAYS[way])
    assert api.limits()["DailyApiRequests"]["Max"] == 15000
    assert target.grants == [way]


def test_the_client_is_told_of_wrong_credentials(served):
    _, _, session = served
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        Official(consumer_key=CLIENT, consumer_secret="wrong", domain="acme.my", session=session)


def test_the_client_is_content_with_the_fakes_users(served, official):
    target, _, _ = served
    made = official.User.create(USER)
    assert made["success"] is True
    key = made["id"]
    assert official.User.update(key, {"Title": "Queen"}) == 204
    assert official.User.get(key)["Title"] == "Queen"
    found = official.query(format_soql("SELECT Id, Username FROM User WHERE LastName = {}", "O'Hara"))
    assert [one["Id"] for one in found["records"]] == [key]
    assert "Badge__c" in [one["name"] for one in official.User.describe()["fields"]]
    official.set_password(key, "a-long-secret")
    assert target.passwords == {key: "a-long-secret"}
    assert official.api_usage["api-usage"].total == 15000
    with pytest.raises(SalesforceMalformedRequest, match="DUPLICATE_USERNAME"):
        official.User.create(USER)
    with pytest.raises(SalesforceMalformedRequest, match="No such column 'Shoe'"):
        official.User.update(key, {"Shoe": "38"})
    with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
        official.query("SELECT Id FROM User WHERE LastName = 'O'Hara'")
    with pytest.raises(SalesforceMalformedRequest, match="does not support delete"):
        official.User.delete(key)
    with pytest.raises(SalesforceResourceNotFound):
        official.User.get("005000000000999AAA")


def test_the_client_is_content_with_the_fakes_groups(served, official):
    target, _, _ = served
    target.page = 2
    users = [official.User.create({**USER, "Username": f"u{number}@acme.test"})["id"] for number in range(5)]
    group = official.Group.create({"Name": "G", "DeveloperName": "G", "Type": "Regular"})["id"]
    records = [{"attributes": {"type": "GroupMember"}, "GroupId": group, "UserOrGroupId": one} for one in users]
    body = {"allOrNone": False, "records": [*records, records[0]]}
    results = official.restful("composite/sobjects", method="POST", json=body)
    assert [one["success"] for one in results] == [True] * 5 + [False]
    assert results[5]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    joined = official.query_all(f"SELECT Id FROM GroupMember WHERE GroupId = '{group}'")["records"]
    assert len(joined) == 5
    params = {"ids": ",".join(one["Id"] for one in joined[:4]), "allOrNone": "false"}
    official.restful("composite/sobjects", method="DELETE", params=params)
    assert len(target.records["GroupMember"]) == 1
    assert official.Group.delete(group) == 204


def test_the_client_is_told_that_its_session_has_ended(served, official):
    target, _, _ = served
    target.tokens.clear()
    official._salesforce_login_partial = None
    with pytest.raises((SalesforceExpiredSession, RuntimeError)):
        official.User.get("005000000000999AAA")


def test_what_the_connector_makes_the_client_reads(served, official):
    target, base, _ = served
    target.instance = base
    ours = salesforce_settings(base)
    sender, transport = Sender(), Transport(allow=("127.0.0.0/8",))

    def send(request):
        return sender.send(request, transport=transport)

    user = user_task(attributes={**ALICE, "title": "Königin 王"}, password="a-long-secret")
    done = run(Salesforce().provision(user, ours), send)
    member = Member("entity-alice", done.result.identifier, "alice")
    group = group_task(random=random.Random(2), membership=Membership(current=(member,)))
    made = run(Salesforce().provision(group, ours), send)
    sender.close()
    assert official.User.get(done.result.identifier)["Title"] == "Königin 王"
    members = official.query_all(f"SELECT UserOrGroupId FROM GroupMember WHERE GroupId = '{made.result.identifier}'")
    assert [one["UserOrGroupId"] for one in members["records"]] == [done.result.identifier]


def test_an_account_that_the_client_made_is_linked_and_taken_away(served, official):
    target, _, _ = served
    key = official.User.create({**USER, "Username": "alice@acme.test"})["id"]
    done = provision(target, user_task())
    assert (done.result.outcome, done.result.identifier) == ("linked", key)
    provision(target, linked(user_task("delete"), done))
    gone = official.User.get(key)
    assert gone["IsActive"] is False
    assert gone["Username"].startswith("retired.")
