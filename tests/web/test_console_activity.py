"""Activity: what happened at every target and why, and what may be done about it by whom."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import app as composition
from service.store import users
from service.web.console.bodies import pretty
from tests.support.api import PASSWORD, policy, scim
from tests.support.console import send, sign_in, words


@pytest.fixture
def browser(application):
    browser = application.web.test_client()
    assert sign_in(browser).status_code == 303
    return browser


@pytest.fixture
def asked(api):
    """A request for a user whose name is markup; its target is paused, so that nothing moves."""
    api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [scim()]})
    api.post("/api/v1/identity-providers/acme/pause")
    rows = [{"identityProvider": "acme", "enableRules": True}]
    api.post("/api/v1/service-providers", {"name": "hr", "outboundProvisioning": rows})

    def ask(name="<b>alice</b>"):
        entity = {"type": "user", "name": name, "attributes": {"userName": name}}
        body = {"serviceProvider": "hr", "operation": "create", "entity": entity}
        return api.post("/api/v1/provisioning-requests", body).json

    return ask


def viewer(application):
    with application.database.transaction() as tx:
        users.create(tx, "reader", users.hash_password(PASSWORD), "viewer", composition.utc_now())
    browser = application.web.test_client()
    assert sign_in(browser, "reader").status_code == 303
    return browser


def test_every_page_tells_who_and_why_and_shows_markup_as_text(browser, asked):
    request = asked()
    delivery = request["deliveries"][0]["id"]
    pages = [
        "/activity", "/activity?state=held&identityProvider=acme&policy=all", "/requests", f"/activity/{delivery}",
        f"/requests/{request['id']}", "/entities?name=alice", f"/entities/{request['entity']['id']}",
        "/bulk?action=cancel&state=held",
    ]  # fmt: skip
    for path in pages:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert "<b>alice" not in answer.text
        assert html.escape("<b>alice</b>") in answer.text, path
    assert "is paused" in words(browser.get(f"/activity/{delivery}"))
    assert "Permitted at acceptance" in words(browser.get(f"/activity/{delivery}"))


def test_a_refusal_is_told_with_its_policy_and_leads_to_its_file(browser, api, application, asked, policies_folder):
    (policies_folder / "all.xml").write_text(policy("Deny"))
    application.policies.refresh()
    delivery = asked("mallory")["deliveries"][0]["id"]
    shown = browser.get(f"/activity/{delivery}")
    assert "Refused by policy at acceptance" in words(shown)
    assert 'href="/policies/all.xml#L2"' in shown.text
    assert "mallory" in words(browser.get("/activity?state=refused&policy=all"))
    assert "No delivery fits" in words(browser.get("/activity?state=refused&policy=another"))


def test_a_wrong_filter_is_told_at_its_field(browser):
    answer = browser.get("/activity?since=yesterday")
    assert answer.status_code == 422
    assert "is no date and time" in words(answer)
    assert browser.get("/activity?state=nowhere").status_code == 422


def test_a_delivery_is_cancelled_once_and_then_says_that_it_cannot_be(browser, asked):
    delivery = asked()["deliveries"][0]["id"]
    page = f"/activity/{delivery}"
    assert send(browser, page, action="cancel").location == f"{page}?done=cancel"
    assert "cancelled by user:admin" in words(browser.get(page))
    assert browser.post(page, data={"action": "cancel"}).status_code == 403


def test_many_are_counted_first_then_done_and_told(browser, asked):
    for name in ("a", "b", "c"):
        asked(name)
    shown = browser.get("/activity?state=held")
    assert "Cancel all 3 waiting" in words(shown)
    assert "Cancel 3 deliveries" in words(browser.get("/bulk?action=cancel&state=held"))
    done = send(browser, "/bulk?action=cancel&state=held", action="cancel", state="held", total="3")
    assert "Done: 3 deliveries cancelled" in words(done)
    assert "No delivery fits" in words(browser.get("/activity?state=held"))


def test_a_reader_sees_everything_and_steers_nothing(application, asked):
    delivery = asked()["deliveries"][0]["id"]
    browser = viewer(application)
    shown = browser.get(f"/activity/{delivery}")
    assert "Cancel" not in words(shown)
    assert "all 1" not in words(browser.get("/activity"))
    assert browser.get("/bulk?action=cancel").status_code == 403
    assert send(browser, "/account", f"/activity/{delivery}", action="cancel").status_code == 403
    assert send(browser, "/account", "/bulk", action="cancel").status_code == 403


def test_what_was_to_be_done_when_the_session_ended_is_not_lost(application, browser, asked):
    delivery = asked()["deliveries"][0]["id"]
    token = html.unescape(browser.get(f"/activity/{delivery}").text.split('name="form_token" value="')[1].split('"')[0])
    elsewhere = application.web.test_client()
    sign_in(elsewhere)
    send(elsewhere, "/account", "/account/sessions")
    asked_again = browser.post(f"/activity/{delivery}", data={"form_token": token, "action": "cancel"})
    assert asked_again.status_code == 401
    assert "&#34;action&#34;, &#34;cancel&#34;" in asked_again.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JSON) | st.dictionaries(st.text(), JSON))
def test_lines_change_nothing_of_a_json_body(value):
    assert json.loads(pretty(json.dumps(value))) == value
    assert json.loads(pretty(json.dumps(value, ensure_ascii=False))) == value


@pytest.mark.parametrize("text", ['{"a": 1.10}', "<a><b/></a>", "<a", "no markup", "", '{"a":', "<!DOCTYPE a><a/>"])
def test_a_body_of_any_kind_is_shown(text):
    assert "".join(pretty(text).split()) == "".join(text.split())
