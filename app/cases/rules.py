"""Pure decisions about a case: its life, its clocks, who may work it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.actors import Staff
from app.cases.errors import CaseClosed, NotYourCase
from app.permissions import Permission, held_by


class Status(StrEnum):
    """open → claimed → answered → closed."""

    OPEN = "open"
    CLAIMED = "claimed"
    ANSWERED = "answered"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a case may end."""

    RESOLVED = "resolved"
    EXPLAINED = "explained"
    NOT_JUSTIFIED = "not_justified"
    REFERRED = "referred"
    NO_CONTACT = "no_contact"
    SPAM = "spam"


@dataclass(frozen=True)
class CaseClocks:
    """How long the desk gives itself, from the complaint's arrival."""

    first_answer: timedelta = timedelta(hours=1)
    resolution: timedelta = timedelta(hours=24)


def require_open(status: str) -> None:
    """Raise `CaseClosed` for a closed case."""
    if status == Status.CLOSED:
        raise CaseClosed


def require_worker(staff: Staff, assigned_to: UUID | None) -> None:
    """Raise `NotYourCase` unless the case is this member's own, or the role may work any."""
    if assigned_to != staff.id and Permission.ROOMS_READ_ANY not in held_by(staff):
        raise NotYourCase


def is_overdue(due: datetime, done: datetime | None, now: datetime) -> bool:
    """Whether a clock ran out, or had run out when it was stopped."""
    return (done or now) > due


def status_after_transfer(status: str, has_owner: bool) -> Status:
    """An answered case stays answered; otherwise it is claimed by its new owner, or open again without one."""
    if status == Status.ANSWERED:
        return Status.ANSWERED
    return Status.CLAIMED if has_owner else Status.OPEN
