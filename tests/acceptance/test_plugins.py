"""The example plug-in, installed beside the service as a distribution: listed, and provisioned through by HTTP."""

import json
import os
import subprocess
import sys

import pytest

from tests.plugin_example.tests.grafana import PASSWORD, GrafanaTarget, serving
from tests.support.distributions import EXAMPLE, install, write_metadata
from tests.support.service import row, running_service

pytestmark = pytest.mark.xdist_group("acceptance-plugins")

ROOT = EXAMPLE.parents[1]
BROKEN = {
    "gone": "no_such_module_of_a_plugin:Thing",
    "half": "half_a_plugin:Half",
    "shadow": "half_a_plugin:Shadow",
}
HALF = """
from sluice_grafana import Grafana

class Half:
    type = "half"

class Shadow(Grafana):
    type = "scim2"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    install(EXAMPLE, folder)
    return folder


@pytest.fixture(scope="module")
def broken_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken-site")
    (folder / "half_a_plugin.py").write_text(HALF)
    write_metadata(folder, "half-a-plugin", "0.1", BROKEN)
    return folder


def path(*sites):
    return os.pathsep.join(map(str, (ROOT, *sites)))


def listing(folder, *sites, words=("--json",)):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return subprocess.run(
        [sys.executable, "-m", "service", "connectors", *words],
        env={**clean, "PYTHONPATH": path(*sites)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def grafana():
    target = GrafanaTarget()
    with serving(target) as base:
        target.base = base
        yield target


@pytest.fixture(scope="module")
def service(tmp_path_factory, site, broken_site):
    with running_service(
        tmp_path_factory.mktemp("service"), policies={}, PYTHONPATH=path(site, broken_site)
    ) as service:
        yield service


@pytest.fixture(scope="module")
def api(service, grafana):
    service.api.identity_provider("dashboards", "grafana", grafana.properties(grafana.base))
    service.api.service_provider("hr", row("dashboards"))
    return service.api


def test_an_installed_plugin_is_listed_with_its_settings(tmp_path, site):
    done = listing(tmp_path, site)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert listed["broken"] == []
    found = next(one for one in listed["items"] if one["type"] == "grafana")
    assert (found["displayName"], found["builtIn"]) == ("Grafana", False)
    keys = ["grafana-url", "grafana-username", "grafana-password", "grafana-nested-groups"]
    assert [one["key"] for one in found["properties"]] == keys
    assert found["properties"][2]["confidential"]


def test_the_listing_for_people_has_every_connector_and_setting(tmp_path, site):
    done = listing(tmp_path, site, words=())
    assert done.returncode == 0, done.stderr
    assert "grafana: Grafana (plug-in)" in done.stdout
    assert "  grafana-url: URL (url, required)" in done.stdout
    assert "scim2: SCIM 2.0\n" in done.stdout


def test_bad_plugins_are_told_with_their_reasons_and_stop_no_other(tmp_path, site, broken_site):
    done = listing(tmp_path, site, broken_site)
    assert done.returncode == 1
    listed = json.loads(done.stdout)
    reasons = {one["name"]: one["message"] for one in listed["broken"]}
    assert "ModuleNotFoundError" in reasons["gone"]
    assert "it has no `display_name`" in reasons["half"]
    assert "type `scim2` is taken" in reasons["shadow"]
    assert {"scim2", "scim", "spml", "googleapps", "salesforce", "grafana"} <= {one["type"] for one in listed["items"]}


def test_the_service_offers_the_plugin_beside_bad_ones_and_tells_their_reasons(api):
    listed = api.get("/connectors")
    assert "grafana" in {one["type"] for one in listed["items"]}
    reasons = {one["name"]: one["message"] for one in listed["broken"]}
    assert reasons.keys() == BROKEN.keys()
    assert "ModuleNotFoundError" in reasons["gone"]
    assert "type `scim2` is taken" in reasons["shadow"]
    tested = api.post("/identity-providers/dashboards/connectors/grafana/test")
    assert tested["good"], tested


def test_a_wrong_setting_of_the_plugin_is_a_field_error(api, grafana):
    properties = {**grafana.properties(grafana.base), "grafana-username": "a:b"}
    body = {"name": "other", "connectors": [{"type": "grafana", "properties": properties}]}
    answer = api.call("POST", "/identity-providers", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "connectors[0].properties.grafana-username"


def test_users_and_groups_live_and_leave_through_the_plugin(api, grafana):
    alice = {"displayName": "Alice <L>", "emails": [{"value": "alice@example.com"}], "password": "Secret-of-alice-1"}
    made = api.provisioned("hr", "create", "alice", alice)
    assert made["state"] == "delivered", made
    number = int(made["deliveries"][0]["provisionedIdentifier"])
    assert grafana.users[number]["password"] == "Secret-of-alice-1"

    group = api.provisioned("hr", "create", "ops", {"members": [{"value": made["entity"]["id"]}]}, type_="group")
    team = int(group["deliveries"][0]["provisionedIdentifier"])
    assert grafana.teams[team]["members"] == [number]

    off = api.provisioned("hr", "replace", "alice", {"displayName": "Alice", "active": False})
    assert off["state"] == "delivered"
    assert (grafana.users[number]["isDisabled"], grafana.users[number]["name"]) == (True, "Alice")
    assert grafana.users[number]["password"] == "Secret-of-alice-1"

    recorded = json.dumps([api.delivery(one["deliveries"][0]["id"]) for one in (made, group, off)])
    assert "Secret-of-alice-1" not in recorded
    assert PASSWORD not in recorded

    api.provisioned("hr", "delete", "ops", type_="group")
    api.provisioned("hr", "delete", "alice")
    assert (grafana.users, grafana.teams) == ({}, {})
