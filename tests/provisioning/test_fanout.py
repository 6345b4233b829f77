"""One request, several targets: what ends at acceptance must not end the rest."""

from dataclasses import replace
from datetime import UTC, datetime

from service.providers import OutboundRow, ServiceProvider
from service.store import configuration
from service.store.configuration import Seals
from service.store.models import RequestRow
from tests.benchmarks.delivery import application, submission

NOBODY = "http://127.0.0.1:9"


def test_a_refusal_at_the_first_target_keeps_the_password_for_the_second():
    with application(NOBODY, "", blocking=False) as app:
        with app.database.transaction() as tx:
            now = datetime.now(UTC)
            first = configuration.get_identity_provider(tx, "target")
            connector = replace(first.connectors[0], properties={"scim2-user-ep": f"{NOBODY}/Users"})
            second = replace(first, name="second", connectors=(connector,))
            configuration.create_identity_provider(tx, Seals(app.vault, lambda _: frozenset()), second, now)
            for name in ("target", "second"):
                configuration.set_paused(tx, name, paused=True, now=now)
            rows = (
                OutboundRow(identity_provider="target", connector="scim2", enable_rules=True),
                OutboundRow(identity_provider="second", connector="scim2"),
            )
            configuration.create_service_provider(tx, ServiceProvider(name="refused-at-one", outbound=rows), now)
        asked = submission(1)
        attributes = {**(asked.attributes or {}), "password": "Kept-Pa55w0rd"}
        request_id = app.desk.accept(replace(asked, service_provider="refused-at-one", attributes=attributes))
        with app.database.read() as tx:
            request = tx.get_one(RequestRow, request_id)
            assert next(one.state for one in request.deliveries) == "refused"
            assert (request.state, request.final_at) == ("pending", None)
            assert request.sealed_password is not None
