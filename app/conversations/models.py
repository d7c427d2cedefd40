"""Rooms, messages, the numbered stream of each room, read marks and staff watches."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, partial_index, protect


class Conversation(Audited, Base):
    """A room. `session_id` is the customer's session in it, None when nobody is in; `level` the level last proved."""

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    binding_id: Mapped[UUID] = mapped_column(unique=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    key_id: Mapped[UUID]
    state: Mapped[str]
    level: Mapped[int]
    session_id: Mapped[UUID | None]
    last_n: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Message(Audited, Base):
    """One text. `n` is None while it is held; `session_id` is the customer's session in which it was written."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "n"),
        UniqueConstraint("conversation_id", "sender_id", "client_key"),
        Index("ix_messages_held", "conversation_id", "state"),
        partial_index("ix_messages_waiting", "expires_at", where="state = 'held'"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    n: Mapped[int | None]
    sender: Mapped[str]
    sender_id: Mapped[UUID]
    session_id: Mapped[UUID | None]
    data_class: Mapped[str]
    state: Mapped[str]
    sealed_text: Mapped[bytes]
    client_key: Mapped[bytes]
    body_hash: Mapped[bytes]
    sent_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class RoomEvent(Base):
    """One numbered thing of a room's stream: `message_id` for messages, `data` (JSON, no texts) for others."""

    __tablename__ = "room_events"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    message_id: Mapped[UUID | None]
    data: Mapped[str]
    at: Mapped[datetime]


class RoomRating(Audited, Base):
    """A customer's word at the end of a case; `closing` counts the case's endings. Each room has its own."""

    __tablename__ = "room_ratings"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    closing: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), index=True)
    stars: Mapped[int]
    sealed_comment: Mapped[bytes | None]
    rated_at: Mapped[datetime]


class ReadMark(Base):
    """Up to which number a side has read, and up to which number a notice has gone out."""

    __tablename__ = "read_marks"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    noticed_n: Mapped[int]
    at: Mapped[datetime]


class ReadLeaf(Base):
    """That this session's reading of this room has its leaf already (one per session and room)."""

    __tablename__ = "read_leaves"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)


class RoomWatch(Base):
    """A staff stream's lease: committed before the first byte, renewed each minute, closed with the last number."""

    __tablename__ = "room_watches"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), index=True)
    staff_id: Mapped[UUID]
    seen_n: Mapped[int]
    started_at: Mapped[datetime]
    renewed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


for _model in (Conversation, Message, RoomRating):
    protect(_model)
