"""Compliance exports."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _exports()


def downgrade() -> None:
    op.drop_table("exports")
    triggers.forget_protect("exports")


def _exports() -> None:
    op.create_table(
        "exports",
        Column("id", UUID, nullable=False),
        Column("scope", TEXT, nullable=False),
        Column("conversation_id", UUID, nullable=True),
        Column("requested_by", UUID, nullable=False),
        Column("sealed_reason", BYTES, nullable=False),
        Column("key_id", UUID, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("log_size", WHOLE, nullable=True),
        Column("bytes", WHOLE, nullable=True),
        Column("digest", TEXT, nullable=True),
        Column("failure", TEXT, nullable=True),
        Column("created_leaf", UUID, nullable=True),
        Column("requested_at", MOMENT, nullable=False),
        Column("finished_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_exports"),
        UniqueConstraint("leaf_id", name="uq_exports_leaf_id"),
        leaf_key("exports"),
        sqlite_strict=True,
    )
    triggers.protect("exports")
