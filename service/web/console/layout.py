"""What all pages share: the blueprint, who may see them, how they look around their content, and how errors look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from service.store.ids import new_id
from service.store.ledger import stamp
from service.web.console import visitors
from service.web.console.visitors import Visitor
from service.web.operations import Call
from service.web.principals import Right
from service.web.problems import DETAILS, Problem
from service.web.services import Services

NAME = "console"
STATIC = f"{NAME}.static"
OPEN_TO_ALL = frozenset({f"{NAME}.sign_in", f"{NAME}.signed_in"})
SENDING: Mapping[str, Right] = {
    "sign_out": "read",
    "sign_out_everywhere": "read",
    "change_password": "read",
    "tried": "read",
    "create_policy": "policies",
    "change_policy": "policies",
    "steer_delivery": "operate",
    "bulk_step": "operate",
}
"""The right that each form needs; one that is not named here is for administrators."""

SEEING: Mapping[str, Right] = {"users": "admin", "user": "admin", "add_user": "admin", "bulk": "operate"}
"""The right that each page needs; one that is not named here is for everyone who is signed in."""

PROGRAMS = ("/api/", "/scim/", "/xacml/")
"""Below these programs ask, and get problem details whatever they accept."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

NOTICES = {
    "created": "Created. Configure it below.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "paused": "Paused: everything for it is held until it is resumed.",
    "resumed": "Resumed: what was held goes on.",
    "retry": "It is tried again.",
    "cancel": "Cancelled: it will not be sent.",
    "approve": "Approved: the policy is asked once more, then it goes.",
    "reject": "Rejected: it will not be sent.",
    "user": "Done. It counts from the next page that they open.",
    "user-password": "The password is changed. Their sessions were ended.",
    "sessions": "Their sessions were ended.",
    "password": "The password is changed. All other sessions were ended.",
    "written": "Written. The policies decide with it now.",
}
"""What is said after a form did its work; fixed words, because they come back in the address."""

Page = Callable[..., Any]
Answered = str | BaseResponse | tuple[str, int]

log = structlog.get_logger(__name__)


def new_blueprint() -> Blueprint:
    """The blueprint with the static files, which need no session, and what templates can call."""
    blueprint = Blueprint(NAME, __name__, static_folder="../static", static_url_path="/static")
    blueprint.add_app_template_filter(_moment, "moment")
    blueprint.add_app_template_filter(_counted, "counted")
    blueprint.add_app_template_filter(_coded, "coded")
    return blueprint


def guard(blueprint: Blueprint, services: Services, ask_to_sign_in: Callable[[], BaseResponse]) -> None:
    """Let nobody but the signed in see pages, nobody do what their role does not allow, and no foreign form in."""

    @blueprint.before_request
    def admit() -> BaseResponse | None:
        if request.endpoint == STATIC:
            return None
        g.policies = services.policies.current()
        g.visitor = visitors.visitor(services, request)
        _limit_form()
        if request.endpoint in OPEN_TO_ALL:
            return None
        if g.visitor is None:
            return ask_to_sign_in()
        if request.method == "POST":
            visitors.require_ours(request, g.visitor.secret)
        g.visitor.principal.require(frozenset({_right_needed()}))
        return None

    @blueprint.before_app_request
    def tell_the_lost() -> BaseResponse | None:
        """Where there is nothing a browser gets a page; asking it for Basic credentials would lead nowhere."""
        if not _is_lost():
            return None
        g.policies = services.policies.current()
        g.visitor = visitors.visitor(services, request)
        if g.visitor is None:
            return ask_to_sign_in()
        return _add_headers(_problem(Problem(404, DETAILS[404])))

    blueprint.after_request(_add_headers)
    blueprint.register_error_handler(Problem, _problem)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(Exception, _unexpected)


def _is_lost() -> bool:
    """Whether a person's browser asks for an address that nobody has."""
    if request.endpoint is not None or request.method != "GET" or request.path.startswith(PROGRAMS):
        return False
    return "text/html" in request.headers.get("Accept", "") and "Authorization" not in request.headers


def _right_needed() -> Right:
    """What a visitor must be allowed for this request."""
    endpoint = (request.endpoint or "").removeprefix(f"{NAME}.")
    return SENDING.get(endpoint, "admin") if request.method == "POST" else SEEING.get(endpoint, "read")


def _limit_form() -> None:
    """A policy is a long field; a form whose length nobody says could be cut without notice."""
    if request.method == "POST":
        if request.content_length is None:
            raise Problem(411, "a form must say its length")
        request.max_form_memory_size = request.max_content_length


def _add_headers(response: BaseResponse) -> BaseResponse:
    response.headers["Content-Security-Policy"] = POLICY
    if request.endpoint == STATIC:
        response.headers["Cache-Control"] = "no-cache"
    return response


def visitor() -> Visitor:
    """The one who is signed in."""
    found: Visitor = g.visitor
    return found


def call(etag: str | None = None, headers: Mapping[str, str] | None = None) -> Call:
    """A call of an endpoint of the HTTP API by the one who is signed in."""
    given = Headers(headers or {})
    if etag is not None:
        given["If-Match"] = etag
    return Call(visitor().principal, given)


def page(template: str, status: int = 200, **content: Any) -> Response:
    """A page as it is answered."""
    notice = NOTICES.get(request.args.get("done", ""))
    count = request.args.get("cancelled", "")
    if notice and count.isdecimal() and count != "0":
        notice += f" Deliveries that were under way and are now cancelled: {count[:9]}."
    html = render_template(template, visitor=g.get("visitor"), policies=g.get("policies"), notice=notice, **content)
    return make_response(html, status)


def go_to(endpoint: str, **values: Any) -> BaseResponse:
    """After a form did its work: a page that can be reloaded."""
    return redirect(url_for(f"{NAME}.{endpoint}", **values), 303)


def _problem(problem: Problem) -> Response:
    response = page("error.html", problem.status, code=problem.status, title=_title(problem.status), problem=problem)
    response.headers.extend((k, v) for k, v in problem.headers if k != "WWW-Authenticate")
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None:
        return make_response(error.response)
    return _problem(Problem(status, DETAILS.get(status, _title(status).lower())))


def _unexpected(error: Exception) -> Response:
    """The reader gets a reference, the log the rest."""
    reference = new_id()
    log.error("unexpected error", reference=reference, exc_info=error)
    return _problem(Problem(500, f"something unexpected happened: the log says more under the reference `{reference}`"))


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def _moment(value: datetime | str | None) -> dict[str, str] | None:
    """A time for `<time>`: exact for machines, in UTC for people; a script writes it in their own zone."""
    text = stamp(value) if isinstance(value, datetime) else value
    if not text:
        return None
    return {"exact": text, "utc": f"{text[:10]} {text[11:19]} UTC"}


def _counted(number: int, one: str, several: str | None = None) -> str:
    """`1 delivery`, `2 deliveries`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _coded(message: str) -> Markup:
    """A message as the log has it: what stands between backticks, names and values, as code."""
    parts = message.split("`")
    if len(parts) % 2 == 0:  # an odd backtick belongs to a value: nothing tells which
        return escape(message)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def quoted(name: str) -> str:
    """A name as part of an address."""
    return quote(name, safe="")
