"""`/api/v1/provisioning-requests` and `/api/v1/deliveries`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import structlog

from service.providers import RESIDENT, WSO2_RESIDENT
from service.store import ledger
from service.store.database import Transaction
from service.web.fields import Page
from service.web.operations import Answer, Call, operation
from service.web.principals import Principal
from service.web.problems import Problem, invalid
from service.web.refusals import request_problems
from service.web.request_schemas import (
    BulkBody,
    BulkView,
    CommentBody,
    DeliveriesQuery,
    DeliveryPage,
    DeliveryView,
    RequestBody,
    RequestPage,
    RequestsQuery,
    RequestView,
)
from service.web.services import Services

REQUESTS = "/api/v1/provisioning-requests"
DELIVERIES = "/api/v1/deliveries"
REQUEST_TAG = "provisioning requests"
DELIVERY_TAG = "deliveries"

_KEY = re.compile(r"[!-~]{1,255}\Z")


def acting_for(principal: Principal, named: str | None) -> str:
    """The service provider of a request: the named one, the one that the token is bound to, or the resident one."""
    if named is None:
        named = RESIDENT if principal.has("admin") else principal.service_provider or RESIDENT
    if named.casefold() == WSO2_RESIDENT:
        named = RESIDENT
    principal.require_provider(named)
    return named


class RequestApi:
    """One operation on one entity at a time; each fans out into deliveries."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation(
        "POST",
        REQUESTS,
        tag=REQUEST_TAG,
        scopes=("provision",),
        answers={200: RequestView, 202: RequestView},
        problems=(409,),
        request_headers=("Idempotency-Key",),
        response_headers=("Location",),
    )
    def create(self, call: Call, body: RequestBody) -> Answer:
        """Provision an entity.

        200 when every delivery is final, 202 while some are under way. With `dryRun` nothing is stored or sent.
        """
        provider = acting_for(call.principal, body.service_provider)
        submission = body.submission(provider, call.principal.name, key=_key(call), body_hash=self._hash(body))
        with request_problems():
            if body.dry_run:
                return Answer(self._services.outbound.dry_run(submission))
            request_id = self._services.outbound.accept(submission)
        self._services.outbound.wait(request_id, submission)
        with self._services.database.read() as tx:
            view = ledger.request_view(tx, request_id)
        assert view is not None
        status = 202 if view["state"] == "pending" else 200
        return Answer(view, status, {"Location": f"{REQUESTS}/{request_id}"})

    @operation("GET", REQUESTS, tag=REQUEST_TAG, scopes=("read", "provision"), answers={200: RequestPage})
    def list(self, call: Call, query: RequestsQuery) -> Answer:
        """Provisioning requests, the newest first."""
        return self._page(call, query, ledger.requests_page)

    @operation("GET", f"{REQUESTS}/{{id}}", tag=REQUEST_TAG, scopes=("read", "provision"), answers={200: RequestView})
    def get(self, call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """A provisioning request with its deliveries."""
        with self._services.database.read() as tx:
            view = _visible(call.principal, ledger.request_view(tx, id))
        if view is None:
            raise Problem(404, f"there is no provisioning request `{id}`")
        return Answer(view)

    @operation("GET", DELIVERIES, tag=DELIVERY_TAG, scopes=("read", "provision"), answers={200: DeliveryPage})
    def deliveries(self, call: Call, query: DeliveriesQuery) -> Answer:
        """Deliveries, the newest first."""
        return self._page(call, query, ledger.deliveries_page)

    @operation(
        "GET", f"{DELIVERIES}/{{id}}", tag=DELIVERY_TAG, scopes=("read", "provision"), answers={200: DeliveryView}
    )
    def delivery(self, call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """A delivery with its attempts, decisions and exchanges."""
        with self._services.database.read() as tx:
            view = ledger.delivery_view(tx, id)
            confined = call.principal.confined_to is not None
            if view is not None and confined:
                request = ledger.request_view(tx, view["requestId"])
                view = view if _visible(call.principal, request) else None
        if view is None:
            raise Problem(404, f"there is no delivery `{id}`")
        structlog.contextvars.bind_contextvars(request=view["requestId"], delivery=id)
        return Answer(view)

    @operation(
        "POST",
        f"{DELIVERIES}/{{id}}/retry",
        tag=DELIVERY_TAG,
        scopes=("operate",),
        answers={200: DeliveryView},
        problems=(409,),
    )
    def retry(self, call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """Try a dead letter anew, with the state of now, or one that waits for its time at once."""
        with request_problems():
            self._services.outbound.retry(id)
        return self.delivery(call, id)

    @operation(
        "POST",
        f"{DELIVERIES}/{{id}}/cancel",
        tag=DELIVERY_TAG,
        scopes=("operate",),
        answers={200: DeliveryView},
        problems=(409,),
    )
    def cancel(self, call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """Take a delivery back that was not sent."""
        with request_problems():
            self._services.outbound.cancel(id, call.principal.name)
        return self.delivery(call, id)

    @operation(
        "POST",
        f"{DELIVERIES}/{{id}}/approve",
        tag=DELIVERY_TAG,
        scopes=("operate",),
        answers={200: DeliveryView},
        problems=(409,),
    )
    def approve(self, call: Call, id: str, body: CommentBody = CommentBody()) -> Answer:  # noqa: A002, B008 - frozen
        """Let a delivery go that waits for approval."""
        with request_problems():
            self._services.outbound.approve(id, call.principal.name, body.comment)
        return self.delivery(call, id)

    @operation(
        "POST",
        f"{DELIVERIES}/{{id}}/reject",
        tag=DELIVERY_TAG,
        scopes=("operate",),
        answers={200: DeliveryView},
        problems=(409,),
    )
    def reject(self, call: Call, id: str, body: CommentBody = CommentBody()) -> Answer:  # noqa: A002, B008 - frozen
        """Refuse a delivery that waits for approval."""
        with request_problems():
            self._services.outbound.reject(id, call.principal.name, body.comment)
        return self.delivery(call, id)

    @operation("POST", f"{DELIVERIES}/bulk", tag=DELIVERY_TAG, scopes=("operate",), answers={200: BulkView})
    def bulk(self, call: Call, body: BulkBody) -> Answer:
        """Retry, cancel, approve or reject many deliveries, 500 in a call, each by itself; or count them first."""
        filters = {k: v for k, v in body.filter.model_dump(by_alias=True).items() if v}
        if body.dry_run:
            outcome = self._services.outbound.count_bulk(body.action, filters)
        else:
            outcome = self._services.outbound.bulk(
                body.action, filters, after=body.after, principal=call.principal.name, comment=body.comment
            )
        refused = [{"id": id_, "reason": reason} for id_, reason in outcome.refused]
        return Answer({"matched": outcome.matched, "done": outcome.done, "refused": refused, "next": outcome.next})

    def _hash(self, body: RequestBody) -> str:
        """The same for the same content, however its JSON is written. Keyed: the content may hold a password."""
        text = json.dumps(body.model_dump(mode="json", exclude_unset=True), sort_keys=True, ensure_ascii=False)
        return self._services.vault.digest(text, "body of a provisioning request")

    def _page(self, call: Call, query: Page, read: PageReader) -> Answer:
        filters = {k: v for k, v in query.model_dump(by_alias=True).items() if k not in {"cursor", "limit"} and v}
        confined = call.principal.confined_to
        if confined is not None:
            if filters.get("serviceProvider", confined).casefold() != confined.casefold():
                raise Problem(403, "these credentials are bound to another service provider")
            filters["serviceProvider"] = confined
        with self._services.database.read() as tx:
            items, following = read(tx, filters, query.cursor, query.limit)
        return Answer({"items": items, "next": following})


PageReader = Callable[
    [Transaction, dict[str, Any], "str | None", int],
    "tuple[list[dict[str, Any]], str | None]",
]


def _visible(principal: Principal, request: dict[str, Any] | None) -> dict[str, Any] | None:
    """The request, unless these credentials are bound to another service provider: then it is as if there were none."""
    if request is None or principal.confined_to is None:
        return request
    return request if request["serviceProvider"].casefold() == principal.confined_to.casefold() else None


def _key(call: Call) -> str | None:
    key = call.headers.get("Idempotency-Key")
    if key is not None and _KEY.match(key) is None:
        raise invalid([("Idempotency-Key", "must be 1 to 255 visible ASCII characters")])
    return key
