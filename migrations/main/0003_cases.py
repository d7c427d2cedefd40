"""Cases with their public threads, notes and replies."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _channel_cursors()
    _cases()
    _posts()
    _case_notes()
    _replies()
    _guard_blocks()


def downgrade() -> None:
    op.drop_table("guard_blocks")
    op.drop_table("replies")
    triggers.forget_protect("replies")
    op.drop_table("case_notes")
    triggers.forget_protect("case_notes")
    op.drop_table("posts")
    triggers.forget_protect("posts")
    op.drop_table("cases")
    triggers.forget_protect("cases")
    op.drop_table("channel_cursors")


def _channel_cursors() -> None:
    op.create_table(
        "channel_cursors",
        Column("connector", TEXT, nullable=False),
        Column("cursor", TEXT, nullable=False),
        Column("polled_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("connector", name="pk_channel_cursors"),
        sqlite_strict=True,
    )


def _cases() -> None:
    op.create_table(
        "cases",
        Column("id", UUID, nullable=False),
        Column("slug", TEXT, nullable=False),
        Column("connector", TEXT, nullable=False),
        Column("network", TEXT, nullable=False),
        Column("scope", TEXT, nullable=False),
        Column("author_hash", BYTES, nullable=False),
        Column("sealed_author", BYTES, nullable=False),
        Column("key_id", UUID, nullable=False),
        Column("status", TEXT, nullable=False),
        Column("assigned_to", UUID, nullable=True),
        Column("version", WHOLE, nullable=False),
        Column("opened_at", MOMENT, nullable=False),
        Column("last_public_at", MOMENT, nullable=False),
        Column("first_answer_due", MOMENT, nullable=False),
        Column("first_answered_at", MOMENT, nullable=True),
        Column("resolution_due", MOMENT, nullable=False),
        Column("closed_at", MOMENT, nullable=True),
        Column("outcome", TEXT, nullable=True),
        Column("rating", WHOLE, nullable=True),
        Column("sealed_comment", BYTES, nullable=True),
        Column("reopened", WHOLE, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_cases"),
        UniqueConstraint("slug", name="uq_cases_slug"),
        ForeignKeyConstraint(["assigned_to"], ["staff_accounts.id"], name="fk_cases_assigned_to"),
        UniqueConstraint("leaf_id", name="uq_cases_leaf_id"),
        leaf_key("cases"),
        sqlite_strict=True,
    )
    op.create_index("ix_cases_assigned_to", "cases", ["assigned_to"], unique=False)
    op.create_index("ix_cases_author", "cases", ["network", "scope", "author_hash"], unique=False)
    op.create_index("ix_cases_opened_at", "cases", ["opened_at"], unique=False)
    op.create_index("ix_cases_status", "cases", ["status"], unique=False)
    triggers.protect("cases")


def _posts() -> None:
    op.create_table(
        "posts",
        Column("id", UUID, nullable=False),
        Column("case_id", UUID, nullable=False),
        Column("external_hash", BYTES, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("sealed_content", BYTES, nullable=False),
        Column("posted_at", MOMENT, nullable=False),
        Column("received_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_posts"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_posts_case_id"),
        UniqueConstraint("external_hash", name="uq_posts_external_hash"),
        UniqueConstraint("leaf_id", name="uq_posts_leaf_id"),
        leaf_key("posts"),
        sqlite_strict=True,
    )
    op.create_index("ix_posts_case_id", "posts", ["case_id"], unique=False)
    triggers.protect("posts")


def _case_notes() -> None:
    op.create_table(
        "case_notes",
        Column("id", UUID, nullable=False),
        Column("case_id", UUID, nullable=False),
        Column("author_id", UUID, nullable=False),
        Column("sealed_text", BYTES, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_case_notes"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_notes_case_id"),
        UniqueConstraint("leaf_id", name="uq_case_notes_leaf_id"),
        leaf_key("case_notes"),
        sqlite_strict=True,
    )
    op.create_index("ix_case_notes_case_id", "case_notes", ["case_id"], unique=False)
    triggers.protect("case_notes")


def _replies() -> None:
    op.create_table(
        "replies",
        Column("id", UUID, nullable=False),
        Column("case_id", UUID, nullable=False),
        Column("post_id", UUID, nullable=False),
        Column("agent_id", UUID, nullable=False),
        Column("overridden_by", UUID, nullable=True),
        Column("purpose", TEXT, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("slug", TEXT, nullable=False),
        Column("text_hash", BYTES, nullable=False),
        Column("url_hash", BYTES, nullable=True),
        Column("sealed_text", BYTES, nullable=False),
        Column("sealed_url", BYTES, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("posted_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_replies"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_replies_case_id"),
        ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_replies_post_id"),
        UniqueConstraint("leaf_id", name="uq_replies_leaf_id"),
        leaf_key("replies"),
        sqlite_strict=True,
    )
    op.create_index("ix_replies_case_id", "replies", ["case_id"], unique=False)
    op.create_index("ix_replies_slug", "replies", ["slug"], unique=False)
    op.create_index("ix_replies_text_hash", "replies", ["text_hash"], unique=False)
    op.create_index("ix_replies_url_hash", "replies", ["url_hash"], unique=False)
    triggers.protect("replies")


def _guard_blocks() -> None:
    op.create_table(
        "guard_blocks",
        Column("id", UUID, nullable=False),
        Column("case_id", UUID, nullable=False),
        Column("author_id", UUID, nullable=False),
        Column("purpose", TEXT, nullable=False),
        Column("text_hash", BYTES, nullable=False),
        Column("sealed_text", BYTES, nullable=False),
        Column("sealed_reason", BYTES, nullable=True),
        Column("decided_by", UUID, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("decided_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_guard_blocks"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_guard_blocks_case_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_guard_blocks_case_id", "guard_blocks", ["case_id"], unique=False)
    op.create_index("ix_guard_blocks_text_hash", "guard_blocks", ["text_hash"], unique=False)
