"""`sluice worker`: delivers what a service accepts, from its own process, and ends in order."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import select, text

from service.store.announcements import Listener, announce
from service.store.database import Database
from service.store.models import LaneRow
from tests.support import postgresql
from tests.support.flaky import flaky_target
from tests.support.scim_target import scim_target
from tests.support.service import Api, Service, Worker, eventually, free_port, row

pytestmark = pytest.mark.xdist_group("acceptance-worker")

PERMIT = """<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="all" Version="1.0"
    RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides">
  <Target/><Rule RuleId="all" Effect="Permit"/></Policy>"""


@pytest.fixture(scope="module")
def url():
    with postgresql.server() as url:
        with closing(Database(url)) as database:
            database.migrate()
        yield url


@pytest.fixture(scope="module")
def database(url):
    with closing(Database(url)) as database:
        yield database


@pytest.fixture(scope="module")
def settings(url):
    key = base64.b64encode(bytes(range(32))).decode()
    return {"SLUICE_DATABASE_URL": url, "SLUICE_SECRET_KEY": key}


@pytest.fixture(scope="module")
def service(settings, tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("web"), settings | {"SLUICE_RUNNERS": "0"})
    service.write_policy("all.xml", PERMIT)
    with ExitStack() as stack:
        service.start()
        stack.callback(service.stop)
        yield service


@pytest.fixture
def worker(service, settings, tmp_path):
    worker = Worker(tmp_path, settings | {"SLUICE_POLICIES": ""})
    worker.start()
    yield worker
    if worker.process is not None:
        worker.stop()


@pytest.fixture(scope="module")
def scim():
    with scim_target() as target:
        yield target


def test_a_worker_delivers_what_a_service_without_runners_accepted_and_follows_its_policies(service, worker, scim):
    api = service.api
    api.identity_provider("acme", "scim2", scim.properties)
    api.service_provider("hr", row("acme", blocking=False, rules=True))
    accepted = api.provision("hr", "create", "from-afar")
    assert api.settled(accepted["id"])["state"] == "delivered"
    assert worker.log.count('"event": "delivered"') == 1
    assert service.log.count('"event": "delivered"') == 0


def test_a_worker_that_is_told_to_end_finishes_what_it_sends_and_hands_the_rest_back(service, worker, database, scim):
    api = service.api
    with flaky_target(scim) as flaky:
        flaky.next("delay", method="POST", seconds=2)
        api.identity_provider("slow", "scim2", flaky.properties)
        api.service_provider("patient", row("slow", blocking=False))
        sent = api.provision("patient", "create", "under-way")
        rest = api.provision("patient", "modify", "under-way", patch=[{"op": "replace", "path": "title", "value": "B"}])
        eventually(lambda: "POST" in flaky.methods(), "the account is being made")
        assert worker.stop() == 0
        assert api.get(f"/provisioning-requests/{sent['id']}")["state"] == "delivered"
        with database.read() as tx:
            assert tx.scalars(select(LaneRow).where(LaneRow.lease_until.is_not(None))).all() == []
        worker.start()
        assert api.settled(rest["id"])["state"] == "delivered"


def test_a_worker_tells_how_it_fares_at_an_address_of_its_own(service, settings, scim, tmp_path):
    port = free_port()
    worker = Worker(tmp_path, settings | {"SLUICE_POLICIES": "", "SLUICE_WORKER_METRICS": f"127.0.0.1:{port}"})
    beside = Api(f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        worker.start()
        stack.callback(worker.stop)
        stack.callback(beside.session.close)
        service.api.identity_provider("measured", "scim2", scim.properties)
        service.api.service_provider("measuring", row("measured", blocking=False, rules=True))
        sent = service.api.provision("measuring", "create", "counted")
        assert service.api.settled(sent["id"])["state"] == "delivered"
        counted = 'sluice_deliveries_total{state="delivered",target="measured"} 1.0'
        eventually(lambda: counted in beside.call("GET", "/metrics").text, "the worker has counted it")
        assert Api(beside.base, token=None).call("GET", "/metrics").status_code == 401
        ready = Api(beside.base, token=None).call("GET", "/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (200, "ok", "ok")
        for path in ("/", "/service-providers", "/sign-in"):
            assert beside.call("GET", path).status_code == 404
        other = Worker(tmp_path / "other", worker.settings)
        other.folder.mkdir()
        other.launch()
        assert other.process.wait(60) == 1
        assert f"sluice: cannot listen at 127.0.0.1:{port}" in other.log


def test_only_the_service_makes_the_administrator_and_tells_the_password_however_early_a_worker_starts(tmp_path):
    nobody = {"SLUICE_ADMIN_PASSWORD": ""}
    with postgresql.server() as url, ExitStack() as stack:
        with closing(Database(url)) as database:
            database.migrate()
        settings = {"SLUICE_DATABASE_URL": url, "SLUICE_SECRET_KEY": base64.b64encode(bytes(32)).decode()}
        for name in ("worker", "web"):
            (tmp_path / name).mkdir()
        worker = Worker(tmp_path / "worker", settings | nobody | {"SLUICE_POLICIES": ""})
        worker.start()
        stack.callback(worker.stop)
        service = Service(tmp_path / "web", settings | nobody | {"SLUICE_RUNNERS": "0"})
        service.start()
        stack.callback(service.stop)
        assert "password" not in worker.log
        [password] = re.findall(r"made the administrator `admin` with the password (\S+)", service.log)
        as_admin = {"auth": ("admin", password)}
        assert Api(service.base, token=None).call("GET", "/service-providers", **as_admin).status_code == 200


def test_on_sqlite_a_worker_says_why_it_cannot_help(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "service", "worker"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 2
    assert "SLUICE_DATABASE_URL: a worker needs PostgreSQL" in found.stderr


def test_what_is_announced_is_heard_elsewhere_after_the_commit_also_when_the_connection_was_lost(url, database):
    heard = threading.Event()
    with closing(Database(url)) as other:
        listener = Listener(other, heard.set)
        listener.start()
        try:
            assert heard.wait(30)  # it looks once when it begins
            for _ in range(2):
                heard.clear()
                with database.transaction() as tx:
                    announce(tx)
                    assert not heard.wait(0.5)
                assert heard.wait(30)
                heard.clear()
                with database.transaction() as tx:
                    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
                    assert tx.execute(text(others)).all()
                assert heard.wait(30)  # connected again: it looks for what it missed
        finally:
            listener.stop()
