"""What would happen: dry runs, trial decisions and connection tests.

A dry run is a transaction that is rolled back, so that it passes the same code as the real thing. Only a connection
test sends, and stores what it learned of the target on the way: its token serves the deliveries that follow.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from connectors.connector import Exchanges, Finding, Probe, Remember, Reply, Request
from connectors.errors import ConnectorError
from connectors.masking import mask_body, mask_headers, mask_text
from connectors.pinning import NoReply
from service.pep import Verdict
from service.pip import DeliveryFacts
from service.provisioning import departure, fanout, gate, outbound, retry
from service.provisioning.context import Context
from service.provisioning.departure import Blocked, StalePolicies
from service.provisioning.fanout import Planned
from service.provisioning.outbound import Outbound
from service.provisioning.submission import RequestRefused, Submission
from service.store import configuration, journal, ledger
from service.store.database import Transaction

PROBE_TIMEOUT = timedelta(seconds=10)
REFRESHES = 5
"""How often a dry run begins anew because newer policies were published meanwhile."""


class Trial:
    """Says what would happen. Thread-safe."""

    def __init__(self, context: Context, accepting: Outbound) -> None:
        self._context = context
        self._outbound = accepting

    def dry_run(self, submission: Submission) -> dict[str, Any]:
        """The answer that the request would get, and the first exchanges that each delivery would make.

        Raises `RequestRefused`.
        """
        # The key stays free for the request that is meant.
        rehearsed = replace(submission, idempotency_key=None, body_hash=None)
        for _ in range(REFRESHES):
            try:
                return self._dry_run(rehearsed)
            except StalePolicies:
                self._context.refresh_policies()
        return self._dry_run(rehearsed)

    def _dry_run(self, submission: Submission) -> dict[str, Any]:
        """Raises `RequestRefused`, `StalePolicies`."""
        with self._context.database.rehearsal() as tx:
            request, stored = self._outbound.store(tx, submission)
            exchanges = {one.id: self._first_exchanges(tx, one.lane_id, one.id) for one in stored}
            view = ledger.request_view(tx, request.id) or {}
        deliveries = [one | {"exchanges": exchanges[one["id"]]} for one in view["deliveries"]]
        return view | {"dryRun": True, "deliveries": deliveries}

    def _first_exchanges(self, tx: Transaction, lane_id: str, delivery_id: str) -> list[dict[str, Any]]:
        """The exchanges until the first answer that nobody can know; none when something else goes first."""
        try:
            leaving = departure.prepare(tx, self._context, lane_id, self._context.clock(), probing=True)
        except Blocked:
            return []
        if leaving is None or leaving.delivery.id != delivery_id or leaving.task is None or leaving.settings is None:
            return []
        connector = self._context.connector(leaving.delivery.connector_type)
        exchanges = connector.provision(leaving.task, leaving.settings)
        try:
            return _rehearsed(exchanges)
        finally:
            exchanges.close()

    def decide(self, submission: Submission, identity_provider: str, now: datetime | None = None) -> dict[str, Any]:
        """The policy's answer about one target, whether or not the row has Enable Rules. Raises `RequestRefused`.

        `now` is the time that the policies see, an aware one; None: the time that it is.
        """
        with self._context.database.rehearsal() as tx:
            verdict, known = self._decided(tx, submission, identity_provider, now or self._context.clock())
        shown = {k: v for k, v in gate.columns(verdict).items() if k not in {"request_xml", "decided_at"}}
        request = gate.columns(verdict)["request_xml"]
        return shown | {
            "decidedAt": ledger.stamp(verdict.decided_at),
            "request": request,
            "effectiveOperation": known.effective_operation,
        }

    def _decided(
        self, tx: Transaction, submission: Submission, identity_provider: str, now: datetime
    ) -> tuple[Verdict, DeliveryFacts]:
        provider = outbound.service_provider(tx, submission)
        change, entity = self._outbound.change(tx, submission, provider)
        planned, skipped = fanout.plan(tx, provider, change, entity, jit=submission.jit)
        one = _chosen(planned, identity_provider)
        if one is None:
            named = (s.reason for s in skipped if s.identity_provider.casefold() == identity_provider.casefold())
            reason = next(named, "has no row for it")
            raise RequestRefused(422, [("identityProvider", f"`{provider.name}` → `{identity_provider}`: {reason}")])
        known = fanout.facts(
            self._context,
            one,
            entity=entity,
            image=change.image,
            service_provider=provider.name,
            operation=change.operation,
            channel=submission.channel,
            jit=submission.jit,
        )
        verdict = gate.judge(self._context, known, not_applicable=one.row.not_applicable, now=now)
        return verdict, known

    def test_connection(self, identity_provider: str, connector_type: str) -> dict[str, Any]:
        """Reach and authenticate, changing nothing: `{"good": …, "findings": [{"good", "message"}]}`."""
        with self._context.database.read() as tx:
            connector_id, settings = configuration.connector_settings(
                tx, self._context.vault, identity_provider, connector_type, tenant=self._context.tenant
            )
        connector = self._context.connector(connector_type)
        wrong = connector.problems(settings)
        if wrong:
            findings: tuple[Finding, ...] = tuple(Finding(good=False, message=f"{k}: {m}") for k, m in wrong)
        else:
            # Nothing is taken from earlier: what is tested is whether the target can be reached and entered now.
            findings, learned = self._probe(connector.probe(settings, {}, self._context.clock()))
            self._keep(connector_id, learned)
        shown = [{"good": one.good, "message": one.message} for one in findings]
        return {"good": all(one.good for one in findings), "findings": shown}

    def _probe(self, probe: Probe) -> tuple[tuple[Finding, ...], list[Remember]]:
        """What the connector found, and what it learned for later tasks."""
        learned: list[Remember] = []
        reply: Reply | None = None
        try:
            while True:
                step = probe.send(reply)
                reply = self._context.send(step, PROBE_TIMEOUT) if isinstance(step, Request) else None
                if isinstance(step, Remember):
                    learned.append(step)
        except StopIteration as stop:
            return stop.value, learned
        except (ConnectorError, NoReply) as error:
            return (Finding(good=False, message=str(error)),), learned

    def _keep(self, connector_id: str, learned: list[Remember]) -> None:
        now = self._context.clock()
        with self._context.database.transaction() as tx:
            if configuration.connector_settings_by_id(tx, self._context.vault, connector_id, tenant="") is None:
                return  # it was removed meanwhile
            for one in learned:
                journal.remember(
                    tx,
                    self._context.vault,
                    connector_id,
                    key=one.key,
                    value=json.dumps(one.value),
                    expires_at=now + one.ttl,
                )


def _rehearsed(exchanges: Exchanges) -> list[dict[str, Any]]:
    """The exchanges, or what ends them, as far as the answers do not matter."""
    shown: list[dict[str, Any]] = []
    reply: Reply | None = None
    try:
        while True:
            step = exchanges.send(reply)
            reply = None
            if isinstance(step, Request):
                shown.append(_shown(step))
                reply = _token_for(step)
                if reply is None:
                    return shown
    except StopIteration as stop:
        return [*shown, {"outcome": stop.value.outcome}]
    except ConnectorError as error:
        return [*shown, {"error": retry.describe(error)}]


def _token_for(request: Request) -> Reply | None:
    """A stand-in for the answer to a request for an access token (RFC 6749, section 5.1); None for any other."""
    kind = next((v for k, v in request.headers.items() if k.lower() == "content-type"), "")
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded" or not request.body:
        return None
    if "grant_type" not in parse_qs(request.body.decode("ascii", "replace")):
        return None
    answer = {"access_token": "the-token-to-be", "token_type": "Bearer"}
    return Reply(200, {"content-type": "application/json"}, json.dumps(answer).encode())


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
