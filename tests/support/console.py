"""The console through Flask's test client: signing in, and forms as a browser sends them."""

from __future__ import annotations

import html
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.api import PASSWORD


def field(answer: TestResponse, name: str) -> str:
    """The value of a hidden field of the page."""
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', answer.text)
    assert found, f"{name}: {answer.text}"
    return html.unescape(found[1])


def words(answer: TestResponse) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def sign_in(browser: FlaskClient, name: str = "admin", password: str = PASSWORD) -> TestResponse:
    """Sign in with a form of the page that asks for it."""
    form = {"user": name, "password": password, "next": "/", "form_token": field(browser.get("/sign-in"), "form_token")}
    return browser.post("/sign-in", data=form)


def send(browser: FlaskClient, page: str, address: str | None = None, **form: str) -> TestResponse:
    """Open a page and send its form, with what is hidden in it."""
    shown = browser.get(page)
    assert shown.status_code == 200, shown.text
    hidden = {
        name: field(shown, name) for name in ("form_token", "etag", "template") if f'name="{name}" value=' in shown.text
    }
    return browser.post(address or page.partition("?")[0], data=hidden | form)
