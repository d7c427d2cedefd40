"""The room as the agent who works its case sees it: messages, held answers, level and proofs as facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast
from uuid import UUID, uuid4

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.binding import known_customers
from app.binding.models import Binding
from app.binding.queries import BindingFact, bindings_of_case
from app.binding.rules import BindingState
from app.conversations import queries as rooms
from app.conversations.marks import other_sides_mark
from app.conversations.models import Conversation
from app.conversations.queries import HeldAnswer as Waiting
from app.conversations.reading import RoomPage
from app.conversations.rules import LONGEST_TEXT
from app.database import services_of
from app.permissions import DataClass, Level
from app.policy import Policy
from app.web.facts import proof_facts
from app.web.room_entries import messages_of, older_than
from app.web.staff_views import RoomPanel
from app.web.views import DataClassName, HeldAnswer, Message


@dataclass(frozen=True)
class Typed:
    """A message that was refused, so that nobody writes it twice."""

    text: str = ""
    data_class: DataClassName = "account"


async def room_panel(
    request: Request,
    db: AsyncSession,
    staff: Staff,
    read: RoomPage,
    *,
    names: Mapping[UUID, str],
    handle: str,
    typed: Typed,
) -> RoomPanel:
    """The panel of a room whose reading has its leaf; `names` are the staff's, `handle` is the author's."""
    room = read.room
    read_by_customer = await other_sides_mark(db, room.id, staff)
    messages = messages_of(read.entries, side="agent", names=names, read_by_other=read_by_customer, customer=handle)
    binding = await _binding(db, staff, room)
    waiting = [_held_message(one, names) for one in await rooms.held_answers(db, room)]
    return replace(
        outline_panel(services_of(db).policy, room),
        state=_state(read),
        proofs=proof_facts(request, binding.proofs) if binding is not None else (),
        undone=binding is not None and binding.state == BindingState.REVOKED and binding.complained,
        taken_back=binding is not None and binding.state == BindingState.REVOKED and not binding.complained,
        linked=binding is not None and binding.state == BindingState.ACTIVE,
        reproof=binding.reproof.value if binding is not None and binding.reproof is not None else "",
        messages=tuple(sorted([*messages, *waiting], key=lambda message: message.at)),
        cursor=read.entries[-1].n if read.entries else room.last_n,
        customer=await _customer(db, room),
        held=await _held(db, room),
        step_up_level=_step_up_asked(read),
        draft=typed.text,
        older=older_than(read),
        data_class=typed.data_class,
    )


def outline_panel(policy: Policy, room: Conversation) -> RoomPanel:
    """Of a room that was not read only what the case's own row says of it: no text, no name."""
    return RoomPanel(
        id=room.id,
        state="closed" if room.state == "closed" else "open",
        level=room.level,
        proofs=(),
        may_say=tuple(cast("DataClassName", kind.value) for kind in policy.classes_at(room.level)),
        messages=(),
        cursor=room.last_n,
        idempotency_key=str(uuid4()),
        present=room.session_id is not None,
        max_length=LONGEST_TEXT,
    )


def _state(read: RoomPage) -> Literal["open", "locked", "closed"]:
    """Locked while nobody is in and the last to be in did not leave by choice."""
    if read.room.state == "closed":
        return "closed"
    locks = [entry.data for entry in read.entries if entry.kind == "lock" and entry.data]
    gone = read.room.session_id is None and bool(locks)
    return "locked" if gone and locks[-1].get("reason") == "locked" else "open"


async def _binding(db: AsyncSession, staff: Staff, room: Conversation) -> BindingFact | None:
    bindings = await bindings_of_case(db, staff, room.case_id)
    return next((one for one in bindings if one.id == room.binding_id), None)


async def _customer(db: AsyncSession, room: Conversation) -> str:
    """The bound customer's name in the bank's files; one typed code does not open it, not even to the agent."""
    if room.level < Level.L3:
        return ""
    binding = await db.get(Binding, room.binding_id)
    return (await known_customers.of_binding(services_of(db), binding)).name if binding is not None else ""


def _held_message(one: Waiting, names: Mapping[UUID, str]) -> Message:
    return Message(
        number=0,
        author="bank",
        name=names.get(one.sender_id, ""),
        at=one.sent_at,
        text=one.text,
        mine=True,
        data_class=cast("DataClassName", one.data_class),
        state="expired" if one.state == "expired" else "held",
    )


async def _held(db: AsyncSession, room: Conversation) -> HeldAnswer | None:
    waiting = await rooms.waiting_answers(db, room.id)
    if not waiting:
        return None
    level = max(services_of(db).policy.needed(DataClass(kind)) for kind, _ in waiting)
    return HeldAnswer(count=len(waiting), level=int(level), expires_at=min(until for _, until in waiting))


def _step_up_asked(read: RoomPage) -> int:
    """The level that the customer was last asked for, while it is above what they have proved."""
    asked = [entry.data for entry in read.entries if entry.kind == "step_up_requested" and entry.data]
    level = int(asked[-1]["level"]) if asked else 0
    return level if level > read.room.level else 0
