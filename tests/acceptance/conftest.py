from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scim_target import ScimTarget, scim_target
from tests.support.service import Api, Service, running_service

BUGS = ("unexpected error", "runner stumbled", "connector failed", "the policies could not be asked", "panicked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(request, folder) -> Iterator[Service]:
    """One service for the file, with its `POLICIES` (file names and texts) and `SETTINGS` (environment)."""
    policies = getattr(request.module, "POLICIES", {})
    with running_service(folder, policies=policies, **getattr(request.module, "SETTINGS", {})) as service:
        yield service
    assert [line for line in service.log.splitlines() if any(bug in line for bug in BUGS)] == []


@pytest.fixture(scope="module")
def api(service) -> Api:
    return service.api


@pytest.fixture(scope="module")
def scim() -> Iterator[ScimTarget]:
    """The independent SCIM server, and what reached it."""
    with scim_target() as target:
        yield target
