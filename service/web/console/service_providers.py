"""The pages of service providers: list, add, and the page with the outbound provisioning configuration."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.providers import RESIDENT, IdentityProvider
from service.store import configuration
from service.web.api_service_providers import ServiceProviderApi
from service.web.console import forms
from service.web.console.forms import Form, Json, Wrong
from service.web.console.layout import call, go_to, page
from service.web.provider_schemas import ServiceProviderBody, service_provider_view
from service.web.services import Services

ROWS = "outboundProvisioning"
PER_PAGE = 50


class ServiceProviderPages:
    """The applications on whose behalf something is provisioned."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = ServiceProviderApi(services)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        rule = "/service-providers/<name>"
        blueprint.add_url_rule("/service-providers", "service_providers", self.all)
        blueprint.add_url_rule("/add-service-provider", "add_service_provider", self.add)
        blueprint.add_url_rule("/add-service-provider", "create_service_provider", self.create, methods=["POST"])
        blueprint.add_url_rule(rule, "service_provider", self.show)
        blueprint.add_url_rule(rule, "change_service_provider", self.change, methods=["POST"])

    def all(self) -> Response:
        """All of them, or those whose name or description has the words that are looked for."""
        wanted, after = request.args.get("q", "").strip(), request.args.get("after", "")
        with self._services.database.read() as tx:
            limit = None if wanted else PER_PAGE + 1
            found = configuration.service_providers(tx, after=after, limit=limit)
        if wanted:
            found = [one for one in found if wanted.casefold() in f"{one.name}\n{one.description}".casefold()]
        following = found[PER_PAGE - 1].name if len(found) > PER_PAGE else None
        shown = [service_provider_view(one) for one in found[:PER_PAGE]]
        return page("service_providers.html", items=shown, q=wanted, following=following, types=self._types())

    def add(self) -> Response:
        """The form that asks for a name."""
        return page("add_service_provider.html", draft={}, wrong=Wrong())

    def create(self) -> Response:
        """Register it, and go on with its configuration."""
        draft = {"name": forms.text(request.form, "name"), "description": forms.long_text(request.form, "description")}
        answer, wrong = forms.saved(lambda body: self._api.create(call(), body), ServiceProviderBody, draft)
        if answer is None:
            return page("add_service_provider.html", wrong.status, draft=draft, wrong=wrong)
        return go_to("service_provider", name=_name(answer.body), done="created", _anchor="outbound")

    def show(self, name: str) -> Response:
        """A service provider with its outbound provisioning configuration."""
        answer = self._api.get(call(), name)
        return self._page(answer.body, answer.headers["ETag"])

    def change(self, name: str) -> Response:
        """Add or take away a row in the form, or save all of it."""
        stored = self._api.get(call(), name)
        assert isinstance(stored.body, dict)
        draft = _draft(request.form, stored.body)
        etag = request.form.get("etag", "")
        action, argument = forms.action(request.form)
        if action == "add":
            draft[ROWS].extend(self._new_row(forms.text(request.form, "add")))
            return self._page(draft, etag, stored=stored.body, changed=True)
        if action == "remove":
            draft[ROWS] = forms.without(draft[ROWS], argument)
            return self._page(draft, etag, stored=stored.body, changed=True)
        if action == "delete":
            self._api.delete(call(etag), name)
            return go_to("service_providers", done="deleted")
        return self._save(name, draft, etag, stored.body)

    def _save(self, name: str, draft: Json, etag: str, stored: Json) -> Response:
        answer, wrong = forms.saved(lambda body: self._api.put(call(etag), name, body), ServiceProviderBody, draft)
        if answer is None:
            return self._page(draft, etag, stored=stored, wrong=wrong, changed=True)
        assert isinstance(answer.body, dict)
        cancelled = answer.body.get("cancelledDeliveries", 0)
        return go_to("service_provider", name=answer.body["name"], done="saved", cancelled=cancelled)

    def _new_row(self, target: str) -> list[Json]:
        """A row with all boxes unticked; none when nothing was chosen."""
        with self._services.database.read() as tx:
            known = {one.name: one for one in configuration.identity_providers(tx)}
        chosen = known.get(target)
        if chosen is None:
            return []
        types = [one.type for one in chosen.connectors if one.enabled]
        default = chosen.default_connector if chosen.default_connector in types else types[0] if types else ""
        return [_row(target, default)]

    def _page(
        self, draft: Any, etag: str, *, stored: Json | None = None, wrong: Wrong | None = None, changed: bool = False
    ) -> Response:
        """The page of what is stored, or of a draft that is not saved yet."""
        with self._services.database.read() as tx:
            targets = {one.name: one for one in configuration.identity_providers(tx)}
        wrong = wrong or Wrong()
        stored = stored or draft
        taken = {row["identityProvider"] for row in draft[ROWS]}
        return page(
            "service_provider.html",
            wrong.status,
            draft=draft,
            stored=stored,
            etag=etag,
            wrong=wrong,
            changed=changed,
            targets=targets,
            offered=[name for name, one in targets.items() if name not in taken and _can_be_used(one)],
            types=self._types(),
            resident=stored["name"] == RESIDENT,
        )

    def _types(self) -> dict[str, str]:
        """The display names of connectors by their types."""
        return {one.type: one.display_name for one in self._services.connectors()}


def _can_be_used(target: IdentityProvider) -> bool:
    return target.enabled and any(connector.enabled for connector in target.connectors)


def _name(body: Any) -> str:
    return str(body["name"])


def _row(target: str, connector: str) -> Json:
    return {
        "identityProvider": target,
        "connector": connector,
        "blocking": False,
        "enableRules": False,
        "enableJit": False,
        "notApplicable": "refuse",
    }


def _draft(form: Form, stored: Json) -> Json:
    """What the form says, over what is stored of the parts that it does not show."""
    return {
        **stored,
        "name": forms.text(form, "name") or stored["name"],
        "description": forms.long_text(form, "description"),
        ROWS: [_sent_row(form, f"{ROWS}[{place}]") for place in range(forms.rows(form, ROWS))],
    }


def _sent_row(form: Form, field: str) -> Json:
    return {
        "identityProvider": form.get(f"{field}.identityProvider", ""),
        "connector": form.get(f"{field}.connector", ""),
        "blocking": forms.ticked(form, f"{field}.blocking"),
        "enableRules": forms.ticked(form, f"{field}.enableRules"),
        "enableJit": forms.ticked(form, f"{field}.enableJit"),
        "notApplicable": form.get(f"{field}.notApplicable", "refuse"),
    }
