"""The bank's OAuth clients at servers that visitors name."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint

from migrations.columns import BYTES, MOMENT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_clients",
        Column("site_hash", BYTES, nullable=False),
        Column("sealed_client", BYTES, nullable=False),
        Column("registered_at", MOMENT, nullable=False),
        Column("proved_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("site_hash", name="pk_oauth_clients"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("oauth_clients")
