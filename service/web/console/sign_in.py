"""Signing in and out, and one's own password. Wrong passwords count for the console and for the HTTP API alike."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from service.store import sessions, users
from service.web.auth import WINDOW, Authenticator
from service.web.console import visitors
from service.web.console.layout import go_to, page, visitor
from service.web.console.roles import ROLES
from service.web.console.visitors import SESSION_COOKIE, TOKEN_FIELD, VISIT_COOKIE
from service.web.problems import Problem
from service.web.services import Services
from service.web.throttle import Throttle

FAILURES = 5
"""Wrong passwords of one user from one address within `WINDOW`; after these even the right one must wait."""

SHORTEST_PASSWORD = 12
_OWN_ADDRESS = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*\Z")
SECRET_FIELD = re.compile(r"password|\.secret\.")
"""Names of fields whose values are never written into a page."""


class SignIn:
    """The pages of signing in and of one's own account."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services = services
        self._authenticator = authenticator
        self._failures = Throttle(FAILURES, WINDOW, services.clock)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/sign-in", "sign_in", self.form)
        blueprint.add_url_rule("/sign-in", "signed_in", self.sign_in, methods=["POST"])
        blueprint.add_url_rule("/sign-out", "sign_out", self.sign_out, methods=["POST"])
        blueprint.add_url_rule("/account", "account", self.account)
        blueprint.add_url_rule("/account/sessions", "sign_out_everywhere", self.sign_out_everywhere, methods=["POST"])
        blueprint.add_url_rule("/account/password", "change_password", self.change_password, methods=["POST"])

    def ask(self) -> BaseResponse:
        """What someone without a session gets: the form, at `/` at once; what they had typed is kept meanwhile."""
        if request.method == "POST":
            kept = _kept() if visitors.is_ours(request, request.cookies.get(SESSION_COOKIE)) else ""
            return self._form(status=401, following=_own(request.path), kept=kept, ended=True)
        if request.path == "/":
            return self._form()
        return go_to("sign_in", next=_own(request.full_path.rstrip("?")))

    def form(self) -> BaseResponse:
        """The form, or the page that was wanted for who is signed in already."""
        following = _own(request.args.get("next", "/"))
        return self._form(following=following)

    def _form(self, *, status: int = 200, following: str = "/", **content: Any) -> Response:
        secret = request.cookies.get(VISIT_COOKIE) or visitors.new_secret()
        token = visitors.token_of(secret)
        response = page("sign_in.html", status, following=following, token=token, **content)
        visitors.give_cookie(response, request, VISIT_COOKIE, secret)
        return response

    def sign_in(self) -> BaseResponse:
        """Check the password and begin a session with a cookie of its own."""
        visitors.require_ours(request, request.cookies.get(VISIT_COOKIE))
        name, following = request.form.get("user", ""), _own(request.form.get("next", "/"))
        kept = request.form.get("kept", "")
        try:
            self._check(name, request.form.get("password", ""))
        except Problem as problem:
            response = self._form(
                status=problem.status, following=following, kept=kept, user=name, wrong=problem.detail
            )
            response.headers.extend((k, v) for k, v in problem.headers if k == "Retry-After")
            return response
        secret = self._begin(name)
        response = _carry_on(following, kept, secret)
        visitors.give_cookie(response, request, SESSION_COOKIE, secret)
        visitors.take_cookie(response, request, VISIT_COOKIE)
        return response

    def _check(self, name: str, password: str) -> None:
        """Raise `Problem` 401, or 429 with what is to be waited."""
        address = request.remote_addr or ""
        person = f"{name.casefold()[:200]}\0{address}"
        wait = self._failures.wait(person)
        if wait is not None:
            raise Problem(429, f"too many wrong passwords: wait {_minutes(wait)}", headers=[("Retry-After", _s(wait))])
        try:
            self._authenticator.basic(name, password, address)
        except Problem:
            self._failures.failed(person)
            raise
        self._failures.succeeded(person)

    def _begin(self, name: str) -> str:
        """A new session in place of the one that this browser may have had."""
        with self._services.database.transaction() as tx:
            old = request.cookies.get(SESSION_COOKIE)
            if old:
                sessions.end(tx, old)
            return sessions.start(tx, name, address=request.remote_addr or "", now=self._services.clock())

    def sign_out(self) -> BaseResponse:
        """End this session."""
        with self._services.database.transaction() as tx:
            sessions.end(tx, visitor().secret)
        return _out()

    def sign_out_everywhere(self) -> BaseResponse:
        """End all sessions of the user, this one too."""
        with self._services.database.transaction() as tx:
            sessions.end_all(tx, visitor().name)
        return _out()

    def account(self) -> BaseResponse:
        """The user's own page."""
        return self._account()

    def _account(self, status: int = 200, **content: Any) -> Response:
        with self._services.database.read() as tx:
            count = sessions.count(tx, visitor().name, self._services.clock())
        return page("account.html", status, sessions=count, shortest=SHORTEST_PASSWORD, roles=ROLES, **content)

    def change_password(self) -> BaseResponse:
        """Set another password; this browser stays signed in, all others do not."""
        wrong = self._wrong_password_form()
        if wrong:
            return self._account(422, wrong=wrong)
        hashed = users.hash_password(request.form["password_new"])
        now = self._services.clock()
        with self._services.database.transaction() as tx:
            users.set_password(tx, visitor().name, hashed, now)
            sessions.end_all(tx, visitor().name)
            secret = sessions.start(tx, visitor().name, address=request.remote_addr or "", now=now)
        response = go_to("account", done="password")
        visitors.give_cookie(response, request, SESSION_COOKIE, secret)
        return response

    def _wrong_password_form(self) -> dict[str, str]:
        """What is wrong, by field."""
        new, again = request.form.get("password_new", ""), request.form.get("password_again", "")
        wrong = wrong_new_password(new, again)
        if wrong:
            return wrong
        try:
            self._check(visitor().name, request.form.get("password_now", ""))
        except Problem as problem:
            return {"password_now": problem.detail if problem.status == 429 else "is wrong"}
        return {}


def wrong_new_password(new: str, again: str) -> dict[str, str]:
    """What is wrong with a password that somebody is to get, by field."""
    if not SHORTEST_PASSWORD <= len(new) <= users.LONGEST_PASSWORD:
        return {"password_new": f"must have {SHORTEST_PASSWORD} to {users.LONGEST_PASSWORD} characters"}
    return {} if new == again else {"password_again": "is not the same as the new password"}


def _own(address: str) -> str:
    """An address of this console, whatever was asked for: nobody can send a visitor elsewhere from here."""
    return address if _OWN_ADDRESS.match(address) else "/"


def _out() -> BaseResponse:
    response = go_to("sign_in")
    visitors.take_cookie(response, request, SESSION_COOKIE)
    return response


def _kept() -> str:
    """What a form held that came too late; secrets must be typed again."""
    fields = [(k, v) for k, v in request.form.items(multi=True) if k != TOKEN_FIELD and not SECRET_FIELD.search(k)]
    return json.dumps(fields)


def _fields(kept: str) -> list[tuple[str, str]]:
    """Names and values as `_kept` wrote them. Raises `Problem` 400 for anything else."""
    try:
        return [(str(name), str(value)) for name, value in json.loads(kept)]
    except (TypeError, ValueError, RecursionError) as error:
        raise Problem(400, "what the page kept while you were signed out cannot be read") from error


def _carry_on(following: str, kept: str, secret: str) -> Response:
    """To the page that was wanted; through one that sends again what came too late, when somebody says so."""
    if kept:
        fields = _fields(kept)
        return page("carry_on.html", action=following, fields=fields, token=visitors.token_of(secret))
    response = Response(status=303)
    response.headers["Location"] = following
    return response


def _s(wait: timedelta) -> str:
    return str(max(1, math.ceil(wait.total_seconds())))


def _minutes(wait: timedelta) -> str:
    minutes = math.ceil(wait.total_seconds() / 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute"
