"""What crosses the wire about staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.agents.new_passwords import LONGEST
from app.http.texts import CleanText
from app.permissions import Permission


class TokenRequest(BaseModel):
    """Exchange password and code for an opaque token."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[CleanText, Field(min_length=1, max_length=100)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST)]
    code: Annotated[SecretStr, Field(min_length=8, max_length=16)]
    lifetime_minutes: Annotated[int, Field(ge=1, le=480)] = 480
    scopes: Annotated[list[Permission], Field(min_length=1, max_length=20)] | None = None


class PasswordChange(BaseModel):
    """The old password with a current code, and the new one: 15 to 256 characters, not made of what is tried first."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[CleanText, Field(min_length=1, max_length=100)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST)]
    code: Annotated[SecretStr, Field(min_length=8, max_length=16)]
    new_password: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST)]


class TokenOut(BaseModel):
    """The token, shown once; `expires_at` is at most eight hours ahead. `DPoP` where it is bound to the proof's key."""

    token: str
    token_type: Literal["Bearer", "DPoP"]
    role: str
    scopes: list[str]
    expires_at: datetime


class StaffOut(BaseModel):
    """A member of staff as colleagues see them."""

    id: UUID
    login: str
    display_name: str
    role: str
    active: bool
