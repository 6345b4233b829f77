"""The whole way that an administrator goes, in a browser: from signing in to a policy that was broken and mended."""

from __future__ import annotations

import pytest

from tests.support.service import eventually

pytestmark = pytest.mark.xdist_group("console-way")

ENGINEER = {"roles": [{"value": "eng"}]}
TAGGED = "</Condition>"


def row(page, name):
    """The row of an identity provider in the outbound provisioning configuration."""
    return page.get_by_role("group", name=name)


def edit(administrator, change):
    """Change the text of the policy in its editor."""
    page = administrator.page
    text = page.get_by_label("Policy", exact=True).input_value()
    page.get_by_label("Policy", exact=True).fill(change(text))


def test_without_an_identity_provider_the_configuration_says_what_is_missing(administrator):
    administrator.follow("Resident")
    administrator.page.get_by_text("Outbound Provisioning Configuration").click()
    administrator.reads("There is no identity provider yet")


def test_an_administrator_sets_everything_up_and_sees_what_the_policies_do(administrator, service, scim):
    page = administrator.page
    service.api.identity_provider("sandbox", "scim2", scim.properties)

    # A service provider, by its name alone.
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Add", exact=True).first.click()
    page.get_by_label("Name").fill("hr-portal")
    administrator.press("Register")
    administrator.reads("Created. Configure it below.")

    # Its outbound provisioning configuration.
    section = page.locator("details#outbound")
    if section.get_attribute("open") is None:
        section.locator("summary").click()
    page.get_by_label("Identity provider", exact=True).select_option("sandbox")
    administrator.press("Add identity provider")
    for box in ("Blocking", "Enable Rules", "Enable JIT"):
        assert not row(page, "sandbox").get_by_label(box).is_checked()
        row(page, "sandbox").get_by_label(box).check()
    row(page, "sandbox").get_by_label("Connector").select_option(label="SCIM 2.0 (scim2)")
    page.locator(".actions").get_by_role("button", name="Update").click()
    administrator.reads("Saved.")
    page.reload()
    for box in ("Blocking", "Enable Rules", "Enable JIT"):
        assert row(page, "sandbox").get_by_label(box).is_checked()

    # What the policies make of two users.
    assert service.api.provisioned("hr-portal", "create", "alice", ENGINEER)["state"] == "delivered"
    assert service.api.provisioned("hr-portal", "create", "mallory")["state"] == "refused"
    administrator.follow("Overview")
    administrator.reads("alice")
    administrator.reads("delivered")
    administrator.reads("everyone-else-stays-out")

    # Activity tells both, and of the refused one why.
    administrator.follow("Activity")
    page.get_by_label("State").select_option("refused")
    administrator.press("Show")
    page.wait_for_url("**/activity?state=refused")
    page.locator("tbody tr", has_text="mallory").get_by_role("link").first.click()
    administrator.reads("Refused by policy at acceptance")
    administrator.reads("everyone-else-stays-out")
    assert administrator.serious() == []
    administrator.follow("Activity")
    page.locator("tbody tr", has_text="alice").get_by_role("link").first.click()
    administrator.reads("Attempt 1: create")
    page.locator(".exchange", has_text="201").first.wait_for()
    assert administrator.serious() == []

    # A broken policy is told at its line, and changes nothing.
    administrator.follow("Policies")
    page.get_by_role("link", name="sandbox.xml").first.click()
    page.get_by_role("link", name="Edit").click()
    edit(administrator, lambda text: text.replace(TAGGED, "</Conditio>", 1))
    administrator.press("Save")
    administrator.reads("Nothing was written.")
    page.locator("li.wrong").wait_for()
    assert "</Conditio>" in page.get_by_label("Policy", exact=True).input_value()
    assert service.api.call("GET", "/readyz").json()["status"] == "ok"

    # Mended and changed, it decides at once.
    edit(administrator, lambda text: text.replace("</Conditio>", TAGGED).replace(">eng<", ">contractor<", 1))
    administrator.press("Save")
    administrator.reads("Written. The policies decide with it now.")
    contractor = {"roles": [{"value": "contractor"}]}
    assert service.api.provisioned("hr-portal", "create", "carol", contractor)["state"] == "delivered"
    assert service.api.provisioned("hr-portal", "create", "dave", ENGINEER)["state"] == "refused"
    administrator.follow("Users and groups")
    page.get_by_label("Name").fill("carol")
    administrator.press("Search")
    page.get_by_role("link", name="carol", exact=True).click()
    administrator.reads("At each target")


def test_a_folder_that_somebody_else_broke_is_told_on_every_page(administrator, service):
    path = service.policies / "sandbox.xml"
    good = path.read_text()
    try:
        service.write_policy("sandbox.xml", good.replace(TAGGED, "</Conditio>", 1))
        eventually(lambda: service.api.call("GET", "/readyz").json()["status"] == "degraded", "the break is seen")
        administrator.follow("List")
        administrator.reads("Policies degraded:")
        administrator.page.get_by_role("status").get_by_role("link").first.click()
        administrator.page.locator("li.wrong").wait_for()
    finally:
        service.write_policy("sandbox.xml", good)
        eventually(lambda: service.api.call("GET", "/readyz").json()["status"] == "ok", "the policies are in order")


def test_trying_shows_the_decision_open_where_it_was_made(administrator):
    page = administrator.page
    administrator.follow("Try it")
    page.get_by_label("Service provider").select_option("hr-portal")
    page.get_by_label("Identity provider").select_option("sandbox")
    page.get_by_label("Name").fill("mallory")
    administrator.press("Decide")
    administrator.reads("It would be refused.")
    decided = page.locator(".tree .decided")
    decided.wait_for()
    assert decided.is_visible()
    assert "everyone-else-stays-out" in decided.inner_text()
    # The rule that did not apply is there, and folded.
    assert not page.locator(".tree .kind", has_text="function").first.is_visible()
