"""Bearer tokens: made once, kept as a hash, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select

from service.store.database import Transaction
from service.store.models import ServiceProviderRow, TokenRow

PREFIX = "slc_"
"""Lets secret scanners, and people, recognise a token of ours."""

USED_AFRESH = timedelta(minutes=5)
"""How exact `last_used_at` is: a commit for every use would cost more than most requests."""


class UnknownToken(Exception):
    """There is no token with that id, or it was revoked already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret. `service_provider` is the name of the one that it is bound to."""

    id: str
    name: str
    scopes: tuple[str, ...]
    service_provider: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hashed(token: str) -> str:
    """What is stored of a token. A plain hash is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(
    tx: Transaction,
    *,
    name: str,
    scopes: Sequence[str],
    service_provider_id: int | None,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[Token, str]:
    """A new token and its secret text, which is shown this once."""
    text = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(
        name=name,
        hash=hashed(text),
        scopes=list(scopes),
        service_provider_id=service_provider_id,
        created_at=now,
        expires_at=expires_at,
    )
    tx.add(row)
    tx.flush()
    provider = tx.get_one(ServiceProviderRow, service_provider_id).name if service_provider_id is not None else None
    return _token(row, provider), text


def by_text(tx: Transaction, text: str) -> Token | None:
    """The token with that secret text, valid or not."""
    query = _query().where(TokenRow.hash == hashed(text))
    found = tx.execute(query).one_or_none()
    return None if found is None else _token(found[0], found[1])


def page(tx: Transaction, cursor: str | None, limit: int) -> tuple[list[Token], str | None]:
    """Tokens that were not revoked, the newest first, and the cursor of what follows."""
    query = _query().where(TokenRow.revoked_at.is_(None)).order_by(TokenRow.id.desc()).limit(limit + 1)
    rows = tx.execute(query.where(TokenRow.id < cursor) if cursor else query).all()
    return [_token(row, provider) for row, provider in rows[:limit]], rows[limit - 1][0].id if len(
        rows
    ) > limit else None


def get(tx: Transaction, token_id: str) -> Token:
    """A token that was not revoked. Raises `UnknownToken`."""
    found = tx.execute(_query().where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None))).one_or_none()
    if found is None:
        raise UnknownToken(f"there is no token `{token_id}`")
    return _token(found[0], found[1])


def revoke(tx: Transaction, token_id: str, now: datetime) -> None:
    """End a token at once. Raises `UnknownToken`."""
    row = tx.get(TokenRow, token_id, with_for_update=True)
    if row is None or row.revoked_at is not None:
        raise UnknownToken(f"there is no token `{token_id}`")
    row.revoked_at = now


def mark_used(tx: Transaction, token_id: str, now: datetime) -> None:
    """Remember that a token was used, to within `USED_AFRESH`."""
    row = tx.get(TokenRow, token_id)
    if row is not None:
        row.last_used_at = now


def needs_mark(token: Token, now: datetime) -> bool:
    """Whether the use of a token is worth a write."""
    return token.last_used_at is None or now - token.last_used_at >= USED_AFRESH


def _query() -> Select[TokenRow, str | None]:
    return select(TokenRow, ServiceProviderRow.name).outerjoin(
        ServiceProviderRow, ServiceProviderRow.id == TokenRow.service_provider_id
    )


def _token(row: TokenRow, service_provider: str | None) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes),
        service_provider=service_provider,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
