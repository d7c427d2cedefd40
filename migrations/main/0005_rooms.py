"""Rooms, messages, streams, read marks, watches."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _conversations()
    _messages()
    _room_events()
    _read_marks()
    _read_leaves()
    _room_watches()


def downgrade() -> None:
    op.drop_table("room_watches")
    op.drop_table("read_leaves")
    op.drop_table("read_marks")
    op.drop_table("room_events")
    op.drop_table("messages")
    triggers.forget_protect("messages")
    op.drop_table("conversations")
    triggers.forget_protect("conversations")


def _conversations() -> None:
    op.create_table(
        "conversations",
        Column("id", UUID, nullable=False),
        Column("binding_id", UUID, nullable=False),
        Column("case_id", UUID, nullable=False),
        Column("key_id", UUID, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("level", WHOLE, nullable=False),
        Column("session_id", UUID, nullable=True),
        Column("last_n", WHOLE, nullable=False),
        Column("opened_at", MOMENT, nullable=False),
        Column("closed_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_conversations"),
        UniqueConstraint("binding_id", name="uq_conversations_binding_id"),
        ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_conversations_case_id"),
        UniqueConstraint("leaf_id", name="uq_conversations_leaf_id"),
        leaf_key("conversations"),
        sqlite_strict=True,
    )
    op.create_index("ix_conversations_case_id", "conversations", ["case_id"], unique=False)
    triggers.protect("conversations")


def _messages() -> None:
    op.create_table(
        "messages",
        Column("id", UUID, nullable=False),
        Column("conversation_id", UUID, nullable=False),
        Column("n", WHOLE, nullable=True),
        Column("sender", TEXT, nullable=False),
        Column("sender_id", UUID, nullable=False),
        Column("session_id", UUID, nullable=True),
        Column("data_class", TEXT, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("sealed_text", BYTES, nullable=False),
        Column("client_key", BYTES, nullable=False),
        Column("body_hash", BYTES, nullable=False),
        Column("sent_at", MOMENT, nullable=False),
        Column("released_at", MOMENT, nullable=True),
        Column("expires_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        UniqueConstraint("conversation_id", "n", name="uq_messages_conversation_id_n"),
        UniqueConstraint(
            "conversation_id", "sender_id", "client_key", name="uq_messages_conversation_id_sender_id_client_key"
        ),
        PrimaryKeyConstraint("id", name="pk_messages"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_messages_conversation_id"),
        UniqueConstraint("leaf_id", name="uq_messages_leaf_id"),
        leaf_key("messages"),
        sqlite_strict=True,
    )
    op.create_index("ix_messages_held", "messages", ["conversation_id", "state"], unique=False)
    triggers.protect("messages")


def _room_events() -> None:
    op.create_table(
        "room_events",
        Column("conversation_id", UUID, nullable=False),
        Column("n", WHOLE, autoincrement=False, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("message_id", UUID, nullable=True),
        Column("data", TEXT, nullable=False),
        Column("at", MOMENT, nullable=False),
        PrimaryKeyConstraint("conversation_id", "n", name="pk_room_events"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_room_events_conversation_id"),
        sqlite_strict=True,
    )


def _read_marks() -> None:
    op.create_table(
        "read_marks",
        Column("conversation_id", UUID, nullable=False),
        Column("side", TEXT, nullable=False),
        Column("n", WHOLE, nullable=False),
        Column("noticed_n", WHOLE, nullable=False),
        Column("at", MOMENT, nullable=False),
        PrimaryKeyConstraint("conversation_id", "side", name="pk_read_marks"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_read_marks_conversation_id"),
        sqlite_strict=True,
    )


def _read_leaves() -> None:
    op.create_table(
        "read_leaves",
        Column("conversation_id", UUID, nullable=False),
        Column("session_id", UUID, nullable=False),
        PrimaryKeyConstraint("conversation_id", "session_id", name="pk_read_leaves"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_read_leaves_conversation_id"),
        sqlite_strict=True,
    )


def _room_watches() -> None:
    op.create_table(
        "room_watches",
        Column("id", UUID, nullable=False),
        Column("conversation_id", UUID, nullable=False),
        Column("staff_id", UUID, nullable=False),
        Column("seen_n", WHOLE, nullable=False),
        Column("started_at", MOMENT, nullable=False),
        Column("renewed_at", MOMENT, nullable=False),
        Column("ended_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_room_watches"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_room_watches_conversation_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_room_watches_conversation_id", "room_watches", ["conversation_id"], unique=False)
