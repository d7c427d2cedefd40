"""What crosses the wire about rooms."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.cases.rules import Outcome
from app.http.texts import CleanText

WrittenClass = Literal["general", "case", "account", "identity"]


class MessageIn(BaseModel):
    """A text for the room; without a class it is `account`, or higher when the guard reads more in it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[CleanText, Field(min_length=1, max_length=4000)]
    data_class: WrittenClass | None = None


class PostedOut(BaseModel):
    """What became of a message; `n` is null while it is held for a step-up."""

    id: UUID
    n: int | None
    state: str
    data_class: str
    sent_at: datetime


class EntryOut(BaseModel):
    """One numbered thing of the room."""

    n: int
    kind: str
    at: datetime
    id: UUID | None = None
    sender: str | None = None
    sender_id: UUID | None = None
    data_class: str | None = None
    text: str | None = None
    data: dict[str, Any] | None = None


class HeldOut(BaseModel):
    """An answer that waits, or expired unseen."""

    id: UUID
    sender_id: UUID
    data_class: str
    text: str
    sent_at: datetime
    state: str


class RoomOut(BaseModel):
    """A room as its agent sees it: level and what may be said at it are facts of the server."""

    id: UUID
    case_id: UUID
    binding_id: UUID
    state: str
    customer_present: bool
    level: int
    may_say: list[str]
    last_n: int
    customer_read: int
    unread: int


class EntriesOut(BaseModel):
    """A page of a room behind a number."""

    room: RoomOut
    items: list[EntryOut]
    held: list[HeldOut]


class StepUpIn(BaseModel):
    """Which level to ask for."""

    model_config = ConfigDict(extra="forbid")

    level: Literal[3, 4] = 3


class StepUpOut(BaseModel):
    """That the customer was asked."""

    level: int


class CloseIn(BaseModel):
    """How the case ended."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome


class ClosedOut(BaseModel):
    """A closed case."""

    case_id: UUID
    status: str
    outcome: str
