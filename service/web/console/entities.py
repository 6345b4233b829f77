"""Users and groups: who there is, what they have at which target, and why."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.store import accounts, ledger
from service.web.console import forms
from service.web.console.forms import Json
from service.web.console.layout import page
from service.web.problems import Problem
from service.web.services import Services

PER_PAGE = 50
MOST_NAMES = 100
LATEST_REQUESTS = 20


class EntityPages:
    """Entities and their accounts."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/entities", "entities", self.all)
        blueprint.add_url_rule("/entities/<id_>", "entity", self.show)
        blueprint.add_url_rule("/kept-accounts", "kept_accounts", self.kept)

    def all(self) -> Response:
        """Those whose names contain what was searched for."""
        sent = {name: forms.text(request.args, name) for name in ("name", "type")}
        with self._services.database.read() as tx:
            items, following = accounts.entities_page(tx, sent, request.args.get("cursor"), PER_PAGE)
        return page("entities.html", items=items, following=following, sent=sent)

    def kept(self) -> Response:
        """Accounts that stay although their removal was asked for."""
        filters = {"kept": True, "identityProvider": forms.text(request.args, "identityProvider")}
        with self._services.database.read() as tx:
            items, following = accounts.accounts_page(tx, filters, request.args.get("cursor"), PER_PAGE)
        return page("kept_accounts.html", items=items, following=following, filters=filters)

    def show(self, id_: str) -> Response:
        """One of them, with every target."""
        with self._services.database.read() as tx:
            view = accounts.entity_view(tx, id_)
            if view is None:
                raise Problem(404, f"there is no user or group `{id_}`")
            latest = ledger.latest_at_targets(tx, id_)
            asked, _ = ledger.requests_page(tx, {"entity": id_}, None, LATEST_REQUESTS)
            groups = accounts.groups_of(tx, id_, MOST_NAMES)
            members, count = accounts.members_of(tx, id_, MOST_NAMES)
            left_out = accounts.names_of(tx, [one for each in view["accounts"] for one in each["omittedMembers"]])
        places = _places(view["accounts"], latest)
        return page(
            "entity.html",
            entity=view,
            places=places,
            skipped=_skipped(asked, {one["identityProvider"] for one in places}),
            groups=groups,
            members=members,
            member_count=count,
            left_out=dict(left_out),
            attributes=json.dumps(view["attributes"], indent=2, ensure_ascii=False),
        )


def _places(found: list[Json], latest: list[Json]) -> list[Json]:
    """Every target with the account there, if there is one, and the latest delivery to it, if there was one."""
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, several in (("account", found), ("delivery", latest)):
        for one in several:
            key = (one["identityProvider"], one["connector"])
            place = places.setdefault(key, {"identityProvider": key[0], "connector": key[1]})
            place[kind] = one
    return [places[key] for key in sorted(places)]


def _skipped(asked: list[Json], known: set[str]) -> list[Json]:
    """The targets that nothing was ever due for, with the latest reason."""
    found: dict[str, Json] = {}
    for one in asked:
        for skipped in one["skipped"]:
            if skipped["identityProvider"] not in known:
                found.setdefault(skipped["identityProvider"], skipped)
    return list(found.values())
