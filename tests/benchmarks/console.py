"""The server's time for each page of the console, with 100,000 deliveries and 10,000 users.

    python tests/benchmarks/console.py [--deliveries N] [--users N]

The time is what the application takes to answer, the template included and the network not; the median of several.
Every page that links of the console lead to is opened, so that new pages are measured as well.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog

from service import app as composition
from service.app import Application
from service.config import PRIVATE, Settings
from service.store.ids import new_id
from service.store.models import (
    AttemptRow,
    DecisionRow,
    DeliveryRow,
    EntityRow,
    ExchangeRow,
    LaneRow,
    RequestRow,
)
from tests.support.api import ADMIN_TOKEN, PASSWORD, Api, policy, scim
from tests.support.console import sign_in

PROMISED = 0.2
REPEATS = 5
TARGETS, PROVIDERS = 20, 50
HOURS = 30
MOST_OF_A_KIND = 2
STATES = ["delivered"] * 84 + ["refused"] * 10 + ["failed"] * 3 + ["retrying"] * 2 + ["held"]
BATCH = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        application = furnished(Path(folder), wanted.users, wanted.deliveries)
        try:
            slow = measured(application)
        finally:
            application.stop()
    print(f"\npages over {PROMISED * 1000:.0f} ms: {', '.join(slow) or 'none'}")
    sys.exit(1 if slow else 0)


def furnished(folder: Path, users: int, deliveries: int) -> Application:
    """The application over a database that has been in use for a while."""
    policies = folder / "policies"
    policies.mkdir()
    for number in range(20):
        (policies / f"p{number}.xml").write_text(policy(id_=f"p{number}"))
    settings = Settings(
        data=folder / "data",
        policies=policies,
        admin_token=ADMIN_TOKEN,
        admin_password=PASSWORD,
        allow_targets=PRIVATE,
    )
    application = composition.assemble(settings)
    application.policies.refresh()
    api = Api(application.web, f"Bearer {ADMIN_TOKEN}")
    targets = [
        api.post("/api/v1/identity-providers", {"name": f"target-{n}", "connectors": [scim()]}).json
        for n in range(TARGETS)
    ]
    names = [one["name"] for one in targets]
    for number in range(PROVIDERS):
        rows = [{"identityProvider": name, "enableRules": True} for name in names[:5]]
        api.post("/api/v1/service-providers", {"name": f"application-{number}", "outboundProvisioning": rows})
    filled(application, names, users, deliveries)
    return application


def filled(application: Application, targets: list[str], users: int, deliveries: int) -> None:
    """Put entities and deliveries with their history in, spread over the last hours."""
    random.seed(1)
    now = composition.utc_now()
    people = [_entity(number, now) for number in range(users)]
    _insert(application, EntityRow, iter(people))
    pairs = {
        n: (random.choice(people), random.randrange(len(targets)), sequence(n, deliveries, now))
        for n in range(deliveries)
    }
    lanes = {n: new_id() for n in pairs}
    _insert(
        application,
        LaneRow,
        (
            {
                "id": lanes[n],
                "lane_key": new_id(),
                "connector_id": new_id(),
                "identity_provider_id": target + 1,
                "next_sequence": 2,
                "fence": 0,
            }
            for n, (_, target, _) in pairs.items()
        ),
    )
    histories = [_history(n, *pairs[n], targets=targets, lane=lanes[n]) for n in pairs]
    for table in (RequestRow, DeliveryRow, DecisionRow, AttemptRow, ExchangeRow):
        _insert(application, table, (row[table] for row in histories if table in row))


def sequence(number: int, deliveries: int, now: datetime) -> datetime:
    """When a delivery was accepted."""
    return now - timedelta(hours=HOURS * (1 - number / deliveries))


def _entity(number: int, now: datetime) -> dict[str, Any]:
    name, identifier = f"user-{number:05}", new_id()
    return {
        "id": identifier, "type": "user", "domain": "PRIMARY", "domain_key": "primary", "name": name, "name_key": name,
        "last_name_key": name, "lane_key": identifier, "attributes": {"userName": name, "roles": [{"value": "eng"}]},
        "deleted": False, "version": 1, "membership_sequence": 0, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _id_at(moment: datetime) -> str:
    """An id as it would have been made then."""
    text = f"{int(moment.timestamp() * 1000):012x}"
    return f"{text[:8]}-{text[8:]}{new_id()[13:]}"


def _history(
    number: int, person: dict[str, Any], target: int, at: datetime, *, targets: list[str], lane: str
) -> dict[Any, Any]:
    """The rows of one delivery."""
    state = random.choice(STATES)
    final = None if state in {"retrying", "held"} else at + timedelta(seconds=2)
    request, delivery, decision, attempt = (_id_at(at) for _ in range(4))
    application = f"application-{number % PROVIDERS}"
    refused = state == "refused"
    rows = {
        RequestRow: {
            "id": request, "service_provider": application, "operation": "create", "channel": "api", "jit": False,
            "entity_id": person["id"], "entity_name": person["name"], "entity_type": "user", "image": {},
            "membership_sequence": 0, "skipped": [], "created_at": at, "created_by": "token:bench", "final_at": final,
            "state": "pending" if final is None else state,
        },
        DeliveryRow: {
            "id": delivery, "request_id": request, "position": 0, "lane_id": lane, "sequence": 1,
            "entity_id": person["id"], "service_provider": application, "identity_provider_id": target + 1,
            "identity_provider": targets[target], "connector_id": new_id(), "connector_type": "scim2",
            "operation": "create", "effective_operation": "create", "blocking": False, "enable_rules": True,
            "not_applicable": "refuse", "state": state, "reason": "the target does not answer" if not final else None,
            "warnings": [], "uncertain": False, "attempts": 0 if refused else 1, "approvals": [], "of_now": False,
            "created_at": at, "final_at": final,
        },
        DecisionRow: {
            "id": decision, "delivery_id": delivery, "stage": "acceptance", "attempt": 0,
            "gate": "refused" if refused else "open", "decision": "Deny" if refused else "Permit",
            "policies": [f"p{number % 7}"], "rules": ["rule-1"], "reason": "because", "obligations": [],
            "snapshot": "sha256:0", "request_xml": "<Request/>" * 150, "decided_at": at,
        },
    }  # fmt: skip
    if not refused:
        rows[AttemptRow] = {
            "id": attempt, "delivery_id": delivery, "number": 1, "worker": "bench", "gate": "open",
            "decision_id": decision, "effective_operation": "create", "started_at": at, "ended_at": at,
            "outcome": state,
        }  # fmt: skip
        rows[ExchangeRow] = {
            "attempt_id": attempt, "number": 1, "purpose": "create", "method": "POST",
            "url": "https://target.example/v2/Users", "safe": False, "request_headers": {}, "request_body": "{}" * 200,
            "sent_at": at, "status": 201, "response_headers": {}, "response_body": "{}" * 200, "replied_at": at,
        }  # fmt: skip
    return rows


def _insert(application: Application, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    """Put rows in, some thousands at a time."""
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            _write(application, table, batch)
            batch = []
    if batch:
        _write(application, table, batch)


def _write(application: Application, table: Any, batch: list[dict[str, Any]]) -> None:
    with application.database.transaction() as tx:
        tx.execute(table.__table__.insert(), batch)


def measured(application: Application) -> list[str]:
    """Open every page and print its time; answers those that take longer than is promised."""
    browser = application.web.test_client()
    assert sign_in(browser).status_code == 303
    waiting, kinds, slow = ["/"], {}, []
    seen = set()
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"(?<=[a-z])/.*|=[^&]*", "", path)
        if path in seen or kinds.get(kind, 0) > MOST_OF_A_KIND:
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        text, took = timed(browser, path)
        waiting += [link for link in re.findall(r'href="(/[^"#]*)', text) if not link.startswith("/static/")]
        print(f"{took * 1000:8.1f} ms  {len(text) / 1024:7.1f} KiB  {path}")
        if took > PROMISED:
            slow.append(path)
    return slow


def timed(browser: Any, path: str) -> tuple[str, float]:
    """A page, and the median of the times that it took."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = browser.get(path)
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return answer.text.replace("&amp;", "&"), statistics.median(times)


if __name__ == "__main__":
    main()
