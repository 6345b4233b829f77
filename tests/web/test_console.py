"""The console over the real application: sessions, forms, and what a page may and may not show."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from service.web.console.visitors import SESSION_COOKIE
from tests.support.api import PASSWORD

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def browser(application):
    return application.web.test_client()


def token_on(answer):
    found = re.search(r'name="form_token" value="([^"]+)"', answer.text)
    assert found, answer.text
    return html.unescape(found[1])


def sign_in(browser, password=PASSWORD, name="admin", following="/"):
    token = token_on(browser.get("/sign-in"))
    form = {"user": name, "password": password, "next": following, "form_token": token}
    return browser.post("/sign-in", data=form)


@pytest.fixture
def signed_in(browser):
    assert sign_in(browser).status_code in {200, 303}
    return browser


def test_without_a_session_there_is_only_the_sign_in_page(browser):
    assert "password" in browser.get("/").text
    answer = browser.get("/service-providers")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/service-providers")


def test_a_lost_browser_gets_a_page_and_no_question_for_credentials(browser):
    lost = browser.get("/no-such-page", headers={"Accept": "text/html"})
    assert (lost.status_code, lost.location) == (303, "/sign-in?next=/no-such-page")
    sign_in(browser)
    lost = browser.get("/no-such-page", headers={"Accept": "text/html"})
    assert (lost.status_code, lost.mimetype) == (404, "text/html")
    assert "WWW-Authenticate" not in lost.headers
    assert "default-src 'none'; style-src" in lost.headers["Content-Security-Policy"]
    assert browser.get("/api/v1/no-such-thing", headers={"Accept": "text/html"}).status_code == 401
    assert browser.get("/no-such-page").status_code == 401


def test_the_api_answers_json_to_who_is_not_signed_in(browser):
    answer = browser.get("/api/v1/service-providers")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_a_signed_in_administrator_adds_a_service_provider_by_its_name_alone(signed_in):
    token = token_on(signed_in.get("/add-service-provider"))
    answer = signed_in.post("/add-service-provider", data={"name": "hr-portal", "form_token": token})
    assert answer.status_code == 303
    assert "hr-portal" in signed_in.get(answer.location.partition("#")[0]).text
    assert "hr-portal" in signed_in.get("/service-providers").text


def test_a_name_that_is_taken_is_told_and_the_input_is_kept(signed_in):
    token = token_on(signed_in.get("/add-service-provider"))
    for _ in range(2):
        answer = signed_in.post("/add-service-provider", data={"name": "twice", "form_token": token})
    assert answer.status_code == 409
    assert 'value="twice"' in answer.text
    assert "exists already" in answer.text


def test_a_form_without_its_token_changes_nothing(signed_in):
    assert signed_in.post("/add-service-provider", data={"name": "forged"}).status_code == 403
    assert "forged" not in signed_in.get("/service-providers").text


def test_a_hostile_name_is_text_on_every_page(signed_in):
    token = token_on(signed_in.get("/add-service-provider"))
    hostile = "<script>alert(1)<script>"
    signed_in.post("/add-service-provider", data={"name": hostile, "form_token": token})
    shown = signed_in.get("/service-providers").text
    assert hostile not in shown
    assert html.escape(hostile) in shown


def test_what_a_message_names_is_shown_as_code_and_never_as_markup(signed_in):
    shown = signed_in.get("/service-providers/no%3Cb%3Ebody")
    assert shown.status_code == 404
    assert "<code>no&lt;b&gt;body</code>" in shown.text
    assert "no<b>body" not in shown.text


def test_after_five_wrong_passwords_even_the_right_one_must_wait(browser):
    for _ in range(5):
        assert sign_in(browser, "wrong").status_code == 401
    answer = sign_in(browser)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_no_address_elsewhere_is_gone_to_after_signing_in(browser):
    assert "evil.example" not in (sign_in(browser, following="//evil.example/").location or "")


def test_a_session_ends_at_sign_out_on_the_server_too(signed_in):
    cookie = signed_in.get_cookie(SESSION_COOKIE)
    signed_in.post("/sign-out", data={"form_token": token_on(signed_in.get("/service-providers"))})
    signed_in.set_cookie(SESSION_COOKIE, cookie.value)
    assert signed_in.get("/service-providers").status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser):
    cookie = next(c for c in sign_in(browser).headers.getlist("Set-Cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie or "SameSite=Strict" in cookie


def test_pages_allow_no_inline_script_and_no_framing(signed_in):
    policy = signed_in.get("/service-providers").headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy


def test_an_idle_session_ends(application, signed_in):
    from service.store.models import ConsoleSessionRow  # noqa: PLC0415 - only to age the session

    with application.database.transaction() as tx:
        for row in tx.query(ConsoleSessionRow):
            row.seen_at -= timedelta(hours=1)
    assert signed_in.get("/service-providers").status_code == 303


def test_an_identity_provider_is_chosen_and_its_boxes_are_kept(api, signed_in):
    connector = {"type": "scim2", "properties": {"scim2-user-ep": "http://127.0.0.1:9/Users"}}
    connector["properties"] |= {"scim2-authentication-mode": "bearer", "scim2-access-token": "a-very-secret-token"}
    assert api.post("/api/v1/identity-providers", {"name": "acme", "connectors": [connector]}).status_code == 201
    assert api.post("/api/v1/service-providers", {"name": "hr"}).status_code == 201
    shown = signed_in.get("/service-providers/hr")
    etag = html.unescape(re.search(r'name="etag" value="([^"]+)"', shown.text)[1])
    row = "outboundProvisioning[0]"
    form = {
        "form_token": token_on(shown),
        "etag": etag,
        "name": "hr",
        "description": "",
        "outboundProvisioning.count": "1",
    }
    form |= {f"{row}.identityProvider": "acme", f"{row}.connector": "scim2", f"{row}.enableRules": "on"}
    saved = signed_in.post("/service-providers/hr", data={**form, "action": "update"})
    assert saved.status_code == 303, saved.text
    stored = api.get("/api/v1/service-providers/hr").json["outboundProvisioning"]
    assert [(one["identityProvider"], one["enableRules"], one["blocking"]) for one in stored] == [("acme", True, False)]
    assert "a-very-secret-token" not in signed_in.get("/service-providers/hr").text
    # Somebody who still has the page of before is told, and overwrites nothing.
    late = signed_in.post("/service-providers/hr", data={**form, "action": "update"})
    assert late.status_code == 412
    assert "Somebody else changed this" in late.text


def test_the_overview_tells_what_happened_and_why(api, signed_in):
    assert "Nothing was provisioned yet" in signed_in.get("/").text
    entity = {"type": "user", "name": "alice", "attributes": {}}
    assert api.post("/api/v1/provisioning-requests", {"operation": "create", "entity": entity}).status_code == 200
    shown = signed_in.get("/").text
    assert "alice" in shown
    assert "no target" in shown
