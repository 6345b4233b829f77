"""What would happen: dry runs, trial decisions and connection tests. Stores nothing; only a connection test sends.

A dry run is a transaction that is rolled back, so that it passes the same code as the real thing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.connector import Finding, Progress, Remember, Reply, Request
from connectors.errors import ConnectorError
from connectors.masking import mask_body, mask_headers, mask_text
from connectors.pinning import NoReply
from service.pep import Verdict
from service.pip import DeliveryFacts
from service.provisioning import departure, fanout, gate, outbound, retry
from service.provisioning.context import Context
from service.provisioning.fanout import Planned
from service.provisioning.outbound import Outbound
from service.provisioning.submission import RequestRefused, Submission
from service.store import configuration, ledger
from service.store.database import Transaction

PROBE_TIMEOUT = timedelta(seconds=10)


class Trial:
    """Says what would happen. Thread-safe."""

    def __init__(self, context: Context, accepting: Outbound) -> None:
        self._context = context
        self._outbound = accepting

    def dry_run(self, submission: Submission) -> dict[str, Any]:
        """The answer that the request would get, and the first exchanges that each delivery would make.

        Raises `RequestRefused`.
        """
        with self._context.database.rehearsal() as tx:
            request = self._outbound.store(tx, submission)
            exchanges = {d.id: self._first_exchanges(tx, d.lane_id, d.id) for d in request.deliveries}
            view = ledger.request_view(tx, request.id) or {}
        deliveries = [one | {"exchanges": exchanges[one["id"]]} for one in view["deliveries"]]
        return view | {"dryRun": True, "deliveries": deliveries}

    def _first_exchanges(self, tx: Transaction, lane_id: str, delivery_id: str) -> list[dict[str, Any]]:
        """The exchanges until the first answer that nobody can know; none when something else goes first."""
        leaving = departure.prepare(tx, self._context, lane_id, self._context.clock())
        if leaving is None or leaving.delivery.id != delivery_id or leaving.task is None or leaving.settings is None:
            return []
        connector = self._context.connector(leaving.delivery.connector_type)
        exchanges = connector.provision(leaving.task, leaving.settings)
        try:
            step = next(exchanges)
            while not isinstance(step, Request):
                step = exchanges.send(None)
        except StopIteration as stop:
            return [{"outcome": stop.value.outcome}]
        except ConnectorError as error:
            return [{"error": retry.describe(error)}]
        exchanges.close()
        return [_shown(step)]

    def decide(self, submission: Submission, identity_provider: str) -> dict[str, Any]:
        """The policy's answer about one target, whether or not the row has Enable Rules. Raises `RequestRefused`."""
        with self._context.database.rehearsal() as tx:
            verdict, known = self._decided(tx, submission, identity_provider)
        shown = {k: v for k, v in gate.columns(verdict).items() if k not in {"request_xml", "decided_at"}}
        request = gate.columns(verdict)["request_xml"]
        return shown | {
            "decidedAt": ledger.stamp(verdict.decided_at),
            "request": request,
            "effectiveOperation": known.effective_operation,
        }

    def _decided(
        self, tx: Transaction, submission: Submission, identity_provider: str
    ) -> tuple[Verdict, DeliveryFacts]:
        provider = outbound.service_provider(tx, submission)
        change, entity = self._outbound.change(tx, submission, provider)
        planned, skipped = fanout.plan(tx, provider, change, entity, jit=submission.jit)
        one = _chosen(planned, identity_provider)
        if one is None:
            reason = next((s.reason for s in skipped if s.identity_provider == identity_provider), "has no row for it")
            raise RequestRefused(422, [("identityProvider", f"`{provider.name}` → `{identity_provider}`: {reason}")])
        known = fanout.facts(
            tx,
            self._context,
            one,
            entity=entity,
            image=change.image,
            service_provider=provider.name,
            operation=change.operation,
            channel=submission.channel,
            jit=submission.jit,
        )
        verdict = gate.judge(self._context, known, not_applicable=one.row.not_applicable, now=self._context.clock())
        return verdict, known

    def test_connection(self, identity_provider: str, connector_type: str) -> dict[str, Any]:
        """Reach and authenticate, changing nothing: `{"good": …, "findings": [{"good", "message"}]}`."""
        with self._context.database.read() as tx:
            _, settings = configuration.connector_settings(
                tx, self._context.vault, identity_provider, connector_type, tenant=self._context.tenant
            )
        connector = self._context.connector(connector_type)
        wrong = connector.problems(settings)
        if wrong:
            findings: tuple[Finding, ...] = tuple(Finding(good=False, message=f"{k}: {m}") for k, m in wrong)
        else:
            findings = self._probe(connector.probe(settings, {}, self._context.clock()))
        shown = [{"good": one.good, "message": one.message} for one in findings]
        return {"good": all(one.good for one in findings), "findings": shown}

    def _probe(self, probe: Any) -> tuple[Finding, ...]:
        reply: Reply | None = None
        try:
            while True:
                step: Request | Progress | Remember = probe.send(reply)
                reply = self._context.send(step, PROBE_TIMEOUT) if isinstance(step, Request) else None
        except StopIteration as stop:
            found: tuple[Finding, ...] = stop.value
            return found
        except (ConnectorError, NoReply) as error:
            return (Finding(good=False, message=str(error)),)


def _chosen(planned: list[Planned], identity_provider: str) -> Planned | None:
    return next((p for p in planned if p.target.name.casefold() == identity_provider.casefold()), None)


def _shown(request: Request) -> dict[str, Any]:
    kind = next((v for k, v in request.headers.items() if k.lower() == "content-type"), None)
    return {
        "purpose": request.purpose,
        "method": request.method,
        "url": mask_text(request.url, request.secrets),
        "headers": mask_headers(request.headers, request.secrets),
        "body": None if request.body is None else mask_body(request.body, kind, request.secrets),
    }
