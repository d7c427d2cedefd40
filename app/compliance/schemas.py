"""What crosses the wire about exports and the evidence log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.compliance.rules import LONGEST_REASON, SHORTEST_REASON
from app.http.texts import clean_line

Reason = Annotated[
    str, StringConstraints(min_length=SHORTEST_REASON, max_length=LONGEST_REASON), AfterValidator(clean_line)
]


class ExportIn(BaseModel):
    """What to export and why; `conversation_id` exactly when the scope is `room`."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["log", "room"]
    conversation_id: UUID | None = None
    reason: Reason


class ExportOut(BaseModel):
    """An export. `log_size` counts leaves, `bytes` and `digest` (SHA-256, hexadecimal) are of the bag's zip."""

    id: UUID
    scope: str
    conversation_id: UUID | None
    state: str
    reason: str
    requested_by: UUID
    requested_at: datetime
    finished_at: datetime | None
    log_size: int | None
    bytes: int | None
    digest: str | None
    failure: str | None


class ExportsOut(BaseModel):
    """A page of exports; `next` is the cursor of the following page, or null."""

    items: list[ExportOut]
    next: str | None


class ExportQuery(BaseModel):
    """Which page of the list."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str | None, Field(max_length=300)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class TrustOut(BaseModel):
    """The content of `trust.json` (docs/formats/trust.md)."""

    version: int
    origin: str
    log_keys: list[str]
    export_keys: list[str]
    newest_checkpoint: str | None


class LogOut(BaseModel):
    """The evidence log: its head, what waits for a place, and the newest signed checkpoint as a C2SP note."""

    origin: str
    size: int
    root: str
    pending: int
    checkpoint: str | None
    checkpoint_size: int
    checkpoint_at: datetime | None
