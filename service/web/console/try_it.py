"""Try it: what the policies would say of a delivery that is not made, and why, as a tree."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from connectors.claims import ENTERPRISE_USER
from service.providers import RESIDENT
from service.store import configuration, entities
from service.web.api_decisions import DecisionApi
from service.web.console import forms
from service.web.console.explanations import tree
from service.web.console.forms import Form, Json, Wrong
from service.web.console.layout import call, page
from service.web.fields import checked
from service.web.problems import Problem, invalid
from service.web.request_schemas import DecisionBody
from service.web.services import Services

OPERATIONS = {"create": "Create", "replace": "Replace", "modify": "Modify", "delete": "Delete"}
SUGGESTED = 50
FIELDS = {"entity.name": "name", "entity.attributes": "attributes", "patch": "attributes", "entity": "name"}
"""Where the form shows what the HTTP contract says of a field."""


class TryItPages:
    """Asks the policies without doing anything."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decisions = DecisionApi(services)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/try-it", "try_it", self.form)
        blueprint.add_url_rule("/try-it", "tried", self.decide, methods=["POST"])

    def form(self) -> Response:
        """The form; the address may fill it in."""
        return self._page({"type": "user", "operation": "create", **request.args.to_dict()}, Wrong())

    def decide(self) -> Response:
        """The decision, above the form that asked for it."""
        sent = {name: forms.text(request.form, name) for name in ("serviceProvider", "identityProvider", "type")}
        sent |= {name: forms.text(request.form, name) for name in ("name", "operation", "department", "email", "at")}
        sent |= {name: forms.long_text(request.form, name) for name in ("roles", "attributes")}
        try:
            now = _time(sent["at"], self._services)
            stored = self._stored(sent)
            body = checked(DecisionBody, _body(sent, stored, _typed(request.form)))
            view = self._decisions.of_delivery(call(), body, now)
        except Problem as problem:
            if problem.status not in {404, 409, 422}:
                raise
            return self._page(sent, _wrong(problem))
        return self._page(sent, Wrong(), decision=view, tree=tree(view["explanation"]), known=stored is not None)

    def _stored(self, sent: Json) -> Json | None:
        """The attributes of the one who is asked about; None when nobody here has that name."""
        with self._services.database.read() as tx:
            provider = configuration.find_service_provider(tx, sent["serviceProvider"] or RESIDENT)
            domain = provider.inbound.user_store_domain if provider else "PRIMARY"
            found = entities.look_up(tx, sent["type"], domain, sent["name"])
            return None if found is None else dict(found.attributes)

    def _page(self, sent: Json, wrong: Wrong, **content: Any) -> Response:
        with self._services.database.read() as tx:
            providers = configuration.service_providers(tx)
            targets = [one.name for one in configuration.identity_providers(tx)]
            names = entities.names(tx, "user", SUGGESTED)
        chosen = next((p for p in providers if p.name == (sent.get("serviceProvider") or RESIDENT)), None)
        rows = {one.identity_provider: one for one in chosen.outbound} if chosen else {}
        return page(
            "try_it.html",
            wrong.status,
            sent=sent,
            wrong=wrong,
            providers=[one.name for one in providers],
            targets=targets,
            names=names,
            operations=OPERATIONS,
            row=rows.get(sent.get("identityProvider", "")),
            pairs=_pairs,
            zone=self._services.settings.time_zone,
            **content,
        )


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    """Names as the options of a list."""
    return [(one, one) for one in names]


def _time(text: str, services: Services) -> datetime | None:
    """A time of the policies' zone. Raises `Problem` 422."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid([("at", f"`{text}` is no date and time: write it like 2026-01-31T09:00")]) from error
    return given if given.tzinfo else given.replace(tzinfo=services.settings.zone)


def _typed(form: Form) -> Json:
    """The attributes that were typed: those with a field of their own over those of the JSON. Raises `Problem` 422."""
    text = forms.long_text(form, "attributes").strip()
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise invalid([("attributes", f"is no JSON: {error}")]) from error
    if not isinstance(given, dict):
        raise invalid([("attributes", "is no JSON object: write it like {…}")])
    roles = [line.strip() for line in forms.long_text(form, "roles").splitlines() if line.strip()]
    if roles:
        given["roles"] = [{"value": one} for one in roles]
    if email := forms.text(form, "email"):
        given["emails"] = [{"value": email, "primary": True}]
    if department := forms.text(form, "department"):
        enterprise = given.get(ENTERPRISE_USER)
        given[ENTERPRISE_USER] = {**(enterprise if isinstance(enterprise, dict) else {}), "department": department}
    return given


def _body(sent: Json, stored: Json | None, typed: Json) -> Json:
    """The provisioning request that is asked about, in the words of the HTTP contract.

    Someone who is known is created no second time: the question is then about the account at the target.
    """
    operation = sent["operation"]
    entity: Json = {"type": sent["type"], "name": sent["name"]}
    body: Json = {"serviceProvider": sent["serviceProvider"] or RESIDENT, "identityProvider": sent["identityProvider"]}
    if operation == "create" and stored is not None:
        operation = "replace"
    if operation in {"create", "replace"}:
        entity["attributes"] = (stored or {}) | typed
    if operation == "modify":
        body["patch"] = [{"op": "replace", "value": typed}]
    return body | {"operation": operation, "entity": entity}


def _wrong(problem: Problem) -> Wrong:
    """What is wrong, at the fields of this form."""
    told = forms.wrong(problem)
    fields: dict[str, str] = {}
    for name, message in told.fields.items():
        first = next((one for one in FIELDS if name == one or name.startswith((f"{one}.", f"{one}["))), name)
        fields.setdefault(FIELDS.get(first, name), message)
    return Wrong(told.status, told.summary, fields)
