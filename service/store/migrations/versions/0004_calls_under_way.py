"""until when a call with an Idempotency-Key is being answered

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from service.store.base import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("answering_until", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "answering_until")
