"""Pure decisions about a room: who may read and write what, and which class a text has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.conversations.errors import ClassTooLow, NeverHere, RoomClosed
from app.permissions import DataClass, Level
from app.policy import Policy

HELD_FOR: Final = timedelta(hours=24)
NOTICE_AFTER: Final = timedelta(minutes=2)
LONGEST_TEXT: Final = 4000
LARGEST_NUMBER: Final = 2**31 - 1
"""Beyond any room, and within what a leaf and a column take as a number."""
ORDER: Final = (DataClass.GENERAL, DataClass.CASE, DataClass.ACCOUNT, DataClass.IDENTITY)


@dataclass(frozen=True)
class CustomerSight:
    """What a customer's session may see: the classes of its level, at L2 only what was written in that session."""

    classes: tuple[str, ...]
    only_session: UUID | None


def sight(policy: Policy, level: int, session_id: UUID) -> CustomerSight:
    """The classes that the policy opens at this level, of the part of the room that this session sees."""
    classes = tuple(kind.value for kind in policy.classes_at(level))
    return CustomerSight(classes, only_session(level, session_id))


def only_session(level: int, session_id: UUID) -> UUID | None:
    """Design, decision 9: a typed code alone opens nothing that was written before."""
    return session_id if level < Level.L3 else None


def sees_message(seen: CustomerSight, data_class: str, session_id: UUID | None) -> bool:
    """Whether a customer's session may see a message of this class, written in that session."""
    return data_class in seen.classes and seen.only_session in (None, session_id)


def sees_event(seen: CustomerSight, at: datetime, begun: datetime) -> bool:
    """Whether it may know of anything else: who came or proved more before one typed code is not its business."""
    return seen.only_session is None or at >= begun


def least_class(chosen: DataClass | None) -> DataClass:
    """What a text will be at least, whatever is read in it: its author's choice, `account` without one."""
    return DataClass.ACCOUNT if chosen is None else chosen


def class_of_answer(chosen: DataClass | None, lowest: DataClass) -> DataClass:
    """The class of an agent's text: `account` unless lowered by choice, never below what the guard reads in it."""
    if lowest == DataClass.NEVER:
        raise NeverHere
    wanted = chosen or max(DataClass.ACCOUNT, lowest, key=ORDER.index)
    if ORDER.index(wanted) < ORDER.index(lowest):
        raise ClassTooLow
    return wanted


def class_of_customer_text(policy: Policy, lowest: DataClass, level: int) -> DataClass:
    """What the customer writes: visible to the level it was written at, refused when it must never be stored."""
    if lowest == DataClass.NEVER:
        raise NeverHere
    return DataClass.ACCOUNT if level >= policy.needs.account else DataClass.CASE


def must_wait(policy: Policy, data_class: DataClass, level: int) -> bool:
    """Whether an answer of this class is held until the customer steps up."""
    return level < policy.needed(data_class)


def require_open(state: str) -> None:
    """Raise `RoomClosed` for a closed room."""
    if state != "open":
        raise RoomClosed
