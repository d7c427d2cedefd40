"""Staff accounts, sessions, the outbox, limits."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint, text

from migrations import triggers
from migrations.columns import BOOLEAN, BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _staff_accounts()
    _sessions()
    _idempotent_answers()
    _guess_counters()
    _rates()
    _outbox()


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("rates")
    op.drop_table("guess_counters")
    op.drop_table("idempotent_answers")
    op.drop_table("sessions")
    op.drop_table("staff_accounts")
    triggers.forget_protect("staff_accounts")


def _staff_accounts() -> None:
    op.create_table(
        "staff_accounts",
        Column("id", UUID, nullable=False),
        Column("login", TEXT, nullable=False),
        Column("display_name", TEXT, nullable=False),
        Column("signature", TEXT, nullable=False),
        Column("role", TEXT, nullable=False),
        Column("password_hash", TEXT, nullable=False),
        Column("sealed_totp", BYTES, nullable=False),
        Column("last_step", WHOLE, nullable=True),
        Column("active", BOOLEAN, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_staff_accounts"),
        UniqueConstraint("login", name="uq_staff_accounts_login"),
        UniqueConstraint("leaf_id", name="uq_staff_accounts_leaf_id"),
        leaf_key("staff_accounts"),
        sqlite_strict=True,
    )
    triggers.protect("staff_accounts")


def _sessions() -> None:
    op.create_table(
        "sessions",
        Column("id", UUID, nullable=False),
        Column("token_hash", BYTES, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("staff_id", UUID, nullable=True),
        Column("scopes", TEXT, nullable=False),
        Column("binding_id", UUID, nullable=True),
        Column("conversation_id", UUID, nullable=True),
        Column("level", WHOLE, nullable=False),
        Column("proved_at", MOMENT, nullable=True),
        Column("locked", BOOLEAN, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("last_seen_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("ended_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_sessions"),
        UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
        sqlite_strict=True,
    )
    op.create_index("ix_sessions_binding_id", "sessions", ["binding_id"], unique=False)
    op.create_index("ix_sessions_staff_id", "sessions", ["staff_id"], unique=False)


def _idempotent_answers() -> None:
    op.create_table(
        "idempotent_answers",
        Column("key_hash", BYTES, nullable=False),
        Column("body_hash", BYTES, nullable=False),
        Column("status", WHOLE, nullable=True),
        Column("sealed_answer", BYTES, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("key_hash", name="pk_idempotent_answers"),
        sqlite_strict=True,
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"], unique=False)


def _guess_counters() -> None:
    op.create_table(
        "guess_counters",
        Column("key_hash", BYTES, nullable=False),
        Column("in_a_row", WHOLE, nullable=False),
        Column("day", TEXT, nullable=False),
        Column("today", WHOLE, nullable=False),
        Column("locks", WHOLE, nullable=False),
        Column("locked_until", MOMENT, nullable=True),
        Column("updated_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("key_hash", name="pk_guess_counters"),
        sqlite_strict=True,
    )
    op.create_index("ix_guess_counters_updated_at", "guess_counters", ["updated_at"], unique=False)


def _rates() -> None:
    op.create_table(
        "rates",
        Column("key_hash", BYTES, nullable=False),
        Column("arrival", WHOLE, nullable=False),
        PrimaryKeyConstraint("key_hash", name="pk_rates"),
        sqlite_strict=True,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        Column("id", UUID, nullable=False),
        Column("topic", TEXT, nullable=False),
        Column("dedupe", TEXT, nullable=True),
        Column("sealed_payload", BYTES, nullable=True),
        Column("priority", WHOLE, nullable=False),
        Column("run_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=True),
        Column("locked_until", MOMENT, nullable=True),
        Column("attempts", WHOLE, nullable=False),
        Column("done_at", MOMENT, nullable=True),
        Column("outcome", TEXT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_outbox"),
        UniqueConstraint("dedupe", name="uq_outbox_dedupe"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["priority", "run_at"],
        unique=False,
        postgresql_where=text("done_at IS NULL"),
        sqlite_where=text("done_at IS NULL"),
    )
