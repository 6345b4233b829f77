"""How fast Sluice delivers: `python tests/benchmarks/delivery.py [--count N] [--database sqlite|postgresql]`.

Prints deliveries a second through the whole path (accept, gate, build, journal, send, record), as a ratio to the posts
a second of a bare loop that sends the same payloads through `requests` over as many connections in the same minute.
Everything is durable: SQLite synchronises fully, PostgreSQL with fsync. Run it on a quiet machine.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import requests
from sqlalchemy import func, select

from service import config, logs
from service.app import Application, assemble
from service.providers import ConnectorConfiguration, IdentityProvider, OutboundRow, ServiceProvider
from service.provisioning.submission import Submission
from service.store import configuration
from service.store.configuration import Seals
from service.store.database import Database
from service.store.models import DeliveryRow
from tests.benchmarks.scim_sink import sink
from tests.support import postgresql

CONNECTIONS = 8
TOKEN = "benchmark"
PERMIT = """<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="engineers" Version="1.0"
 RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable"><Target/>
<Rule RuleId="create" Effect="Permit"><Target><AnyOf><AllOf>
<Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal">
<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">benchmark</AttributeValue>
<AttributeDesignator Category="http://wso2.org/identity/sp" AttributeId="http://wso2.org/identity/sp/sp-name"
 DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent="false"/></Match></AllOf></AnyOf></Target></Rule>
<Rule RuleId="else" Effect="Deny"/></Policy>"""


def user(number: int) -> dict[str, object]:
    """A user as an HR system sends one."""
    return {
        "userName": f"user-{number}",
        "name": {"givenName": f"Given {number}", "familyName": "Family"},
        "emails": [{"value": f"user-{number}@example.com", "primary": True}],
        "roles": [{"value": "engineer"}],
        "active": True,
    }


def submission(number: int) -> Submission:
    """Its provisioning request."""
    return Submission(
        service_provider="benchmark",
        operation="create",
        entity_type="user",
        entity_name=f"user-{number}",
        attributes=user(number),
        principal="benchmark",
    )


def bare(url: str, count: int) -> float:
    """Posts a second of a loop over `CONNECTIONS` sessions that does nothing else."""
    payloads = [json.dumps(user(n) | {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}) for n in range(count)]
    headers = {"Content-Type": "application/scim+json", "Authorization": f"Bearer {TOKEN}"}

    def post(share: list[str]) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for payload in share:
                answer = session.post(f"{url}/Users", data=payload, headers=headers, timeout=30)
                assert answer.status_code == 201

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(post, [payloads[n::CONNECTIONS] for n in range(CONNECTIONS)]))
    return count / (time.perf_counter() - began)


@contextmanager
def application(url: str, database_url: str, *, blocking: bool) -> Iterator[Application]:
    """The service in this process, without HTTP, with one service provider that is gated, and one target."""
    with tempfile.TemporaryDirectory(prefix="sluice-benchmark-") as folder:
        policies = Path(folder) / "policies"
        policies.mkdir()
        (policies / "engineers.xml").write_text(PERMIT)
        settings = config.load(
            {
                "SLUICE_DATA": folder,
                "SLUICE_POLICIES": str(policies),
                "SLUICE_ALLOW_PRIVATE_TARGETS": "1",
                "SLUICE_RUNNERS": str(CONNECTIONS),
                "SLUICE_ADMIN_PASSWORD": "benchmark of delivery",
                "SLUICE_SECRET_KEY": base64.b64encode(b"k" * 32).decode(),
                "SLUICE_DATABASE_URL": database_url,
            }
        )
        app = assemble(settings)
        configure(app, url, blocking=blocking)
        app.start()
        try:
            yield app
        finally:
            app.stop()


def configure(app: Application, url: str, *, blocking: bool) -> None:
    """One gated row to one SCIM target."""
    connector = ConnectorConfiguration(
        type="scim2",
        properties={
            "scim2-user-ep": f"{url}/Users",
            "scim2-group-ep": f"{url}/Groups",
            "scim2-authentication-mode": "bearer",
            "scim2-access-token": TOKEN,
        },
    )
    now = datetime.now(UTC)
    seals = Seals(app.vault, lambda _: frozenset({"scim2-access-token"}))
    target = IdentityProvider(name="target", default_connector="scim2", connectors=(connector,))
    row = OutboundRow(identity_provider="target", connector="scim2", blocking=blocking, enable_rules=True)
    with app.database.transaction() as tx:
        configuration.create_identity_provider(tx, seals, target, now)
        configuration.create_service_provider(tx, ServiceProvider(name="benchmark", outbound=(row,)), now)


def delivered(database: Database) -> int:
    """How many deliveries have ended well; none may have ended otherwise."""
    with database.read() as tx:
        states = dict(tx.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)).all())
    assert not set(states) & {"refused", "failed", "cancelled"}, states
    return int(states.get("delivered", 0))


def through(app: Application, count: int, *, blocking: bool) -> float:
    """Deliveries a second, from the first request to the last outcome."""

    def ask(share: range) -> None:
        for number in share:
            request_id = app.desk.accept(submission(number))
            if blocking:
                app.desk.wait(request_id)

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, [range(n, count, CONNECTIONS) for n in range(CONNECTIONS)]))
    while delivered(app.database) < count:
        time.sleep(0.02)
    return count / (time.perf_counter() - began)


@contextmanager
def database(name: str) -> Iterator[str]:
    """The URL of an empty database of that kind, as durable as in earnest."""
    if name == "sqlite":
        yield ""
        return
    with postgresql.server(durable=True) as url:
        fresh = Database(url)
        fresh.migrate()
        fresh.close()
        yield url


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=2000)
    options.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    chosen = options.parse_args()
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        logs.configure(json=True)
        for name in chosen.database or ["sqlite", "postgresql"]:
            for blocking in (False, True):
                measure(name, chosen.count, blocking=blocking)


def measure(name: str, count: int, *, blocking: bool) -> None:
    """One line: the rate, the bare loop's, and their ratio."""
    with sink() as url, database(name) as database_url:
        posts = bare(url, count)
        with application(url, database_url, blocking=blocking) as app:
            rate = through(app, count, blocking=blocking)
    kind = "Blocking" if blocking else "not Blocking"
    print(f"{name}, {kind}: {rate:.0f} deliveries/s; bare: {posts:.0f} posts/s; ratio {rate / posts:.2f}", flush=True)


if __name__ == "__main__":
    main()
