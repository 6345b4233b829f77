"""The pages of one delivery and of one request, and what can be done to a delivery by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from service.provisioning.bulk import STATES, Action
from service.store import ledger
from service.web.api_requests import RequestApi
from service.web.console import forms
from service.web.console.layout import call, go_to, page
from service.web.console.timeline import steps
from service.web.fields import checked
from service.web.problems import Problem
from service.web.request_schemas import CommentBody
from service.web.services import Services

ACTIONS: Final[Mapping[Action, tuple[str, str]]] = {
    "retry": ("Retry", "It is tried at once; a dead letter goes with the state of now, after the policies said yes."),
    "cancel": ("Cancel", "It is never sent. What its target was sent before stays as it is there."),
    "approve": ("Approve", "The policies are asked once more, and when they do not deny it, it is sent."),
    "reject": ("Reject", "It ends as refused and is never sent."),
}
"""A word for the button, and what will happen."""


class DeliveryPages:
    """One delivery, one request."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = RequestApi(services)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/activity/<id_>", "delivery", self.show)
        blueprint.add_url_rule("/activity/<id_>", "steer_delivery", self.steer, methods=["POST"])
        blueprint.add_url_rule("/requests/<id_>", "request", self.request)

    def show(self, id_: str) -> Response:
        """A delivery with its timeline."""
        return self._page(id_)

    def _page(self, id_: str, problem: Problem | None = None) -> Response:
        with self._services.database.read() as tx:
            view = ledger.delivery_view(tx, id_)
            asked = ledger.request_view(tx, view["requestId"]) if view else None
        if view is None or asked is None:
            raise Problem(404, f"there is no delivery `{id_}`: it may have been cleared away with the history")
        return page(
            "delivery.html",
            problem.status if problem else 200,
            delivery=view,
            asked=asked,
            steps=steps(view, asked),
            actions={name: ACTIONS[name] for name in possible(view["state"])},
            problem=problem,
            written=self._written(),
        )

    def _written(self) -> dict[str, tuple[str, int]]:
        """File and line of each policy of the snapshot that decides now."""
        snapshot = self._services.policies.current().snapshot
        return {one.id: (one.file, one.line) for one in (snapshot.policies if snapshot is not None else ())}

    def steer(self, id_: str) -> BaseResponse:
        """Do what the pressed button says."""
        action, _ = forms.action(request.form)
        comment = forms.text(request.form, "comment")
        try:
            self._act(action, id_, comment)
        except Problem as problem:
            if problem.status not in {409, 422}:
                raise
            return self._page(id_, problem)
        return go_to("delivery", id_=id_, done=action)

    def _act(self, action: str, id_: str, comment: str) -> None:
        if action == "retry":
            self._api.retry(call(), id_)
        elif action == "cancel":
            self._api.cancel(call(), id_)
        elif action == "approve":
            self._api.approve(call(), id_, checked(CommentBody, {"comment": comment}))
        elif action == "reject":
            self._api.reject(call(), id_, checked(CommentBody, {"comment": comment}))
        else:
            raise Problem(400, f"`{action}` is nothing that can be done to a delivery")

    def request(self, id_: str) -> Response:
        """A request with its deliveries, and what was skipped and why."""
        with self._services.database.read() as tx:
            view = ledger.request_view(tx, id_)
        if view is None:
            raise Problem(404, f"there is no provisioning request `{id_}`")
        return page("request.html", asked=view)


def possible(state: str) -> list[Action]:
    """What can be done to a delivery that is shown in that state."""
    return [action for action in ACTIONS if state in STATES[action]]
