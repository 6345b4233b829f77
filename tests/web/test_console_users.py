"""Who may do what: roles of console users, on every page, on every form, and with Basic credentials."""

from __future__ import annotations

import base64

import pytest

from service.app import utc_now
from service.store import users
from service.web.principals import ROLE_RIGHTS
from tests.support.api import Api, policy
from tests.support.console import field, send, sign_in, words

PASSWORD = "a password of their own"
ROLES = ("admin", "policy-editor", "operator", "viewer")


def browser_of(application, role):
    """Somebody with that role, signed in."""
    with application.database.transaction() as tx:
        users.create(tx, f"the-{role}", users.hash_password(PASSWORD), role, utc_now())
    browser = application.web.test_client()
    assert sign_in(browser, f"the-{role}", PASSWORD).status_code == 303
    return browser


def basic(application, role):
    credentials = base64.b64encode(f"the-{role}:{PASSWORD}".encode()).decode()
    return Api(application.web, f"Basic {credentials}")


@pytest.fixture
def administrator(application):
    browser = application.web.test_client()
    assert sign_in(browser).status_code == 303
    return browser


def test_every_role_has_rights_and_a_description():
    from service.web.console.roles import ROLES as SAID  # noqa: PLC0415 - compared here only

    assert set(users.ROLES) == set(ROLE_RIGHTS) == set(SAID)


@pytest.mark.parametrize("role", ROLES)
def test_everyone_sees_pages_and_only_administrators_see_users(application, role):
    browser = browser_of(application, role)
    for page in ("/", "/service-providers", "/service-providers/resident", "/policies", "/policies/all.xml", "/try-it"):
        assert browser.get(page).status_code == 200
    for page in ("/users", "/add-user", "/users/admin"):
        assert browser.get(page).status_code == (200 if role == "admin" else 403)


@pytest.mark.parametrize(
    ("role", "may"), [("admin", True), ("policy-editor", True), ("operator", False), ("viewer", False)]
)
def test_policies_are_written_by_editors_alone_in_the_console_and_with_basic(application, api, role, may):
    browser = browser_of(application, role)
    answer = send(browser, "/edit-policy/all.xml", content=policy("Deny"), action="update")
    assert answer.status_code == (303 if may else 403)
    stored = api.get("/api/v1/policy-files/all.xml").text
    assert stored == (policy("Deny") if may else policy())
    options = {"data": policy(rule="other"), "headers": {"Content-Type": "application/xml"}}
    put = basic(application, role).call("PUT", "/api/v1/policy-files/all.xml", **options)
    assert put.status_code == (200 if may else 403)
    check = basic(application, role).post("/api/v1/policy-checks", {})
    assert check.status_code == (200 if may else 403)


@pytest.mark.parametrize("role", ["policy-editor", "operator", "viewer"])
def test_configuration_and_tokens_are_for_administrators(application, role):
    browser = browser_of(application, role)
    assert send(browser, "/add-service-provider", name="x").status_code == 403
    assert basic(application, role).post("/api/v1/service-providers", {"name": "x"}).status_code == 403
    assert basic(application, role).post("/api/v1/tokens", {"name": "t", "scopes": ["admin"]}).status_code == 403
    assert basic(application, role).get("/api/v1/service-providers").status_code == 200
    form = {"form_token": field(browser.get("/account"), "form_token"), "role": "admin", "action": "update"}
    assert browser.post(f"/users/the-{role}", data=form).status_code == 403


@pytest.mark.parametrize(
    ("role", "may"), [("admin", True), ("policy-editor", False), ("operator", True), ("viewer", False)]
)
@pytest.mark.parametrize("action", ["retry", "cancel", "approve", "reject"])
def test_deliveries_are_steered_by_operators(application, role, may, action):
    browser_of(application, role)
    answer = basic(application, role).post(f"/api/v1/deliveries/no-such-delivery/{action}")
    assert answer.status_code == (404 if may else 403)


@pytest.mark.parametrize("role", ROLES)
def test_everyone_may_try_and_change_their_own_password(application, role):
    browser = browser_of(application, role)
    form = {"serviceProvider": "resident", "identityProvider": "x", "type": "user", "operation": "create", "name": "a"}
    assert send(browser, "/try-it", **form).status_code == 422
    new = {"password_now": PASSWORD, "password_new": "another long password", "password_again": "another long password"}
    assert send(browser, "/account", "/account/password", **new).status_code == 303


def test_an_administrator_makes_changes_and_removes_a_user(application, administrator):
    new = {"name": "Olga", "role": "operator", "password_new": PASSWORD, "password_again": PASSWORD}
    assert send(administrator, "/add-user", **new).location == "/users/olga?done=user"
    olga = application.web.test_client()
    assert sign_in(olga, "OLGA", PASSWORD).status_code == 303
    assert olga.get("/users").status_code == 403

    assert send(administrator, "/users/olga", role="admin", action="update").status_code == 303
    assert olga.get("/users").status_code == 200  # at once, with the session that she has

    other = "quite another password"
    send(administrator, "/users/olga", password_new=other, password_again=other, action="password")
    assert olga.get("/users").status_code == 303  # to the sign-in page
    assert sign_in(olga, "olga", PASSWORD).status_code == 401
    assert sign_in(olga, "olga", other).status_code == 303

    assert send(administrator, "/users/olga", action="delete").location == "/users?done=deleted"
    assert olga.get("/users").status_code == 303
    assert sign_in(olga, "olga", other).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "value"),
    [("name", "a:b"), ("name", ""), ("role", "king"), ("password_new", "short"), ("password_again", "not the same")],
)
def test_what_is_wrong_with_a_new_user_is_told_at_its_field(administrator, wrong, value):
    new = {"name": "olga", "role": "operator", "password_new": PASSWORD, "password_again": PASSWORD, wrong: value}
    answer = send(administrator, "/add-user", **new)
    assert answer.status_code == 422
    assert f'id="{wrong}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert "olga" not in words(administrator.get("/users"))


def test_a_name_that_is_taken_in_any_case_is_told(administrator):
    new = {"name": "ADMIN", "role": "viewer", "password_new": PASSWORD, "password_again": PASSWORD}
    assert send(administrator, "/add-user", **new).status_code == 409


def test_nobody_takes_their_own_role(application, administrator):
    form = {"form_token": field(administrator.get("/account"), "form_token"), "role": "viewer", "action": "update"}
    assert administrator.post("/users/admin", data=form).status_code == 409
    assert administrator.get("/users").status_code == 200


def test_the_last_administrator_stays(application):
    with application.database.transaction() as tx:
        with pytest.raises(users.LastAdministrator):
            users.set_role(tx, "admin", "viewer", utc_now())
        with pytest.raises(users.LastAdministrator):
            users.remove(tx, "Admin")
        users.create(tx, "second", "hash", "admin", utc_now())
        users.remove(tx, "admin")
