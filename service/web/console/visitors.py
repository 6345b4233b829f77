"""Who looks at the console: the session of the cookie, and the token that proves a form to be ours.

The token of a form is derived from the secret of the cookie, so that only pages of ours can know it; before signing in
a cookie of its own takes the session's part. Browsers that say where a form comes from are believed as well.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from flask import Request
from werkzeug.wrappers import Response

from service.store import sessions
from service.store.sessions import Session
from service.web.principals import ROLE_RIGHTS, Principal, Right
from service.web.problems import Problem
from service.web.services import Services

SESSION_COOKIE = "sluice_session"
VISIT_COOKIE = "sluice_visit"
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field
LIVE_HEADER = "Sluice-Live"
"""Sent by the script that keeps a page up to date: looking at it by itself is no use of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Someone who is signed in; `secret` is the text of the session's cookie."""

    session: Session
    secret: str

    @property
    def name(self) -> str:
        """The user's name."""
        return self.session.user

    @property
    def principal(self) -> Principal:
        """What the HTTP API would take the same user for."""
        scopes = ROLE_RIGHTS.get(self.session.role, frozenset())
        return Principal(name=f"user:{self.session.user}", scopes=scopes)

    @property
    def role(self) -> str:
        """One of `users.ROLES`."""
        return self.session.role

    def may(self, right: Right) -> bool:
        """Whether buttons that need a right are of use."""
        return self.principal.has(right)

    @property
    def may_change(self) -> bool:
        """Whether buttons that change the configuration are of use."""
        return self.may("admin")

    @property
    def form_token(self) -> str:
        """What a form of this session carries."""
        return token_of(self.secret)


def visitor(services: Services, request: Request) -> Visitor | None:
    """The one who is signed in with this browser, if the session has not ended."""
    secret = request.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    now = services.clock()
    with services.database.read() as tx:
        session = sessions.find(tx, secret, now)
    if session is None:
        return None
    if sessions.needs_mark(session, now) and LIVE_HEADER not in request.headers:
        with services.database.transaction() as tx:
            sessions.mark_seen(tx, secret, now)
    return Visitor(session=session, secret=secret)


def token_of(secret: str) -> str:
    """The token of the forms that belong to a cookie."""
    return hmac.digest(secret.encode(), b"form token of the console", "sha256").hex()


def is_ours(request: Request, secret: str | None) -> bool:
    """Whether a form was sent by a page that this cookie's browser got from us."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    given = request.form.get(TOKEN_FIELD, "")
    return bool(secret) and hmac.compare_digest(given.encode(), token_of(secret or "").encode())


def require_ours(request: Request, secret: str | None) -> None:
    """Raise `Problem` 403 for a form that another site may have sent."""
    if not is_ours(request, secret):
        raise Problem(
            403, "this form was not sent by a page of this console, or is too old: go back, reload, send again"
        )


def new_secret() -> str:
    """A secret for a cookie of someone who has not signed in yet."""
    return secrets.token_urlsafe(32)


def give_cookie(response: Response, request: Request, name: str, value: str) -> None:
    """Set a cookie that no script can read and no other site's form can use."""
    response.set_cookie(name, value, path="/", httponly=True, samesite="Lax", secure=_is_encrypted(request))


def take_cookie(response: Response, request: Request, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(name, path="/", httponly=True, samesite="Lax", secure=_is_encrypted(request))


def _is_encrypted(request: Request) -> bool:
    """By what a proxy says, too: whoever lies about that only loses their own cookie."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
