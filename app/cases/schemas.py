"""What crosses the wire about cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.cases.rules import Outcome
from app.http.texts import CleanText


class AuthorOut(BaseModel):
    """Who complained, as the network shows it."""

    network: str
    handle: str
    display_name: str


class PostOut(BaseModel):
    """A public message of the thread."""

    id: UUID
    author: AuthorOut
    text: str
    url: str
    kind: str
    posted_at: datetime


class ClockOut(BaseModel):
    """A clock: when it is due, when it was stopped, whether it ran out."""

    due_at: datetime
    stopped_at: datetime | None
    overdue: bool


class CaseOut(BaseModel):
    """A case in a list."""

    id: UUID
    link: str
    network: str
    author: AuthorOut
    status: str
    assigned_to: UUID | None
    opened_at: datetime
    first_answer: ClockOut
    resolution: ClockOut
    outcome: str | None
    rating: int | None
    reopened: int
    version: int


class NoteOut(BaseModel):
    """An internal note."""

    id: UUID
    author_id: UUID
    text: str
    created_at: datetime


class CaseDetailOut(CaseOut):
    """A case with its public thread and notes, so that the customer repeats nothing."""

    thread: list[PostOut]
    notes: list[NoteOut]


class CasesOut(BaseModel):
    """A page of cases; `next` is the cursor of the following page, or null."""

    items: list[CaseOut]
    next: str | None


class CaseQuery(BaseModel):
    """Filters of the list."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["open", "claimed", "answered", "closed"] | None = None
    assigned: Literal["me", "nobody"] | None = None
    network: Annotated[str | None, Field(max_length=60)] = None
    cursor: Annotated[str | None, Field(max_length=300)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class TransferIn(BaseModel):
    """To whom the case goes; null gives it back to the queue."""

    model_config = ConfigDict(extra="forbid")

    to: UUID | None


class NoteIn(BaseModel):
    """An internal note."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[CleanText, Field(min_length=1, max_length=4000)]


class CloseIn(BaseModel):
    """How the case ended."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
