"""Every page that can be reached, in both colour schemes and on a narrow screen: nothing there keeps people out."""

from __future__ import annotations

import re

import pytest

from tests.support.browser import person
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("console-everyone")

MOST_OF_A_KIND = 3
"""Of pages that differ by what they are about only, as many are looked at."""


@pytest.fixture(scope="module")
def furnished(service, scim):
    """A service with something on every page."""
    service.api.identity_provider("sandbox", "scim2", scim.properties)
    service.api.service_provider("hr-portal", row("sandbox", rules=True))
    service.api.provisioned("hr-portal", "create", "alice", {"roles": [{"value": "eng"}]})
    service.api.provisioned("hr-portal", "create", "mallory")
    return service


def every_page(administrator):
    """Open each page that links lead to, the sign-in page first."""
    administrator.go("/sign-in")
    yield "/sign-in"
    administrator.sign_in()
    waiting, seen, kinds = ["/"], set(), {}
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"(?<=[a-z])/.*|\?.*", "", path)
        if path in seen or kinds.get(kind, 0) >= MOST_OF_A_KIND:
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        administrator.go(path)
        yield path
        waiting += administrator.links()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)], ids=["light", "dark", "narrow"]
)
def test_no_page_keeps_anybody_out(furnished, browser, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with person(browser, furnished.base, **options) as administrator:
        looked_at = []
        for path in every_page(administrator):
            looked_at.append(path)
            assert administrator.serious() == []
            wider = administrator.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wider <= 0, f"{path} is wider than the screen by {wider} pixels"
    assert {
        "/",
        "/activity",
        "/requests",
        "/entities",
        "/kept-accounts",
        "/policies",
        "/try-it",
        "/account",
        "/service-providers/hr-portal",
    } <= set(looked_at)


def test_neither_what_is_wrong_nor_an_explanation_keeps_anybody_out(furnished, browser):
    with person(browser, furnished.base) as administrator:
        administrator.sign_in()
        page = administrator.page
        administrator.go("/edit-policy/sandbox.xml")
        editor = page.get_by_label("Policy", exact=True)
        editor.fill(editor.input_value().replace("</Condition>", "</Conditio>", 1))
        administrator.press("Check")
        administrator.reads("This would be refused.")
        assert administrator.serious() == []
        administrator.go("/try-it")
        page.get_by_label("Service provider").select_option("hr-portal")
        page.get_by_label("Identity provider").select_option("sandbox")
        page.get_by_label("Name").fill("alice")
        administrator.press("Decide")
        administrator.reads("It would leave.")
        assert administrator.serious() == []
        administrator.go("/there-is-no-such-page")
        assert administrator.serious() == []


def test_the_skip_link_and_the_menu_work_from_the_keyboard(furnished, browser):
    with person(browser, furnished.base) as administrator:
        administrator.sign_in()
        administrator.reads("Overview")
        page = administrator.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.wait_for_function("document.activeElement.id === 'content'")
