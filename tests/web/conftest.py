from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from service import app as composition
from service.config import PRIVATE, Settings
from tests.support.api import ADMIN_TOKEN, PASSWORD, Api, policy

structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


@pytest.fixture
def policies_folder(tmp_path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "all.xml").write_text(policy())
    return folder


@pytest.fixture
def settings(tmp_path, policies_folder) -> Settings:
    return Settings(
        data=tmp_path / "data",
        policies=policies_folder,
        admin_token=ADMIN_TOKEN,
        admin_password=PASSWORD,
        allow_targets=PRIVATE,
    )


@pytest.fixture
def application(settings):
    application = composition.assemble(settings)
    application.policies.refresh()
    yield application
    application.stop()


@pytest.fixture
def api(application) -> Api:
    return Api(application.web, f"Bearer {ADMIN_TOKEN}")
