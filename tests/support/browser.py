"""A real browser: Debian's chromium, driven by Playwright, watched for what no page of ours may do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.support.service import ADMIN_PASSWORD

NAMES = ("chromium", "chromium-browser", "google-chrome")
TOLD_ON_THE_PAGE = re.compile(r"Failed to load resource: .* status of (401|403|404|409|412|422|429) ")
"""The browser notes every such answer as an error, also where it is a page that says what is wrong."""
PATIENCE = 30_000
"""Milliseconds that a page may take on a busy machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser. Skips where it is not installed, but fails under CI=true."""
    path = next((found for found in map(shutil.which, NAMES) if found), None)
    if path is None:
        reason = "chromium is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    # Chromium has no sandbox for root, and no large shared memory in a container.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Person:
    """Someone in front of a browser of their own, and everything that went wrong in it."""

    base: str
    page: Page
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("request", self._watch)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not TOLD_ON_THE_PAGE.match(message.text):
            self.wrong.append(f"console: {message.text} at {self.page.url}")

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base}/", "data:")):
            self.wrong.append(f"left the machine: {request.url}")

    def go(self, path: str) -> None:
        """Open a page; its policy must keep out what is written into it."""
        answer = self.page.goto(f"{self.base}{path}")
        assert answer is not None
        policy = answer.header_value("content-security-policy") or ""
        assert "default-src 'none'" in policy, path
        assert "unsafe-inline" not in policy, path

    def sign_in(self, password: str = ADMIN_PASSWORD, name: str = "admin") -> None:
        """Fill in the form of the sign-in page, which is asked for when it is not there."""
        if not self.page.get_by_label("User name").is_visible():
            self.go("/sign-in")
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")

    def press(self, name: str) -> None:
        """Press the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def follow(self, name: str) -> None:
        """Follow the link of that name in the main menu."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).first.click()

    def reads(self, text: str) -> None:
        """Wait until the page says so."""
        self.page.get_by_text(text).locator("visible=true").first.wait_for()

    def serious(self) -> list[str]:
        """What axe finds on this page that keeps people out."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [
            f"{self.page.url}: {one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    def links(self) -> list[str]:
        """The paths of this console that the page links to, without their anchors."""
        found: list[str] = self.page.eval_on_selector_all(
            "a[href]", "links => links.filter(a => a.origin === location.origin).map(a => a.pathname + a.search)"
        )
        return found


@contextmanager
def person(browser: Browser, base: str, **options: Any) -> Iterator[Person]:
    """Somebody with cookies of their own; fails afterwards when anything went wrong in their browser."""
    context: BrowserContext = browser.new_context(**options)
    try:
        one = Person(base, context.new_page())
        yield one
        assert one.wrong == []
    finally:
        context.close()
