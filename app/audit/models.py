"""The log's tables: finished leaves, the queue of unsequenced ones, their places, heads and signed checkpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigKey, append_only, on_create

LOG_ID: Final = 1


class Leaf(Base):
    """The exact bytes of one entry. `stage_no` breaks ties only; gaps in it mean nothing."""

    __tablename__ = "audit_leaves"
    __table_args__ = (UniqueConstraint("stream", "n"), {"sqlite_strict": True, "sqlite_autoincrement": True})

    stage_no: Mapped[int] = mapped_column(BigKey, Identity(always=False), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    stream: Mapped[str]
    n: Mapped[int]
    leaf: Mapped[bytes]
    leaf_hash: Mapped[bytes]


class PendingLeaf(Base):
    """Queue of committed leaves without a place; filled by a trigger, emptied by the sequencer."""

    __tablename__ = "audit_pending"

    stage_no: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)


class SequencedLeaf(Base):
    """The place of a leaf in the Merkle log."""

    __tablename__ = "audit_sequence"

    leaf_index: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    stage_no: Mapped[int] = mapped_column(unique=True)
    leaf_hash: Mapped[bytes]


class LogHead(Base):
    """Size, frontier and root of the log; one row."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    origin: Mapped[str]
    size: Mapped[int]
    frontier: Mapped[bytes]
    root: Mapped[bytes]


class StreamHead(Base):
    """Last number and leaf hash of a stream: the lock that orders the leaves of one object, and of no other."""

    __tablename__ = "audit_streams"

    stream: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    head: Mapped[bytes]


class SignedCheckpoint(Base):
    """A checkpoint as it was signed."""

    __tablename__ = "audit_checkpoints"

    size: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    note: Mapped[str]
    created_at: Mapped[datetime]


for _model in (Leaf, SequencedLeaf, SignedCheckpoint):
    append_only(_model)

ENQUEUE_TRIGGERS: Final = {
    "sqlite": [
        "CREATE TRIGGER audit_leaves_enqueue AFTER INSERT ON audit_leaves "
        "BEGIN INSERT INTO audit_pending (stage_no) VALUES (NEW.stage_no); END"
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_leaves_enqueue() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO audit_pending (stage_no) VALUES (NEW.stage_no); RETURN NULL; END $$",
        "CREATE TRIGGER audit_leaves_enqueue AFTER INSERT ON audit_leaves FOR EACH ROW "
        "EXECUTE FUNCTION audit_leaves_enqueue()",
    ],
}
for _dialect, _statements in ENQUEUE_TRIGGERS.items():
    for _statement in _statements:
        on_create(Leaf.__table__, _dialect, _statement)  # type: ignore[arg-type]
