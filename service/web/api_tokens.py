"""`/api/v1/tokens`: made once, listed without their secret, revoked at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from service.store import configuration, tokens
from service.store.configuration import UnknownProvider
from service.store.ledger import stamp
from service.store.tokens import Token, UnknownToken
from service.web.fields import Body, Moment, Name, Page, View
from service.web.operations import Answer, Call, operation
from service.web.principals import Scope
from service.web.problems import Problem, invalid
from service.web.services import Services

PATH = "/api/v1/tokens"
TAG = "tokens"


class TokenBody(Body):
    """A token to be made. Scope `provision` is bound to one service provider."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    service_provider: Name | None = None
    expires_at: Moment | None = None


class TokenView(View):
    """A token without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    service_provider: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewTokenView(TokenView):
    """A new token; `token` is shown this once."""

    token: str


class TokenPage(View):
    """Tokens that are not revoked, the newest first."""

    items: list[TokenView]
    next: str | None


class TokenApi:
    """Bearer tokens for programs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @operation("POST", PATH, tag=TAG, answers={201: NewTokenView}, response_headers=("Location",))
    def create(self, _call: Call, body: TokenBody) -> Answer:
        """Make a token; its text is answered this once and stored as a hash."""
        now = self._services.clock()
        _check(body, now)
        try:
            with self._services.database.transaction() as tx:
                bound = body.service_provider
                token, text = tokens.create(
                    tx,
                    name=body.name,
                    scopes=list(dict.fromkeys(body.scopes)),
                    service_provider_id=None if bound is None else configuration.service_provider_id(tx, bound),
                    expires_at=body.expires_at,
                    now=now,
                )
        except UnknownProvider as error:
            raise invalid([("serviceProvider", str(error))]) from error
        return Answer(_view(token) | {"token": text}, 201, {"Location": f"{PATH}/{token.id}"})

    @operation("GET", PATH, tag=TAG, scopes=("read",), answers={200: TokenPage})
    def list(self, _call: Call, query: Page) -> Answer:
        """Tokens that are not revoked, the newest first, without their text."""
        with self._services.database.read() as tx:
            found, following = tokens.page(tx, query.cursor, query.limit)
        return Answer({"items": [_view(token) for token in found], "next": following})

    @operation("GET", f"{PATH}/{{id}}", tag=TAG, scopes=("read",), answers={200: TokenView})
    def get(self, _call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """A token without its text."""
        try:
            with self._services.database.read() as tx:
                return Answer(_view(tokens.get(tx, id)))
        except UnknownToken as error:
            raise Problem(404, str(error)) from error

    @operation("DELETE", f"{PATH}/{{id}}", tag=TAG, answers={204: None})
    def revoke(self, _call: Call, id: str) -> Answer:  # noqa: A002 - the name in the address
        """Revoke a token: it is refused from now on."""
        try:
            with self._services.database.transaction() as tx:
                tokens.revoke(tx, id, self._services.clock())
        except UnknownToken as error:
            raise Problem(404, str(error)) from error
        return Answer(None, 204)


def _check(body: TokenBody, now: datetime) -> None:
    """Raise `Problem` 422 unless `provision` and a service provider come together."""
    bound = body.service_provider is not None
    if "provision" in body.scopes and not bound:
        raise invalid([("serviceProvider", "is required: the scope `provision` is bound to one")])
    if "provision" not in body.scopes and bound:
        raise invalid([("serviceProvider", "belongs to the scope `provision` only")])
    if body.expires_at is not None and body.expires_at <= now:
        raise invalid([("expiresAt", "is in the past")])


def _view(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "serviceProvider": token.service_provider,
        "createdAt": stamp(token.created_at),
        "expiresAt": stamp(token.expires_at),
        "lastUsedAt": stamp(token.last_used_at),
    }
