from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Person, chromium, person
from tests.support.scim_target import ScimTarget, scim_target
from tests.support.service import Service, running_service


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(folder) -> Iterator[Service]:
    """One service for the file, with the shipped policies."""
    with running_service(folder) as service:
        yield service
    assert "unexpected error" not in service.log


@pytest.fixture(scope="module")
def scim() -> Iterator[ScimTarget]:
    with scim_target() as target:
        yield target


@pytest.fixture
def someone(browser, service) -> Iterator[Person]:
    """Somebody who has not signed in yet."""
    with person(browser, service.base) as one:
        yield one


@pytest.fixture
def administrator(someone) -> Person:
    someone.sign_in()
    someone.reads("Overview")
    return someone
