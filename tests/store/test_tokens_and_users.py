from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from service.config import Settings
from service.providers import ServiceProvider
from service.store import configuration, tokens, users
from service.store.models import TokenRow
from tests.support.databases import migrated, sqlite_url
from tests.support.postgresql import server

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgresql():
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with migrated(url) as database:
        yield database


def make(tx, *, expires_at=None, provider=None):
    return tokens.create(
        tx, name="ci", scopes=["provision"], service_provider_id=provider, expires_at=expires_at, now=NOW
    )


def test_a_token_is_found_by_its_text_and_kept_as_a_hash(database):
    with database.transaction() as tx:
        token, text = make(tx)
    with database.read() as tx:
        assert tokens.by_text(tx, text) == token
        assert tokens.by_text(tx, text + "x") is None
    assert text.startswith("slc_")
    assert len(text) == 4 + 43
    with database.read() as tx:
        assert text not in str([vars(row) for row in tx.scalars(select(TokenRow))])


def test_a_token_ends_by_revocation_and_by_time(database):
    with database.transaction() as tx:
        token, _ = make(tx, expires_at=NOW + timedelta(hours=1))
        assert token.valid(NOW)
        assert not token.valid(NOW + timedelta(hours=1))
        tokens.revoke(tx, token.id, NOW)
        with pytest.raises(tokens.UnknownToken):
            tokens.revoke(tx, token.id, NOW)
        assert tokens.page(tx, None, 10) == ([], None)


def test_a_token_of_a_deleted_service_provider_is_gone(database):
    with database.transaction() as tx:
        configuration.create_service_provider(tx, ServiceProvider(name="hr"), NOW)
        token, text = make(tx, provider=configuration.service_provider_id(tx, "hr"))
        assert token.service_provider == "hr"
        configuration.update_service_provider(tx, "hr", ServiceProvider(name="people"), NOW)
        found = tokens.by_text(tx, text)
        assert found is not None
        assert found.service_provider == "people"
    with database.transaction() as tx:
        configuration.delete_service_provider(tx, "people")
    with database.read() as tx:
        assert tokens.by_text(tx, text) is None


def test_tokens_come_in_pages(database):
    with database.transaction() as tx:
        made = [make(tx)[0].id for _ in range(5)]
        first, cursor = tokens.page(tx, None, 3)
        rest, end = tokens.page(tx, cursor, 3)
    assert {t.id for t in first + rest} == set(made)
    assert (len(first), len(rest), end) == (3, 2, None)


def test_a_use_is_remembered_now_and_then(database):
    with database.transaction() as tx:
        token, text = make(tx)
        assert tokens.needs_mark(token, NOW)
        tokens.mark_used(tx, token.id, NOW)
        marked = tokens.by_text(tx, text)
    assert marked is not None
    assert not tokens.needs_mark(marked, NOW + timedelta(minutes=4))
    assert tokens.needs_mark(marked, NOW + timedelta(minutes=5))


def test_the_first_start_makes_an_administrator_with_a_password_that_is_shown_once(database):
    with database.transaction() as tx:
        password = users.ensure_admin(tx, Settings(), lambda: NOW)
        assert users.ensure_admin(tx, Settings(admin_password="late"), lambda: NOW) is None
        admin = users.find(tx, "Admin")
    assert admin is not None
    assert admin.role == "admin"
    assert password
    assert users.matches(admin.password_hash, password)
    assert not users.matches(admin.password_hash, "late")


def test_the_administrators_password_can_be_given_and_changed(database):
    with database.transaction() as tx:
        assert users.ensure_admin(tx, Settings(admin_password="chosen"), lambda: NOW) is None
        before = users.find(tx, "admin")
        users.set_password(tx, "ADMIN", users.hash_password("other"), NOW)
        after = users.find(tx, "admin")
        with pytest.raises(users.UnknownUser):
            users.set_password(tx, "nobody", users.hash_password("other"), NOW)
    assert before is not None
    assert after is not None
    assert users.matches(before.password_hash, "chosen")
    assert users.matches(after.password_hash, "other")


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_a_password_has_a_sensible_length(password):
    with pytest.raises(ValueError, match="1 to 1024"):
        users.hash_password(password)
