"""The evidence log: leaves, their queue, places, heads, checkpoints."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Identity, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _audit_leaves()
    _audit_pending()
    _audit_sequence()
    _audit_log()
    _audit_streams()
    _audit_checkpoints()


def downgrade() -> None:
    op.drop_table("audit_checkpoints")
    triggers.forget_append_only("audit_checkpoints")
    op.drop_table("audit_streams")
    op.drop_table("audit_log")
    op.drop_table("audit_sequence")
    triggers.forget_append_only("audit_sequence")
    op.drop_table("audit_pending")
    op.drop_table("audit_leaves")
    triggers.forget_enqueue_leaves()
    triggers.forget_append_only("audit_leaves")


def _audit_leaves() -> None:
    op.create_table(
        "audit_leaves",
        Column("stage_no", WHOLE, Identity(always=False), nullable=False),
        Column("id", UUID, nullable=False),
        Column("stream", TEXT, nullable=False),
        Column("n", WHOLE, nullable=False),
        Column("leaf", BYTES, nullable=False),
        Column("leaf_hash", BYTES, nullable=False),
        UniqueConstraint("stream", "n", name="uq_audit_leaves_stream_n"),
        PrimaryKeyConstraint("stage_no", name="pk_audit_leaves"),
        UniqueConstraint("id", name="uq_audit_leaves_id"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    triggers.append_only("audit_leaves")
    triggers.enqueue_leaves()


def _audit_pending() -> None:
    op.create_table(
        "audit_pending",
        Column("stage_no", WHOLE, autoincrement=False, nullable=False),
        PrimaryKeyConstraint("stage_no", name="pk_audit_pending"),
        sqlite_strict=True,
    )


def _audit_sequence() -> None:
    op.create_table(
        "audit_sequence",
        Column("leaf_index", WHOLE, autoincrement=False, nullable=False),
        Column("stage_no", WHOLE, nullable=False),
        Column("leaf_hash", BYTES, nullable=False),
        PrimaryKeyConstraint("leaf_index", name="pk_audit_sequence"),
        UniqueConstraint("stage_no", name="uq_audit_sequence_stage_no"),
        sqlite_strict=True,
    )
    triggers.append_only("audit_sequence")


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        Column("id", WHOLE, autoincrement=False, nullable=False),
        Column("origin", TEXT, nullable=False),
        Column("size", WHOLE, nullable=False),
        Column("frontier", BYTES, nullable=False),
        Column("root", BYTES, nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit_log"),
        sqlite_strict=True,
    )


def _audit_streams() -> None:
    op.create_table(
        "audit_streams",
        Column("stream", TEXT, nullable=False),
        Column("n", WHOLE, nullable=False),
        Column("head", BYTES, nullable=False),
        PrimaryKeyConstraint("stream", name="pk_audit_streams"),
        sqlite_strict=True,
    )


def _audit_checkpoints() -> None:
    op.create_table(
        "audit_checkpoints",
        Column("size", WHOLE, autoincrement=False, nullable=False),
        Column("root", BYTES, nullable=False),
        Column("note", TEXT, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("size", name="pk_audit_checkpoints"),
        sqlite_strict=True,
    )
    triggers.append_only("audit_checkpoints")
