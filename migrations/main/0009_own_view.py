"""Freshness of bindings, looks at bound accounts, known browsers, a rating for each room."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _binding_freshness()
    _account_looks()
    _known_browsers()
    _room_ratings()


def downgrade() -> None:
    op.drop_table("room_ratings")
    triggers.forget_protect("room_ratings")
    op.drop_table("known_browsers")
    op.drop_table("account_looks")
    op.drop_table("binding_freshness")
    triggers.forget_protect("binding_freshness")


def _binding_freshness() -> None:
    op.create_table(
        "binding_freshness",
        Column("binding_id", UUID, nullable=False),
        Column("handle_proved_at", MOMENT, nullable=False),
        Column("customer_proved_at", MOMENT, nullable=False),
        Column("needs", TEXT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("binding_id", name="pk_binding_freshness"),
        ForeignKeyConstraint(["binding_id"], ["bindings.id"], name="fk_binding_freshness_binding_id"),
        UniqueConstraint("leaf_id", name="uq_binding_freshness_leaf_id"),
        leaf_key("binding_freshness"),
        sqlite_strict=True,
    )
    op.create_index("ix_binding_freshness_needs", "binding_freshness", ["needs"], unique=False)
    triggers.protect("binding_freshness")


def _account_looks() -> None:
    op.create_table(
        "account_looks",
        Column("handle_hash", BYTES, nullable=False),
        Column("looked_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("handle_hash", name="pk_account_looks"),
        sqlite_strict=True,
    )


def _known_browsers() -> None:
    op.create_table(
        "known_browsers",
        Column("binding_id", UUID, nullable=False),
        Column("browser_hash", BYTES, nullable=False),
        Column("first_seen_at", MOMENT, nullable=False),
        Column("last_seen_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("binding_id", "browser_hash", name="pk_known_browsers"),
        ForeignKeyConstraint(["binding_id"], ["bindings.id"], name="fk_known_browsers_binding_id"),
        sqlite_strict=True,
    )


def _room_ratings() -> None:
    op.create_table(
        "room_ratings",
        Column("conversation_id", UUID, nullable=False),
        Column("closing", WHOLE, nullable=False, autoincrement=False),
        Column("case_id", UUID, nullable=False),
        Column("stars", WHOLE, nullable=False),
        Column("sealed_comment", BYTES, nullable=True),
        Column("rated_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("conversation_id", "closing", name="pk_room_ratings"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_room_ratings_conversation_id"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_room_ratings_case_id"),
        UniqueConstraint("leaf_id", name="uq_room_ratings_leaf_id"),
        leaf_key("room_ratings"),
        sqlite_strict=True,
    )
    op.create_index("ix_room_ratings_case_id", "room_ratings", ["case_id"], unique=False)
    triggers.protect("room_ratings")
