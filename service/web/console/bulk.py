"""One action on all deliveries that a filter means: first how many and which, then step by step with its progress.

Each step is a form that the page before sends: by a script at once, without one by a button. What was done so far goes
along in it.
"""

from __future__ import annotations

import json
from typing import Any, cast

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.provisioning.bulk import STATES, Action
from service.store import ledger
from service.web.console import activity_filters, forms
from service.web.console.activity_filters import DELIVERY_STATES, Filters
from service.web.console.deliveries import ACTIONS
from service.web.console.forms import Form, Json
from service.web.console.layout import page, visitor
from service.web.problems import Problem
from service.web.services import Services

SAMPLE = 10
MOST_REASONS = 200
"""As many deliveries that the action was not possible for are told with their reasons; the others are counted."""


class BulkPages:
    """Retry, cancel, approve or reject many."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages; `layout` says who may."""
        blueprint.add_url_rule("/bulk", "bulk", self.ask)
        blueprint.add_url_rule("/bulk", "bulk_step", self.step, methods=["POST"])

    def ask(self) -> Response:
        """How many it would be, and the first of them."""
        action, filters = _meant(request.args)
        with self._services.database.read() as tx:
            count = ledger.count_matching(tx, filters.meant, STATES[action])
            ids = ledger.matching(tx, filters.meant, STATES[action], "", SAMPLE)
            sample = ledger.deliveries_of(tx, ids)
        return page("bulk.html", count=count, sample=sample, **_shown(action, filters))

    def step(self) -> Response:
        """Do the next part; the answer is how far it is, and the form that goes on, or what came of it."""
        action, filters = _meant(request.form)
        comment = forms.text(request.form, "comment")[:1000]
        outcome = self._services.outbound.bulk(
            action,
            filters.meant,
            after=request.form.get("after", ""),
            principal=visitor().principal.name,
            comment=comment,
        )
        done = _number(request.form, "done_count") + outcome.done
        refused = [*_reasons(request.form), *([id_, reason] for id_, reason in outcome.refused)]
        count = _number(request.form, "refused_count") + len(outcome.refused)
        return page(
            "bulk_progress.html",
            following=outcome.next,
            done_count=done,
            refused_count=count,
            refused=refused[:MOST_REASONS],
            kept=json.dumps(refused[:MOST_REASONS]),
            total=max(_number(request.form, "total"), done + count),
            comment=comment,
            **_shown(action, filters),
        )


def _shown(action: Action, filters: Filters) -> Json:
    word, effect = ACTIONS[action]
    return {"action": action, "word": word, "effect": effect, "filters": filters}


def _meant(sent: Form) -> tuple[Action, Filters]:
    """The action and the filters. Raises `Problem` 400: no page of ours asks for anything else."""
    filters = activity_filters.read(sent, DELIVERY_STATES)
    action = sent.get("action", "")
    if action not in STATES:
        raise Problem(400, f"`{action}` is nothing that can be done to deliveries")
    if filters.wrong:
        raise Problem(400, next(iter(filters.wrong.values())))
    return cast("Action", action), filters


def _number(form: Form, name: str) -> int:
    text = form.get(name, "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _reasons(form: Form) -> list[list[str]]:
    """What the steps before could not do. Raises `Problem` 400 for what no page of ours sends."""
    try:
        found: list[Any] = json.loads(form.get("refused", "[]"))
        return [[str(id_), str(reason)] for id_, reason in found]
    except (TypeError, ValueError, RecursionError) as error:
        raise Problem(400, "what the steps before came to cannot be read") from error
