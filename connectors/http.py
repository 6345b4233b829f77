"""Sends one `Request` and returns its `Reply`: the only room that opens a connection.

A `Sender` is shared by all threads. It keeps idle connections per target for a moment, follows no redirect, knows no
proxy, netrc or cookie, and ends every call at its deadline. It knows nothing of protocols: any status is a `Reply`.
When there is none it raises `NoReply`, which says whether the request may have reached the target.
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3.exceptions
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from connectors.addresses import networks
from connectors.connector import Reply, Request, Tls
from connectors.pinning import AddressRefused, Guard, GuardedAdapter, NoReply, lower_case
from connectors.tls import BadCertificate, make_context

__all__ = ["AddressRefused", "NoReply", "Sender", "Transport", "check_url"]

# A connection that the target is about to close makes an unsafe request ambiguous, so only a fresh one is used again.
# Two seconds is the shortest keep-alive among common servers.
_FRESH_SECONDS = 1.8
_IDLE_PER_TARGET = 8
_CONTEXTS = 256
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How to reach a target.

    `deadline` is in seconds and covers everything from resolving the name to the last byte of the answer. `ca` is the
    path of a PEM file with the only authorities to trust; None trusts the public ones and the system's.
    `client_certificate` is the path of a PEM file with certificate and key, or a pair of paths. `allow` are the CIDRs
    of private and loopback addresses that the target may have. `max_reply` is in bytes.
    """

    deadline: float = 30.0
    verify: bool = True
    ca: str | None = None
    client_certificate: str | tuple[str, str] | None = None
    max_reply: int = 4 * 1024 * 1024
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Key:
    """What connections have in common that may be used for the same request."""

    origin: str
    transport: Transport
    tls: Tls | None


@dataclass(slots=True)
class _Session:
    requests: requests.Session
    guard: Guard
    idle_since: float = 0.0


class Sender:
    """Sends requests; thread-safe. `close` it when no more will be sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[_Key, list[_Session]] = defaultdict(list)
        self._swept = 0.0
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def send(self, request: Request, *, transport: Transport) -> Reply:
        """Send a request and read its answer, whatever its status is.

        Raises AddressRefused when the target may not be reached, NoReply when there is no (whole) answer.
        """
        url = check_url(request.url)
        prepared = _prepare(request)
        key = _Key(f"{url.scheme}://{url.netloc.lower()}", transport, request.tls)
        session = self._take(key)
        session.guard.begin(transport.deadline)
        try:
            reply, reusable = _call(session, prepared, transport.max_reply)
        except BaseException:
            session.requests.close()
            raise
        if reusable:
            self._give_back(key, session)
        else:
            session.requests.close()
        return reply

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            sessions = [session for idle in self._idle.values() for session in idle]
            self._idle.clear()
        for session in sessions:
            session.requests.close()

    def _take(self, key: _Key) -> _Session:
        stale: list[_Session] = []
        fresh: _Session | None = None
        with self._lock:
            idle = self._idle.get(key, [])
            while idle and fresh is None:
                session = idle.pop()
                if time.monotonic() - session.idle_since < _FRESH_SECONDS:
                    fresh = session
                else:
                    stale.append(session)
        for session in stale:
            session.requests.close()
        return fresh or self._open(key)

    def _give_back(self, key: _Key, session: _Session) -> None:
        session.idle_since = time.monotonic()
        with self._lock:
            idle = self._idle[key]
            idle.append(session)
            surplus = [idle.pop(0)] if len(idle) > _IDLE_PER_TARGET else []
            surplus += self._stale(session.idle_since)
        for one in surplus:
            one.requests.close()

    def _stale(self, now: float) -> list[_Session]:
        """Take away what nobody will use again: a target may never be called a second time."""
        if now - self._swept < _FRESH_SECONDS:
            return []
        self._swept = now
        stale = [one for idle in self._idle.values() for one in idle if now - one.idle_since >= _FRESH_SECONDS]
        gone = set(map(id, stale))
        kept = {key: [one for one in idle if id(one) not in gone] for key, idle in self._idle.items()}
        self._idle.clear()
        self._idle.update({key: idle for key, idle in kept.items() if idle})
        return stale

    def _open(self, key: _Key) -> _Session:
        try:
            guard = Guard(networks(key.transport.allow))
        except ValueError as error:
            raise AddressRefused(f"an allowed network is not in CIDR notation: {error}") from error
        session = requests.Session()
        session.trust_env = False  # proxies and netrc of the environment would bypass the pinning and leak credentials
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = GuardedAdapter(guard, self._context(key))
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return _Session(session, guard)

    def _context(self, key: _Key) -> ssl.SSLContext:
        """Made once per setting: reading the authorities takes longer than a request."""
        transport = key.transport
        setting = (transport.verify, transport.ca, transport.client_certificate, key.tls)
        with self._lock:
            known = self._contexts.get(setting)
        if known is not None:
            return known
        try:
            made = make_context(
                verify=transport.verify,
                ca=transport.ca,
                public=DEFAULT_CA_BUNDLE_PATH,
                client_certificate=transport.client_certificate,
                tls=key.tls,
            )
        except BadCertificate as error:
            raise NoReply(str(error), sent=False) from error
        with self._lock:
            if len(self._contexts) >= _CONTEXTS:
                self._contexts.clear()
            self._contexts[setting] = made
        return made


def check_url(url: str) -> SplitResult:
    """The parts of a URL that may be requested: http or https, a host, no user or password in it.

    Raises AddressRefused that says what is wrong with it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"`{url}` is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise AddressRefused(f"`{url}` may not be requested: only http and https URLs may")
    if "@" in parts.netloc:
        raise AddressRefused(f"a URL of `{parts.hostname}` holds a user name or password: use the connector's settings")
    if not parts.hostname or port == 0:
        raise AddressRefused(f"`{url}` names no host and port")
    if any(ord(character) <= 32 or character in "\x7f\\" for character in url):
        raise AddressRefused(f"`{url}` holds a blank or control character")
    return parts


def _prepare(request: Request) -> requests.PreparedRequest:
    headers: dict[str, str | bytes] = {"User-Agent": "Sluice", "Accept-Encoding": "identity"}
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name) or any(character in value for character in "\r\n\0"):
            raise AddressRefused(f"header `{name[:40]}` of the request is not valid")
        headers = {known: text for known, text in headers.items() if known.lower() != name.lower()}
        headers[name] = value.encode("utf-8")
    try:
        prepared = requests.Request(request.method, request.url, headers=headers, data=request.body).prepare()
    except requests.RequestException as error:
        raise AddressRefused(f"`{request.url}` cannot be requested: {type(error).__name__}") from error
    if request.body is None and request.method in {"POST", "PUT", "PATCH"}:
        prepared.headers["Content-Length"] = "0"
    return prepared


def _call(session: _Session, prepared: requests.PreparedRequest, cap: int) -> tuple[Reply, bool]:
    """The reply, and whether the connection can be used again."""
    with _explained(session.guard, prepared):
        response = session.requests.send(
            prepared, stream=True, allow_redirects=False, timeout=session.guard.seconds, proxies={}
        )
        body: bytes = response.raw.read(cap + 1, decode_content=True)
    truncated = len(body) > cap
    reply = Reply(response.status_code, lower_case(response.headers), body[:cap], truncated=truncated)
    if truncated:
        response.close()
    return reply, not truncated


@contextmanager
def _explained(guard: Guard, prepared: requests.PreparedRequest) -> Iterator[None]:
    """Turn whatever the HTTP library raises into NoReply with a readable reason."""
    try:
        yield
    except NoReply:
        raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        host = urlsplit(prepared.url or "").hostname
        raise NoReply(f"`{host}`: {_reason(error, guard)}", sent=guard.sent) from error


def _reason(error: BaseException, guard: Guard) -> str:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS certificate not accepted: {cause.verify_message}"
        if isinstance(cause, (TimeoutError, urllib3.exceptions.TimeoutError)):
            return f"no answer within {guard.seconds:g} s"
        if isinstance(cause, urllib3.exceptions.DecodeError):
            return "the answer's content encoding is broken"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {(cause.reason or str(cause)).lower().replace('_', ' ')}"
        if isinstance(cause, (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead)):
            return "connection closed without a whole answer"
        if isinstance(cause, http.client.HTTPException):
            return "the answer is not HTTP"
    return f"no answer ({type(causes[-1]).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything inside it; the HTTP libraries wrap in arguments, causes and contexts alike."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [*current.args, current.__cause__, current.__context__, getattr(current, "reason", None)]
        pending += [item for item in inner if isinstance(item, BaseException)]
