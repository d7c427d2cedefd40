"""Indexes for what is looked for every few seconds: each look read a whole table, and some held the writing lock."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

HELD = text("state = 'held'")
OPEN = text("ended_at IS NULL AND binding_id IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_messages_waiting", "messages", ["expires_at"], postgresql_where=HELD, sqlite_where=HELD)
    op.create_index("ix_sessions_open", "sessions", ["expires_at"], postgresql_where=OPEN, sqlite_where=OPEN)
    op.create_index("ix_attempts_expiry", "attempts", ["state", "expires_at"])
    op.create_index("ix_bindings_expiry", "bindings", ["state", "expires_at"])


def downgrade() -> None:
    op.drop_index("ix_bindings_expiry", "bindings")
    op.drop_index("ix_attempts_expiry", "attempts")
    op.drop_index("ix_sessions_open", "sessions")
    op.drop_index("ix_messages_waiting", "messages")
