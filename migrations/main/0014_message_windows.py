"""Windows for codes that a customer's own message opens."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, Text

from migrations.columns import BYTES, MOMENT, WHOLE

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_windows",
        Column("connector", Text(), nullable=False),
        Column("handle_hash", BYTES, nullable=False),
        Column("closes_at", MOMENT, nullable=False),
        Column("codes_left", WHOLE, nullable=False),
        PrimaryKeyConstraint("connector", "handle_hash", name="pk_message_windows"),
        sqlite_strict=True,
    )
    op.create_index("ix_message_windows_closes_at", "message_windows", ["closes_at"], unique=False)


def downgrade() -> None:
    op.drop_table("message_windows")
