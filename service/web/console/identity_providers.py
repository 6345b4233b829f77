"""The pages of identity providers: list with health, add, and the page with connectors, mappings and deliveries."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.store import configuration, figures, ledger, target_health
from service.web.api_identity_providers import IdentityProviderApi
from service.web.console import forms
from service.web.console.forms import Json, Wrong
from service.web.console.health import shown_health
from service.web.console.identity_provider_form import added, removed, sent
from service.web.console.layout import call, go_to, page
from service.web.console.overview import target_view
from service.web.problems import Problem
from service.web.provider_schemas import IdentityProviderBody
from service.web.services import Services

PER_PAGE = 50
RECENT = 10


class IdentityProviderPages:
    """The targets that accounts are provisioned into."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = IdentityProviderApi(services)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        rule = "/identity-providers/<name>"
        blueprint.add_url_rule("/identity-providers", "identity_providers", self.all)
        blueprint.add_url_rule("/add-identity-provider", "add_identity_provider", self.add)
        blueprint.add_url_rule("/add-identity-provider", "create_identity_provider", self.create, methods=["POST"])
        blueprint.add_url_rule(rule, "identity_provider", self.show)
        blueprint.add_url_rule(rule, "change_identity_provider", self.change, methods=["POST"])

    def all(self) -> Response:
        """All of them, with how they fare."""
        with self._services.database.read() as tx:
            found = configuration.identity_providers(tx, after=request.args.get("after", ""), limit=PER_PAGE + 1)
            fares = figures.of_targets(tx)
            health = target_health.health(tx, [one.name for one in found], self._services.clock())
        shown = [
            target_view(one, fares.get(one.name), shown_health(health[one.name])) | {"connectors": one.connectors}
            for one in found[:PER_PAGE]
        ]
        following = found[PER_PAGE - 1].name if len(found) > PER_PAGE else None
        return page("identity_providers.html", items=shown, following=following, types=self._types())

    def add(self) -> Response:
        """The form that asks for a name and a connector."""
        return page("add_identity_provider.html", draft={}, wrong=Wrong())

    def create(self) -> Response:
        """Register it, and go on with its connectors."""
        draft = {"name": forms.text(request.form, "name")}
        answer, wrong = forms.saved(lambda body: self._api.create(call(), body), IdentityProviderBody, draft)
        if answer is None:
            return page("add_identity_provider.html", wrong.status, draft=draft, wrong=wrong)
        assert isinstance(answer.body, dict)
        return go_to("identity_provider", name=answer.body["name"], done="created", _anchor="connectors")

    def show(self, name: str) -> Response:
        """An identity provider as it is stored."""
        answer = self._api.get(call(), name)
        assert isinstance(answer.body, dict)
        return self._page(answer.body, answer.headers["ETag"], stored=answer.body)

    def change(self, name: str) -> Response:
        """What the pressed button says: change the form, test, pause, resume, delete, or save all of it."""
        answer = self._api.get(call(), name)
        assert isinstance(answer.body, dict)
        stored, draft = answer.body, sent(request.form, answer.body)
        etag = request.form.get("etag", "")
        action, argument = forms.action(request.form)
        if action == "pause":
            self._api.pause(call(), name)
            return go_to("identity_provider", name=name, done="paused")
        if action == "resume":
            self._api.resume(call(), name)
            return go_to("identity_provider", name=name, done="resumed")
        if action == "delete":
            return self._delete(name, draft, etag, stored)
        if action == "test":
            found = self._api.test(call(), name, argument).body
            return self._page(draft, etag, stored=stored, changed=draft != stored, tested={argument: found})
        if action == "add":
            return self._page(added(draft, argument, request.form), etag, stored=stored, changed=True)
        if action == "remove":
            return self._page(removed(draft, argument), etag, stored=stored, changed=True)
        return self._save(name, draft, etag, stored)

    def _delete(self, name: str, draft: Json, etag: str, stored: Json) -> Response:
        try:
            self._api.delete(call(etag), name)
        except Problem as problem:
            if problem.status not in {409, 412}:
                raise
            return self._page(draft, etag, stored=stored, wrong=forms.wrong(problem), changed=draft != stored)
        return go_to("identity_providers", done="deleted")

    def _save(self, name: str, draft: Json, etag: str, stored: Json) -> Response:
        answer, wrong = forms.saved(lambda body: self._api.put(call(etag), name, body), IdentityProviderBody, draft)
        if answer is None:
            return self._page(draft, etag, stored=stored, wrong=wrong, changed=True)
        assert isinstance(answer.body, dict)
        return go_to("identity_provider", name=answer.body["name"], done="saved")

    def _page(
        self,
        draft: Json,
        etag: str,
        *,
        stored: Json,
        wrong: Wrong | None = None,
        changed: bool = False,
        tested: Json | None = None,
    ) -> Response:
        """The page of what is stored, or of a draft that is not saved yet."""
        wrong = wrong or Wrong()
        taken = {one["type"] for one in draft["connectors"]}
        return page(
            "identity_provider.html",
            wrong.status,
            draft=draft,
            stored=stored,
            etag=etag,
            wrong=wrong,
            changed=changed,
            tested=tested or {},
            types=self._types(),
            offered=[one.type for one in self._services.connectors() if one.type not in taken],
            settings={
                one.type: sorted(one.properties, key=lambda setting: setting.display_order)
                for one in self._services.connectors()
            },
            recent=self._recent(stored["name"]),
        )

    def _recent(self, name: str) -> list[Json]:
        """The latest deliveries, each with the request that it belongs to."""
        with self._services.database.read() as tx:
            found, _ = ledger.deliveries_page(tx, {"identityProvider": name}, None, RECENT)
            return [one | {"request": ledger.request_view(tx, one["requestId"])} for one in found]

    def _types(self) -> dict[str, Any]:
        """The display names of connectors by their types."""
        return {one.type: one.display_name for one in self._services.connectors()}
