"""first tables

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

from service.store.base import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_users",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_console_users")),
    )
    op.create_table(
        "entities",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("domain_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=True),
        sa.Column("last_name_key", sa.Text(), nullable=False),
        sa.Column("lane_key", sa.String(length=36), nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("membership_sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entities")),
        sa.UniqueConstraint("type", "domain_key", "name_key", name=op.f("uq_entities_type_domain_key_name_key")),
    )
    with op.batch_alter_table("entities", schema=None) as batch_op:
        batch_op.create_index("ix_entities_last_name", ["type", "domain_key", "last_name_key"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_created_at"), ["created_at"], unique=False)

    op.create_table(
        "identity_providers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("default_connector", sa.Text(), nullable=True),
        sa.Column("claim_mappings", Json, nullable=False),
        sa.Column("role_mappings", Json, nullable=False),
        sa.Column("outbound_roles", Json, nullable=False),
        sa.Column("delivery", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_providers")),
        sa.UniqueConstraint("name_key", name=op.f("uq_identity_providers_name_key")),
    )
    op.create_table(
        "lanes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("lane_key", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("next_sequence", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint("lane_key", "connector_id", name=op.f("uq_lanes_lane_key_connector_id")),
    )
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lanes_connector_id"), ["connector_id"], unique=False)
        batch_op.create_index("ix_lanes_due", ["due_at"], unique=False)

    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "policy_health",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("errors", Json, nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_health")),
    )
    op.create_table(
        "policy_sources",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_policy_sources")),
    )
    op.create_table(
        "service_providers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("proxy_mode", sa.Boolean(), nullable=False),
        sa.Column("user_store_domain", sa.Text(), nullable=False),
        sa.Column("inbound_mode", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_providers")),
        sa.UniqueConstraint("name_key", name=op.f("uq_service_providers_name_key")),
    )
    op.create_table(
        "snapshots",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("root_algorithm", sa.Text(), nullable=False),
        sa.Column("listing", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "connectors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("identity_provider_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("on_conflict", sa.Text(), nullable=False),
        sa.Column("properties", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_provider_id"],
            ["identity_providers.id"],
            name=op.f("fk_connectors_identity_provider_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connectors")),
        sa.UniqueConstraint("identity_provider_id", "type", name=op.f("uq_connectors_identity_provider_id_type")),
    )
    op.create_table(
        "links",
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("identity_provider", sa.Text(), nullable=False),
        sa.Column("connector_type", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("delivered", Json, nullable=True),
        sa.Column("membership_sequence", sa.Integer(), nullable=True),
        sa.Column("omitted", Json, nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["entity_id"], ["entities.id"], name=op.f("fk_links_entity_id")),
        sa.PrimaryKeyConstraint("entity_id", "connector_id", name=op.f("pk_links")),
        sa.UniqueConstraint(
            "connector_id", "entity_type", "identifier", name=op.f("uq_links_connector_id_entity_type_identifier")
        ),
    )
    op.create_table(
        "memberships",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["entities.id"], name=op.f("fk_memberships_group_id")),
        sa.ForeignKeyConstraint(["member_id"], ["entities.id"], name=op.f("fk_memberships_member_id")),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_memberships")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_memberships_member_id"), ["member_id"], unique=False)
        batch_op.create_index("ix_memberships_sequence", ["group_id", "sequence"], unique=False)

    op.create_table(
        "outbound_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service_provider_id", sa.Integer(), nullable=False),
        sa.Column("identity_provider_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("connector_type", sa.Text(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("enable_rules", sa.Boolean(), nullable=False),
        sa.Column("enable_jit", sa.Boolean(), nullable=False),
        sa.Column("not_applicable", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_provider_id"], ["identity_providers.id"], name=op.f("fk_outbound_rows_identity_provider_id")
        ),
        sa.ForeignKeyConstraint(
            ["service_provider_id"],
            ["service_providers.id"],
            name=op.f("fk_outbound_rows_service_provider_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_rows")),
        sa.UniqueConstraint(
            "service_provider_id",
            "identity_provider_id",
            name=op.f("uq_outbound_rows_service_provider_id_identity_provider_id"),
        ),
    )
    with op.batch_alter_table("outbound_rows", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbound_rows_identity_provider_id"), ["identity_provider_id"], unique=False
        )

    op.create_table(
        "provisioning_requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("service_provider", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("jit", sa.Boolean(), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("entity_name", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("patch", Json, nullable=True),
        sa.Column("image", Json, nullable=False),
        sa.Column("membership_sequence", sa.Integer(), nullable=False),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=True),
        sa.Column("skipped", Json, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("final_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["entity_id"], ["entities.id"], name=op.f("fk_provisioning_requests_entity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provisioning_requests")),
    )
    with op.batch_alter_table("provisioning_requests", schema=None) as batch_op:
        batch_op.create_index("ix_provisioning_requests_entity", ["entity_id", "id"], unique=False)
        batch_op.create_index("ix_provisioning_requests_state", ["state", "id"], unique=False)

    op.create_table(
        "publications",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("snapshot_hash", sa.Text(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_hash"], ["snapshots.hash"], name=op.f("fk_publications_snapshot_hash")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_publications")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("service_provider_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["service_provider_id"],
            ["service_providers.id"],
            name=op.f("fk_tokens_service_provider_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "connector_secrets",
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_connector_secrets_connector_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("connector_id", "key", name=op.f("pk_connector_secrets")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("lane_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("service_provider", sa.Text(), nullable=False),
        sa.Column("identity_provider_id", sa.Integer(), nullable=False),
        sa.Column("identity_provider", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("connector_type", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("effective_operation", sa.Text(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("enable_rules", sa.Boolean(), nullable=False),
        sa.Column("not_applicable", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("approvals", Json, nullable=False),
        sa.Column("of_now", sa.Boolean(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("final_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"], name=op.f("fk_deliveries_lane_id")),
        sa.ForeignKeyConstraint(["request_id"], ["provisioning_requests.id"], name=op.f("fk_deliveries_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("lane_id", "sequence", name=op.f("uq_deliveries_lane_id_sequence")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_connector_id"), ["connector_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_entity_id"), ["entity_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_identity_provider_id"), ["identity_provider_id"], unique=False)
        batch_op.create_index(
            "ix_deliveries_open",
            ["lane_id", "sequence"],
            unique=False,
            sqlite_where=sa.text("final_at IS NULL"),
            postgresql_where=sa.text("final_at IS NULL"),
        )
        batch_op.create_index("ix_deliveries_request", ["request_id", "position"], unique=False)
        batch_op.create_index("ix_deliveries_state", ["state", "id"], unique=False)

    op.create_table(
        "remembered",
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_remembered_connector_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("connector_id", "key", name=op.f("pk_remembered")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("policies", Json, nullable=False),
        sa.Column("rules", Json, nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("obligations", Json, nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=True),
        sa.Column("request_xml", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_decisions_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_delivery", ["delivery_id", "id"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.String(length=36), nullable=True),
        sa.Column("effective_operation", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_attempts_decision_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("delivery_id", "number", name=op.f("uq_attempts_delivery_id_number")),
    )
    op.create_table(
        "exchanges",
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("safe", sa.Boolean(), nullable=False),
        sa.Column("request_headers", Json, nullable=False),
        sa.Column("request_body", sa.Text(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("response_headers", Json, nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("replied_at", UtcDateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_exchanges_attempt_id")),
        sa.PrimaryKeyConstraint("attempt_id", "number", name=op.f("pk_exchanges")),
    )


def downgrade() -> None:
    op.drop_table("exchanges")
    op.drop_table("attempts")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index("ix_decisions_delivery")

    op.drop_table("decisions")
    op.drop_table("remembered")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_state")
        batch_op.drop_index("ix_deliveries_request")
        batch_op.drop_index(
            "ix_deliveries_open", sqlite_where=sa.text("final_at IS NULL"), postgresql_where=sa.text("final_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_deliveries_identity_provider_id"))
        batch_op.drop_index(batch_op.f("ix_deliveries_entity_id"))
        batch_op.drop_index(batch_op.f("ix_deliveries_connector_id"))

    op.drop_table("deliveries")
    op.drop_table("connector_secrets")
    op.drop_table("tokens")
    op.drop_table("publications")
    with op.batch_alter_table("provisioning_requests", schema=None) as batch_op:
        batch_op.drop_index("ix_provisioning_requests_state")
        batch_op.drop_index("ix_provisioning_requests_entity")

    op.drop_table("provisioning_requests")
    with op.batch_alter_table("outbound_rows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbound_rows_identity_provider_id"))

    op.drop_table("outbound_rows")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index("ix_memberships_sequence")
        batch_op.drop_index(batch_op.f("ix_memberships_member_id"))

    op.drop_table("memberships")
    op.drop_table("links")
    op.drop_table("connectors")
    op.drop_table("snapshots")
    op.drop_table("service_providers")
    op.drop_table("policy_sources")
    op.drop_table("policy_health")
    op.drop_table("meta")
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.drop_index("ix_lanes_due")
        batch_op.drop_index(batch_op.f("ix_lanes_connector_id"))

    op.drop_table("lanes")
    op.drop_table("identity_providers")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_keys_created_at"))

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("entities", schema=None) as batch_op:
        batch_op.drop_index("ix_entities_last_name")

    op.drop_table("entities")
    op.drop_table("console_users")
