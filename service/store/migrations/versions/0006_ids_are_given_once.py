"""SQLite gives no identity provider the row id of a deleted one

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = "identity_providers"
GIVEN = (
    "SELECT max(id) FROM (SELECT id FROM identity_providers UNION ALL SELECT identity_provider_id FROM targets "
    "UNION ALL SELECT identity_provider_id FROM deliveries)"
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return  # a sequence gives every number once
    with op.batch_alter_table(TABLE, recreate="always", table_kwargs={"sqlite_autoincrement": True}):
        pass
    sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    op.execute(sequence.delete().where(sequence.c.name == TABLE))
    op.execute(
        sequence.insert().from_select(
            ["name", "seq"], sa.select(sa.literal(TABLE), sa.func.coalesce(sa.text(f"({GIVEN})"), 0))
        )
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(TABLE, recreate="always"):
            pass
