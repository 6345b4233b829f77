"""Who may come in, and what happens when two people are there, or when one stays too long."""

from __future__ import annotations

import pytest

from tests.support.browser import person
from tests.support.service import ADMIN_PASSWORD

pytestmark = pytest.mark.xdist_group("console-people")


def test_after_five_wrong_passwords_one_has_to_wait(someone):
    for _ in range(5):
        someone.sign_in("not the password", name="nobody-in-particular")
        someone.reads("The user name or the password is wrong.")
    someone.sign_in(ADMIN_PASSWORD, name="nobody-in-particular")
    someone.reads("Too many wrong passwords")


def test_what_was_typed_into_a_policy_survives_the_end_of_the_session(administrator, browser, service):
    page = administrator.page
    administrator.go("/edit-policy/sandbox.xml")
    editor = page.get_by_label("Policy", exact=True)
    changed = editor.input_value().replace("Users who are neither.", "Users who are neither, kept while signed out.")
    editor.fill(changed)
    with person(browser, service.base) as elsewhere:
        elsewhere.sign_in()
        elsewhere.go("/account")
        elsewhere.press("Sign out everywhere")
    administrator.press("Save")
    administrator.reads("Your session has ended.")
    administrator.sign_in()
    administrator.reads("You are signed in again")
    administrator.press("Send it")
    administrator.reads("Written. The policies decide with it now.")
    administrator.reads("kept while signed out.")


def test_of_two_who_edit_the_same_provider_the_second_is_told_and_overwrites_nothing(administrator, browser, service):
    service.api.service_provider("shared")
    administrator.go("/service-providers/shared")
    administrator.page.get_by_label("Description").fill("what the second one wanted")
    with person(browser, service.base) as first:
        first.sign_in()
        first.go("/service-providers/shared")
        first.page.get_by_label("Description").fill("what the first one wanted")
        first.page.locator(".actions").get_by_role("button", name="Update").click()
        first.reads("Saved.")
    administrator.page.locator(".actions").get_by_role("button", name="Update").click()
    administrator.reads("Somebody else changed this since you opened it.")
    assert administrator.page.get_by_label("Description").input_value() == "what the second one wanted"
    assert service.api.get("/service-providers/shared")["description"] == "what the first one wanted"


def test_of_two_who_edit_the_same_policy_the_second_is_told_and_overwrites_nothing(administrator, service):
    administrator.go("/edit-policy/sandbox.xml")
    editor = administrator.page.get_by_label("Policy", exact=True)
    before = service.policies.joinpath("sandbox.xml").read_text()
    service.write_policy("sandbox.xml", f"{before}<!-- by hand -->\n")
    editor.fill(f"{before}<!-- in the console -->\n")
    administrator.press("Save")
    administrator.reads("Somebody else changed this since you opened it.")
    assert "in the console" in editor.input_value()
    assert service.policies.joinpath("sandbox.xml").read_text().endswith("<!-- by hand -->\n")
