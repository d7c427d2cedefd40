"""Answers that wallets post for a redirect."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint

from migrations.columns import BOOLEAN, BYTES, MOMENT, UUID

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posted_answers",
        Column("flow_id", UUID, nullable=False),
        Column("code_hash", BYTES, nullable=False),
        Column("sealed_answer", BYTES, nullable=False),
        Column("received_at", MOMENT, nullable=False),
        Column("repeated", BOOLEAN, nullable=False),
        PrimaryKeyConstraint("flow_id", name="pk_posted_answers"),
        ForeignKeyConstraint(["flow_id"], ["flows.id"], name="fk_posted_answers_flow_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_posted_answers_received_at", "posted_answers", ["received_at"], unique=False)


def downgrade() -> None:
    op.drop_table("posted_answers")
