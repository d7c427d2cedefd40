"""Tables of limits. Keys are keyed hashes: no row names a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class IdempotentAnswer(Base):
    """What was answered to (actor, route, key); the answer is sealed, and wiped when its day is over."""

    __tablename__ = "idempotent_answers"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    status: Mapped[int | None]
    sealed_answer: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class GuessCounter(Base):
    """Wrong guesses against one key: in a row, today, and how often the key was locked."""

    __tablename__ = "guess_counters"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    in_a_row: Mapped[int]
    day: Mapped[str]
    today: Mapped[int]
    locks: Mapped[int]
    locked_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(index=True)


class SpentValue(Base):
    """A value that counts once (the `jti` of a proof or assertion); kept until nobody would accept it any more."""

    __tablename__ = "spent_values"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Rate(Base):
    """Theoretical arrival time of a GCRA rate, in microseconds since 1970."""

    __tablename__ = "rates"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    arrival: Mapped[int]
