"""The key store: data keys, wrapped."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, PrimaryKeyConstraint, UniqueConstraint

from migrations.columns import BYTES, TEXT, UUID

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wrapped_keys",
        Column("id", UUID, nullable=False),
        Column("name", TEXT, nullable=True),
        Column("purpose", TEXT, nullable=False),
        Column("kek_version", Integer(), nullable=False),
        Column("blob", BYTES, nullable=False),
        Column("created_at", TEXT, nullable=False),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("name"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("wrapped_keys")
