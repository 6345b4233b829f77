"""Checks credentials: bearer tokens (RFC 6750) and Basic (RFC 7617) for users of the console."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from flask import Request

from service.store import tokens, users
from service.store.tokens import Token
from service.store.users import ConsoleUser
from service.web.principals import ROLE_RIGHTS, Principal, Right
from service.web.problems import Problem
from service.web.services import Services
from service.web.throttle import Throttle

CHALLENGES = (
    ("WWW-Authenticate", 'Bearer realm="sluice"'),
    ("WWW-Authenticate", 'Basic realm="sluice", charset="UTF-8"'),
)
WRONG = "the user name or the password is wrong"
REMEMBERED_FOR = timedelta(seconds=60)
MOST_REMEMBERED = 1000
WINDOW = timedelta(minutes=5)
FAILURES_PER_USER_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 60
HASHING_AT_ONCE = 2
"""Each check of a password takes 64 MiB: a flood of guesses must not take all memory."""


def unauthorized(detail: str) -> Problem:
    """401 with the ways to sign in."""
    return Problem(401, detail, headers=CHALLENGES)


@dataclass(frozen=True, slots=True)
class _Remembered:
    password_hash: str
    until: datetime


class _Verified:
    """Passwords that were right a moment ago, under a keyed hash: argon2 costs 50 ms. Thread-safe."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._known: dict[bytes, _Remembered] = {}
        self._lock = threading.Lock()

    def _name(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{len(user)}:{user}{password}".encode(), "sha256")

    def knows(self, user: ConsoleUser, password: str, now: datetime) -> bool:
        """A password set meanwhile has another hash, and so ends what was remembered."""
        with self._lock:
            known = self._known.get(self._name(user.name, password))
        return known is not None and known.until > now and known.password_hash == user.password_hash

    def remember(self, user: ConsoleUser, password: str, now: datetime) -> None:
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known = {name: one for name, one in self._known.items() if one.until > now}
            if len(self._known) < MOST_REMEMBERED:
                self._known[self._name(user.name, password)] = _Remembered(user.password_hash, now + REMEMBERED_FOR)


class Authenticator:
    """Turns the credentials of a request into a principal. Thread-safe."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._clock = services.clock
        token = services.settings.admin_token
        self._admin_token = None if token is None else _digest(token)
        self._verified = _Verified()
        self._hashing = threading.BoundedSemaphore(HASHING_AT_ONCE)
        self._by_user = Throttle(FAILURES_PER_USER_AND_ADDRESS, WINDOW, services.clock)
        self._by_address = Throttle(FAILURES_PER_ADDRESS, WINDOW, services.clock)

    def principal(self, request: Request) -> Principal:
        """Who sent the request. Raises `Problem` 401, or 429 for who guesses passwords."""
        given = request.authorization
        if given is None:
            raise unauthorized("credentials are needed: a bearer token, or Basic with a console user's password")
        if given.type == "bearer" and given.token:
            return self.bearer(given.token)
        if given.type == "basic" and given.username is not None and given.password is not None:
            _refuse_other_sites(request)
            return self.basic(given.username, given.password, request.remote_addr or "")
        raise unauthorized("these credentials are of a kind that is not taken here: use Bearer or Basic")

    def bearer(self, text: str) -> Principal:
        """The principal of a token. Raises `Problem` 401."""
        if self._admin_token is not None and hmac.compare_digest(_digest(text), self._admin_token):
            return Principal(name="setting:SLUICE_ADMIN_TOKEN", scopes=frozenset({"admin"}))
        with self._database.read() as tx:
            token = tokens.by_text(tx, text)
        now = self._clock()
        if token is None or not token.valid(now):
            raise unauthorized("the token is unknown, revoked or expired")
        if tokens.needs_mark(token, now):
            with self._database.transaction() as tx:
                tokens.mark_used(tx, token.id, now)
        return _of_token(token)

    def basic(self, name: str, password: str, address: str) -> Principal:
        """The principal of a console user. Raises `Problem` 401 or 429."""
        if "\0" in name:
            raise unauthorized(WRONG)
        with self._database.read() as tx:
            user = users.find(tx, name)
        now = self._clock()
        person = f"{name.casefold()[:200]}\0{address}"
        self._refuse_guessing(person, address)  # first: what is remembered could be guessed as well
        if user is not None and self._verified.knows(user, password, now):
            return _of_user(user)
        if not self._matches(user, password):
            self._by_user.failed(person)
            self._by_address.failed(address)
            raise unauthorized(WRONG)
        assert user is not None
        self._by_user.succeeded(person)
        self._verified.remember(user, password, now)
        return _of_user(user)

    def _refuse_guessing(self, person: str, address: str) -> None:
        waits = [w for w in (self._by_user.wait(person), self._by_address.wait(address)) if w is not None]
        if waits:
            seconds = max(1, math.ceil(max(waits).total_seconds()))
            raise Problem(429, "too many wrong passwords: wait", headers=[("Retry-After", str(seconds))])

    def _matches(self, user: ConsoleUser | None, password: str) -> bool:
        """Takes as long for a name that does not exist."""
        if len(password) > users.LONGEST_PASSWORD:
            return False
        with self._hashing:
            right = users.matches(user.password_hash if user else self._nobody, password)
        return right and user is not None

    @cached_property
    def _nobody(self) -> str:
        return users.hash_password(os.urandom(16).hex())


def _refuse_other_sites(request: Request) -> None:
    """Raise `Problem` 403 for a write that another site made the browser send.

    A browser adds Basic credentials by itself, also to a form of another site; it says so in `Sec-Fetch-Site` or
    `Origin`. Programs send neither.
    """
    if request.method in {"GET", "HEAD"}:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign = site not in {"same-origin", "none"} if site else origin not in {None, request.host_url.rstrip("/")}
    if foreign:
        raise Problem(403, "a write from another site is not taken with Basic credentials")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _of_token(token: Token) -> Principal:
    scopes = cast("frozenset[Right]", frozenset(token.scopes))
    if token.service_provider is None:
        scopes -= {"provision"}  # bound to nobody it must not mean anybody
    return Principal(name=f"token:{token.id}", scopes=scopes, service_provider=token.service_provider)


def _of_user(user: ConsoleUser) -> Principal:
    return Principal(name=f"user:{user.name}", scopes=ROLE_RIGHTS.get(user.role, frozenset()))
