"""Identity providers in the console: added, configured by forms, with secrets that are never shown."""

from __future__ import annotations

import html
import re

import pytest

from tests.support.api import PASSWORD

PAGE = "/identity-providers/acme"
SECRET = "a-very-secret-token"
FIELD = "connectors[0]"


def hidden(answer, name):
    found = re.search(rf'name="{name}" value="([^"]+)"', answer.text)
    assert found, answer.text
    return html.unescape(found[1])


@pytest.fixture
def browser(application):
    browser = application.web.test_client()
    token = hidden(browser.get("/sign-in"), "form_token")
    browser.post("/sign-in", data={"user": "admin", "password": PASSWORD, "form_token": token})
    token = hidden(browser.get("/add-identity-provider"), "form_token")
    assert browser.post("/add-identity-provider", data={"name": "acme", "form_token": token}).status_code == 303
    return browser


def form(browser, **more):
    shown = browser.get(PAGE)
    own = {name: hidden(shown, name) for name in ("form_token", "etag")}
    durations = {"firstRetry": "2", "longestRetry": "86400", "giveUpAfter": "604800", "exchangeTimeout": "20"}
    own |= {f"delivery.{name}": value for name, value in durations.items()} | {"name": "acme", "enabled": "on"}
    own |= {"connectors.count": "1", f"{FIELD}.type": "scim2", f"{FIELD}.enabled": "on"}
    own |= {f"{FIELD}.properties.scim2-user-ep": "http://127.0.0.1:9/Users"}
    own |= {f"{FIELD}.properties.scim2-authentication-mode": "bearer"}
    return own | more


def with_secret(browser, **more):
    return form(browser, **{f"{FIELD}.properties.scim2-access-token": SECRET}, **more)


def test_a_connector_is_configured_and_its_secret_is_never_shown_again(api, browser):
    saved = browser.post(PAGE, data=with_secret(browser))
    assert saved.status_code == 303, saved.text
    assert SECRET not in browser.get(PAGE).text
    kept = form(browser, **{f"{FIELD}.kept": "scim2-access-token"})
    assert browser.post(PAGE, data=kept).status_code == 303
    properties = api.get("/api/v1/identity-providers/acme").json["connectors"][0]["properties"]
    assert properties["scim2-access-token"] == "********"


def test_what_is_wrong_is_said_beside_its_field_and_the_input_is_kept(browser):
    wrong = {f"{FIELD}.properties.scim2-user-ep": "no address", "delivery.firstRetry": "soon"}
    answer = browser.post(PAGE, data=with_secret(browser) | wrong)
    assert answer.status_code == 422
    assert 'id="delivery.firstRetry-error"' in answer.text
    assert 'value="soon"' in answer.text
    assert 'value="no address"' in answer.text


def test_rows_of_mappings_are_added_and_removed_without_a_script(browser):
    added = browser.post(PAGE, data=form(browser, action="add:claimMappings"))
    assert 'name="claimMappings[0].local"' in added.text
    row = {"claimMappings.count": "1", "claimMappings[0].local": "userName"}
    removed = browser.post(PAGE, data=form(browser, action="remove:claimMappings.0") | row)
    assert 'name="claimMappings[0].local"' not in removed.text


def test_the_second_of_two_administrators_is_told_and_overwrites_nothing(api, browser):
    late = with_secret(browser)
    assert browser.post(PAGE, data=with_secret(browser)).status_code == 303
    answer = browser.post(PAGE, data={**late, "roleMappings.count": "0", "enabled": ""})
    assert answer.status_code == 412
    assert "Somebody else changed this" in answer.text
    assert api.get("/api/v1/identity-providers/acme").json["enabled"] is True


def test_a_connection_test_says_what_it_found(browser):
    browser.post(PAGE, data=with_secret(browser))
    answer = browser.post(PAGE, data=form(browser, action="test:scim2"))
    assert "The connection does not work." in answer.text


def test_an_identity_provider_is_paused_and_resumed_and_deleted(api, browser):
    browser.post(PAGE, data=form(browser, action="pause"))
    assert "paused" in browser.get("/identity-providers").text
    browser.post(PAGE, data=form(browser, action="resume"))
    assert api.get("/api/v1/identity-providers/acme").json["paused"] is False
    assert browser.post(PAGE, data=form(browser, action="delete")).status_code == 303
    assert api.get("/api/v1/identity-providers/acme").status_code == 404
