"""What monitoring reads: counters of what happened, and queues and targets as they are."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.flaky import flaky_target
from tests.support.service import row

pytestmark = pytest.mark.xdist_group("acceptance-metrics")


@pytest.fixture(scope="module")
def flaky(scim):
    with flaky_target(scim) as flaky:
        yield flaky


def numbers(api):
    """Every sample by its name and labels, of one look."""
    answer = api.call("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_deliveries_attempts_exchanges_and_queues_are_counted_by_target(api, flaky):
    api.identity_provider("acme", "scim2", flaky.properties)
    api.service_provider("hr", row("acme"))
    api.service_provider("later", row("acme", blocking=False))
    api.provisioned("hr", "create", "counted")
    flaky.next("answer", method="POST", status=403)
    assert api.provisioned("hr", "create", "dead-letter")["state"] == "failed"
    api.post("/identity-providers/acme/pause")
    api.provision("later", "create", "queued")
    seen = numbers(api)
    assert seen["sluice_deliveries_total", "acme", "delivered"] == 1
    assert seen["sluice_deliveries_total", "acme", "failed"] == 1
    assert seen["sluice_attempts_total", "acme", "delivered"] == 1
    assert seen["sluice_exchange_seconds_count", "2xx", "acme"] >= 1
    assert seen["sluice_exchange_seconds_count", "4xx", "acme"] == 1
    assert seen["sluice_queue_deliveries", "acme", "pending"] == 1
    assert seen["sluice_oldest_undelivered_seconds", "acme"] > 0
    assert seen["sluice_target_paused", "acme"] == 1
    assert seen["sluice_target_quarantined", "acme"] == 0
    api.post("/deliveries/bulk", {"action": "cancel", "filter": {"identityProvider": "acme"}, "dryRun": True})
    queue = api.call("GET", "/readyz").json()["queue"]
    assert queue["deliveries"] == 1
    assert queue["oldestSeconds"] > 0
    api.post("/deliveries/bulk", {"action": "cancel", "filter": {"identityProvider": "acme"}})
    assert numbers(api)["sluice_deliveries_total", "acme", "cancelled"] == 1


def test_the_numbers_are_for_those_who_may_read(service):
    anonymous = service.api.session.get(f"{service.base}/metrics", timeout=10)
    assert anonymous.status_code == 401
