"""targets, whose lane a lane is, and what takes accounts away

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from service.store.base import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FREE = sa.text("lease_until IS NULL")
LEASED = sa.text("lease_until IS NOT NULL")
REMOVAL = sa.text("removal")
OPEN = sa.text("final_at IS NULL")
OWNER_OF_CONNECTOR = "SELECT identity_provider_id FROM connectors WHERE connectors.id = lanes.connector_id"
OWNER_OF_DELIVERIES = "SELECT max(identity_provider_id) FROM deliveries WHERE deliveries.lane_id = lanes.id"


def upgrade() -> None:
    op.create_table(
        "targets",
        sa.Column("identity_provider_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("blocked_until", UtcDateTime(), nullable=True),
        sa.Column("blocked_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("last_failure_at", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("tokens_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("identity_provider_id", name=op.f("pk_targets")),
    )
    op.execute(
        "INSERT INTO targets (identity_provider_id, quarantined, failures, probes, tokens) "
        "SELECT DISTINCT owner, false, 0, 0, 0.0 FROM (SELECT id AS owner FROM identity_providers "
        "UNION SELECT identity_provider_id FROM deliveries) AS owners"
    )
    op.add_column("deliveries", sa.Column("removal", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_deliveries_removals",
        "deliveries",
        ["identity_provider_id", "final_at"],
        sqlite_where=REMOVAL,
        postgresql_where=REMOVAL,
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["identity_provider_id", "created_at"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("identity_provider_id", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        f"UPDATE lanes SET identity_provider_id = coalesce(({OWNER_OF_CONNECTOR}), ({OWNER_OF_DELIVERIES}), 0)"  # noqa: S608 - constants of this file
    )
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.alter_column("identity_provider_id", server_default=None)
        batch_op.drop_index("ix_lanes_due")
        batch_op.create_index(
            "ix_lanes_free", ["identity_provider_id", "due_at"], sqlite_where=FREE, postgresql_where=FREE
        )
        batch_op.create_index(
            "ix_lanes_leased", ["identity_provider_id", "lease_until"], sqlite_where=LEASED, postgresql_where=LEASED
        )


def downgrade() -> None:
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.drop_index("ix_lanes_leased")
        batch_op.drop_index("ix_lanes_free")
        batch_op.create_index("ix_lanes_due", ["due_at"], unique=False)
        batch_op.drop_column("identity_provider_id")
    op.drop_index("ix_deliveries_waiting", "deliveries")
    op.drop_index("ix_deliveries_removals", "deliveries")
    op.drop_column("deliveries", "removal")
    op.drop_table("targets")
