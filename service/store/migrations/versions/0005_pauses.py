"""when somebody kept a connector from being used

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from service.store.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PAUSED = (
    "INSERT INTO pauses (id, connector_id, began_at) "
    "SELECT connectors.id, connectors.id, identity_providers.updated_at "
    "FROM connectors JOIN identity_providers ON identity_providers.id = connectors.identity_provider_id "
    "WHERE identity_providers.paused OR NOT identity_providers.enabled OR NOT connectors.enabled"
)


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f("fk_pauses_connector_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
    )
    op.create_index("ix_pauses_connector", "pauses", ["connector_id", "ended_at"])
    op.execute(PAUSED)  # since when is not known: since the last change


def downgrade() -> None:
    op.drop_index("ix_pauses_connector", "pauses")
    op.drop_table("pauses")
