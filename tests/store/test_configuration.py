from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from service.providers import (
    SECRET_MASK,
    ClaimMapping,
    ConnectorConfiguration,
    DeliverySettings,
    IdentityProvider,
    InboundProvisioning,
    OutboundRow,
    RoleMapping,
    ServiceProvider,
)
from service.store import configuration
from service.store.models import ConnectorRow, ConnectorSecretRow, IdentityProviderRow, RememberedRow
from service.store.secrets import SecretKeyError, Vault
from tests.support.databases import migrated, sqlite_url
from tests.support.postgresql import server

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
VAULT = Vault(os.urandom(32))
SEALS = configuration.Seals(VAULT, lambda _type: frozenset({"scim2-access-token", "scim2-password"}))

SCIM = ConnectorConfiguration(
    type="scim2",
    properties={"scim2-user-ep": "https://target.example/Users", "scim2-access-token": "s3cret"},
)
ACME = IdentityProvider(
    name="Acme",
    default_connector="scim2",
    claim_mappings=(ClaimMapping("http://wso2.org/claims/emailaddress", "mail", None),),
    role_mappings=(RoleMapping("Doe, Jane", "Engineering"),),
    outbound_roles=("eng",),
    connectors=(SCIM, ConnectorConfiguration(type="spml", enabled=False, on_conflict="fail")),
    delivery=DeliverySettings(first_retry=timedelta(seconds=1.5)),
)


@pytest.fixture(scope="module")
def postgresql():
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with migrated(url) as database:
        yield database


@pytest.fixture
def acme(database):
    with database.transaction() as tx:
        return configuration.create_identity_provider(tx, SEALS, ACME, NOW)


def test_an_identity_provider_reads_as_it_was_written_but_for_its_secrets(database, acme):
    with database.read() as tx:
        stored = configuration.get_identity_provider(tx, "aCME")
    assert stored == acme
    assert stored.connectors[0].properties == dict(SCIM.properties) | {"scim2-access-token": SECRET_MASK}
    assert replace(stored, connectors=ACME.connectors) == ACME


def test_a_secret_is_nowhere_in_the_database_in_clear(tmp_path):
    with migrated(sqlite_url(tmp_path)) as database, database.transaction() as tx:
        configuration.create_identity_provider(tx, SEALS, ACME, NOW)
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert any(b"Acme" in content for content in files)
    assert not any(b"s3cret" in content for content in files)


def test_the_settings_of_a_connector_hold_the_opened_secrets(database, acme):
    with database.read() as tx:
        identifier, settings = configuration.connector_settings(tx, VAULT, "acme", "SCIM2", tenant="carbon.super")
        assert configuration.connector_settings_by_id(tx, VAULT, identifier, tenant="carbon.super") == settings
        assert configuration.connector_id(tx, "acme", "scim2") == identifier
    assert settings.get("scim2-access-token") == "s3cret"
    assert (settings.identity_provider, settings.tenant) == ("Acme", "carbon.super")


def test_a_secret_moved_to_another_connector_does_not_open(database, acme):
    other = replace(ACME, name="other")
    with database.transaction() as tx:
        configuration.create_identity_provider(tx, SEALS, other, NOW)
        first, second = tx.scalars(select(ConnectorSecretRow).order_by(ConnectorSecretRow.connector_id)).all()
        first.sealed, second.sealed = second.sealed, first.sealed
    with database.read() as tx, pytest.raises(SecretKeyError):
        configuration.connector_settings(tx, VAULT, "other", "scim2", tenant="t")


def test_the_mask_keeps_a_secret_and_an_omission_removes_it(database, acme):
    def write(**properties):
        connector = replace(SCIM, properties={"scim2-user-ep": "https://target.example/Users", **properties})
        with database.transaction() as tx:
            wanted = replace(ACME, connectors=(connector,))
            configuration.update_identity_provider(tx, SEALS, "acme", wanted, NOW)
        with database.read() as tx:
            return configuration.connector_settings(tx, VAULT, "acme", "scim2", tenant="t")[1].get("scim2-access-token")

    assert write(**{"scim2-access-token": SECRET_MASK}) == "s3cret"
    assert write(**{"scim2-access-token": "another"}) == "another"
    assert write() == ""
    with pytest.raises(configuration.Invalid) as refused:
        write(**{"scim2-access-token": SECRET_MASK})
    assert refused.value.problems[0][0] == "connectors[0].properties.scim2-access-token"


def test_editing_renaming_and_reordering_keep_the_rows_that_links_hang_on(database, acme):
    with database.read() as tx:
        before = {row.type: row.id for row in tx.scalars(select(ConnectorRow))}
    edited = replace(SCIM, profile="okta", properties={"scim2-user-ep": "https://elsewhere.example/Users"})
    wanted = replace(ACME, name="Acme Corp", connectors=(ACME.connectors[1], edited))
    with database.transaction() as tx:
        written = configuration.update_identity_provider(tx, SEALS, "acme", wanted, NOW)
    with database.read() as tx:
        assert {row.type: row.id for row in tx.scalars(select(ConnectorRow))} == before
        assert configuration.get_identity_provider(tx, "acme corp") == written
        with pytest.raises(configuration.UnknownProvider):
            configuration.get_identity_provider(tx, "acme")
    assert (written.version, [c.type for c in written.connectors]) == (2, ["spml", "scim2"])


def test_what_was_remembered_of_a_target_is_forgotten_when_its_settings_change(database, acme):
    with database.transaction() as tx:
        for row in tx.scalars(select(ConnectorRow)):
            tx.add(RememberedRow(connector_id=row.id, key="token", sealed=b"x", expires_at=NOW))

    def remembered(wanted):
        with database.transaction() as tx:
            configuration.update_identity_provider(tx, SEALS, "acme", wanted, NOW)
            query = select(ConnectorRow.type).join(RememberedRow, RememberedRow.connector_id == ConnectorRow.id)
            return set(tx.scalars(query))

    kept = replace(SCIM, properties=dict(SCIM.properties) | {"scim2-access-token": SECRET_MASK})
    wanted = replace(ACME, connectors=(kept, ACME.connectors[1]))
    assert remembered(replace(wanted, enabled=False)) == {"scim2", "spml"}
    assert remembered(replace(wanted, connectors=ACME.connectors)) == {"spml"}


def test_delivery_settings_that_were_not_chosen_are_not_stored(database, acme):
    with database.read() as tx:
        assert tx.scalars(select(IdentityProviderRow)).one().delivery == {"first_retry": 1.5}


def test_a_default_connector_must_be_one_of_the_connectors(database):
    with database.transaction() as tx, pytest.raises(configuration.Invalid, match="defaultConnector"):
        configuration.create_identity_provider(tx, SEALS, replace(ACME, default_connector="salesforce"), NOW)


def test_an_identity_provider_has_one_connector_of_a_type(database):
    twice = replace(ACME, connectors=(SCIM, replace(SCIM, type="SCIM2")))
    with database.transaction() as tx, pytest.raises(configuration.Invalid, match=r"connectors\[1\]\.type"):
        configuration.create_identity_provider(tx, SEALS, twice, NOW)


def test_names_are_unique_without_case(database, acme):
    with database.transaction() as tx:
        configuration.create_service_provider(tx, ServiceProvider(name="Portal"), NOW)
        with pytest.raises(configuration.NameTaken):
            configuration.create_service_provider(tx, ServiceProvider(name="portal"), NOW)
        with pytest.raises(configuration.NameTaken):
            configuration.create_identity_provider(tx, SEALS, replace(ACME, name="ACME"), NOW)
        configuration.create_identity_provider(tx, SEALS, replace(ACME, name="other"), NOW)
        with pytest.raises(configuration.NameTaken):
            configuration.update_identity_provider(tx, SEALS, "other", ACME, NOW)


PORTAL = ServiceProvider(
    name="hr-portal",
    description="people",
    inbound=InboundProvisioning(proxy_mode=True, user_store_domain="HR", mode="accept"),
    outbound=(OutboundRow(identity_provider="acme", connector="", blocking=True, enable_rules=True),),
)


def test_a_row_without_a_connector_takes_the_default_one(database, acme):
    with database.transaction() as tx:
        written = configuration.create_service_provider(tx, PORTAL, NOW)
    with database.read() as tx:
        assert configuration.get_service_provider(tx, "HR-Portal") == written
    assert written.outbound == (
        OutboundRow(identity_provider="Acme", connector="scim2", blocking=True, enable_rules=True),
    )
    assert replace(written, outbound=PORTAL.outbound) == PORTAL


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([("nowhere", "")], "outboundProvisioning[0].identityProvider"),
        ([("acme", ""), ("ACME", "spml")], "outboundProvisioning[1].identityProvider"),
        ([("acme", "salesforce")], "outboundProvisioning[0].connector"),
        ([("bare", "")], "outboundProvisioning[0].connector"),
    ],
)
def test_a_row_that_names_what_is_not_there_is_invalid(database, acme, rows, field):
    outbound = tuple(OutboundRow(identity_provider=name, connector=type_) for name, type_ in rows)
    with database.transaction() as tx:
        configuration.create_identity_provider(tx, SEALS, IdentityProvider(name="bare"), NOW)
    with database.transaction() as tx, pytest.raises(configuration.Invalid) as refused:
        configuration.create_service_provider(tx, replace(PORTAL, outbound=outbound), NOW)
    assert [problem[0] for problem in refused.value.problems] == [field]
    with database.read() as tx:
        assert configuration.service_providers(tx) == []


def test_rows_can_change_places_and_targets(database, acme):
    rows = tuple(OutboundRow(identity_provider=name, connector="scim2") for name in ("Acme", "b", "c"))
    with database.transaction() as tx:
        for name in ("b", "c"):
            configuration.create_identity_provider(tx, SEALS, replace(ACME, name=name), NOW)
        configuration.create_service_provider(tx, replace(PORTAL, outbound=rows[:2]), NOW)
        wanted = replace(PORTAL, outbound=(rows[2], rows[0]))
        written = configuration.update_service_provider(tx, "hr-portal", wanted, NOW)
    assert written.outbound == (rows[2], rows[0])
    with database.read() as tx:
        assert configuration.get_service_provider(tx, "hr-portal") == written


def test_an_identity_provider_in_use_cannot_be_deleted_and_loses_no_used_connector(database, acme):
    with database.transaction() as tx:
        configuration.create_service_provider(tx, PORTAL, NOW)
    with database.transaction() as tx, pytest.raises(configuration.InUse) as refused:
        configuration.delete_identity_provider(tx, "acme")
    assert refused.value.users == ("hr-portal",)
    wanted = replace(ACME, default_connector=None, connectors=())
    with database.transaction() as tx, pytest.raises(configuration.InUse, match="scim2"):
        configuration.update_identity_provider(tx, SEALS, "acme", wanted, NOW)
    with database.transaction() as tx:
        configuration.delete_service_provider(tx, "hr-portal")
        configuration.delete_identity_provider(tx, "acme")
        assert not tx.scalars(select(ConnectorSecretRow)).all()


def test_the_resident_service_provider_stays_under_both_of_its_names(database):
    with database.transaction() as tx:
        configuration.ensure_resident(tx, NOW)
        configuration.ensure_resident(tx, NOW)
    with database.transaction() as tx:
        resident = configuration.get_service_provider(tx, "wso2carbon-local-sp")
        assert resident.name == "resident"
        with pytest.raises(configuration.BuiltIn):
            configuration.delete_service_provider(tx, "wso2carbon-local-sp")
        with pytest.raises(configuration.BuiltIn):
            configuration.update_service_provider(tx, "resident", replace(resident, name="mine"), NOW)
        with pytest.raises(configuration.NameTaken):
            configuration.create_service_provider(tx, ServiceProvider(name="WSO2carbon-local-sp"), NOW)
        alias = replace(resident, name="wso2carbon-local-sp", description="d")
        assert configuration.update_service_provider(tx, "resident", alias, NOW).name == "resident"


def test_lists_come_in_the_order_of_names_and_go_on_after_one(database, acme):
    with database.transaction() as tx:
        for name in ("b", "A", "c"):
            configuration.create_service_provider(tx, ServiceProvider(name=name), NOW)
        assert [p.name for p in configuration.service_providers(tx)] == ["A", "b", "c"]
        assert [p.name for p in configuration.service_providers(tx, after="a", limit=1)] == ["b"]
        assert [p.name for p in configuration.identity_providers(tx)] == ["Acme"]


def test_pausing_is_a_write_of_its_own(database, acme):
    with database.transaction() as tx:
        assert configuration.set_paused(tx, "acme", paused=True, now=NOW).version == 2
        assert configuration.set_paused(tx, "acme", paused=True, now=NOW).version == 2
        assert configuration.update_identity_provider(tx, SEALS, "acme", ACME, NOW).paused


def at_once(*actions):
    """What each action answered or raised, begun together."""
    barrier = threading.Barrier(len(actions))

    def run(action):
        barrier.wait()
        try:
            return action()
        except configuration.ConfigurationError as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_of_many_who_take_a_name_at_once_one_gets_it(database):
    def create():
        with database.transaction() as tx:
            return configuration.create_service_provider(tx, ServiceProvider(name="Portal"), NOW)

    found = at_once(*[create] * 6)
    assert sorted(type(one).__name__ for one in found) == ["NameTaken"] * 5 + ["ServiceProvider"]


def test_an_identity_provider_is_never_deleted_under_a_new_row(database, acme):
    def use():
        with database.transaction() as tx:
            return configuration.create_service_provider(tx, PORTAL, NOW)

    def remove():
        with database.transaction() as tx:
            return configuration.delete_identity_provider(tx, "acme")

    used, removed = at_once(use, remove)
    kinds = {type(used).__name__, type(removed).__name__}
    assert kinds in ({"ServiceProvider", "InUse"}, {"Invalid", "int"})


def test_writes_of_one_provider_at_once_are_all_counted(database, acme):
    def write():
        with database.transaction() as tx:
            stored = configuration.get_identity_provider(tx, "acme", lock=True)
            return configuration.update_identity_provider(tx, SEALS, "acme", replace(ACME, enabled=False), NOW), stored

    found = at_once(*[write] * 5)
    assert sorted(written.version for written, _ in found) == [2, 3, 4, 5, 6]
    assert all(written.version == stored.version + 1 for written, stored in found)
