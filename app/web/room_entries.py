"""A room's entries as the pages and the module show them: one shape for page and stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast
from uuid import UUID

from fastapi import Request

from app.conversations.items import Ended, Quiet, ReadUpTo, StreamItem, last_event
from app.conversations.queries import Entry, Window
from app.conversations.reading import RoomPage
from app.http.event_stream import Event
from app.web.views import DataClassName, Message, ServiceText

Side = Literal["customer", "agent"]

# Numbered things that are worth a line of their own in the conversation.
SERVICE_LINES: Final[Mapping[str, ServiceText]] = {
    "step_up_requested": "step_up_asked",
    "closed": "room_closed",
}
# What only the desk is told in so many words: the customer never knows what expired.
DESK_LINES: Final[Mapping[str, ServiceText]] = {"held_expired": "answer_expired"}


ENTRIES_ON_A_PAGE: Final = 200


def window_of(request: Request) -> Window:
    """The newest entries, or with `?before=` the newest before that number: so old ones are met without scripts too."""
    before = request.query_params.get("before", "")
    known = before.isascii() and before.isdigit() and len(before) < 10
    return Window(before=int(before) if known else None, limit=ENTRIES_ON_A_PAGE)


def older_than(read: RoomPage) -> int:
    """The number to ask for what came before this page, or 0 when nothing did."""
    full = len(read.entries) >= ENTRIES_ON_A_PAGE
    return read.entries[0].n if full and read.entries[0].n > 1 else 0


def messages_of(
    entries: Sequence[Entry], *, side: Side, names: Mapping[UUID, str], read_by_other: int, customer: str = ""
) -> list[Message]:
    """The entries that are shown, in order; `customer` is the handle under which the customer writes."""
    shown = [
        message_of(entry, side=side, names=names, read_by_other=read_by_other, customer=customer) for entry in entries
    ]
    return [message for message in shown if message is not None]


def message_of(
    entry: Entry, *, side: Side, names: Mapping[UUID, str], read_by_other: int, customer: str = ""
) -> Message | None:
    """A message or a line of the service; None for what only says "look again"."""
    if entry.kind != "message":
        line = SERVICE_LINES.get(entry.kind) or (DESK_LINES.get(entry.kind) if side == "agent" else None)
        return None if line is None else Message(number=entry.n, author="service", at=entry.at, service=line)
    mine = entry.sender == side
    return Message(
        number=entry.n,
        author="customer" if entry.sender == "customer" else "bank",
        at=entry.at,
        text=entry.text or "",
        name=names.get(entry.sender_id, "") if entry.sender == "agent" and entry.sender_id else customer,
        mine=mine,
        data_class=cast("DataClassName", entry.data_class) if side == "agent" and entry.data_class else None,
        state="seen" if mine and entry.n <= read_by_other else "sent",
    )


def event_of(item: StreamItem, *, side: Side, customer: str = "") -> Event:
    """One item of a stream for the module: messages carry their text, everything else says "look again"."""
    if isinstance(item, Quiet):
        return Event()
    if isinstance(item, Ended):
        return last_event(item)
    if isinstance(item, ReadUpTo):
        return Event("read", {"n": item.n})
    if item.kind != "message":
        return Event("look", {"n": item.n}, item.n)
    document = {
        "n": item.n,
        "author": "customer" if item.sender == "customer" else "bank",
        "name": (item.sender_name or "") if item.sender == "agent" else customer,
        "text": item.text or "",
        "at": item.at.isoformat(),
        "mine": item.sender == side,
        "data_class": item.data_class if side == "agent" else None,
        "state": "sent",
    }
    return Event("message", document, item.n)
