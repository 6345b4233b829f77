"""An embedded database and a port belong to one service at a time: a second one says so, and ends."""

from __future__ import annotations

import pytest

from tests.support.service import SHIPPED_POLICIES, Service, free_port

pytestmark = pytest.mark.xdist_group("acceptance-one-process")


@pytest.fixture
def first(tmp_path):
    """A service that runs."""
    service = Service(tmp_path, {"SLUICE_POLICIES": str(SHIPPED_POLICIES)})
    service.start()
    yield service
    if service.process is not None:
        service.stop()


def ended(service):
    """The exit status of a service that does not stay."""
    service.launch()
    status = service.process.wait(40)
    service.process = None
    return status


def test_a_second_service_does_not_deliver_from_the_same_folder(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    second = Service(folder, {**first.settings, "SLUICE_DATA": str(first.data)}, port=free_port())
    assert ended(second) == 1
    assert f"`{first.data / 'sluice.db'}` is in use by another process of Sluice" in second.log
    assert "Traceback" not in second.log
    assert first.api.call("GET", "/readyz").ok


def test_a_second_service_does_not_answer_at_the_same_port(first, tmp_path_factory):
    second = Service(tmp_path_factory.mktemp("second"), first.settings, port=first.port)
    assert ended(second) == 1
    assert f"cannot listen at 127.0.0.1:{first.port}" in second.log
    assert "Traceback" not in second.log


def test_after_a_kill_the_folder_is_free_at_once(first):
    first.kill9()
    first.start()
    assert first.api.call("GET", "/readyz").ok
