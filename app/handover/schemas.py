"""What crosses the wire about public replies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.http.texts import CleanText


class ReplyIn(BaseModel):
    """The agent's words; mention, signature and case link are added by the service."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[CleanText, Field(min_length=1, max_length=2000)]
    purpose: Literal["answer", "closing"] = "answer"


class CheckIn(BaseModel):
    """A text to be read by the guard, without sending it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[CleanText, Field(min_length=1, max_length=2000)]


class CheckOut(BaseModel):
    """The guard's verdict with the places it marks."""

    verdict: Literal["allow", "warn", "block"]
    findings: list[dict[str, Any]]


class ReplyOut(BaseModel):
    """A registered reply; `url` once it is posted."""

    id: UUID
    state: str
    text: str | None = None
    url: str | None = None
    purpose: str
    created_at: datetime
    posted_at: datetime | None


class BlockOut(BaseModel):
    """A blocked text that waits for a second person."""

    id: UUID
    author_id: UUID
    text: str
    created_at: datetime


class OverrideIn(BaseModel):
    """Why a second person lets a blocked text leave."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[CleanText, Field(min_length=10, max_length=500)]
