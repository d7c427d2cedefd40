"""One look at many rooms for many readers: their rights anew, how far each room has come, and what is new.

One statement however many readers there are, and no ORM objects. Nothing of a reader's rights outlives the look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.actors import Customer, Staff
from app.agents.models import StaffAccount
from app.bulk import wanted
from app.cases.models import Case
from app.conversations.errors import NotYourRoom, RoomLocked
from app.conversations.marks import side_of
from app.conversations.models import Conversation, Message, ReadMark, RoomEvent
from app.conversations.queries import Entry
from app.database import UtcDateTime
from app.errors import NotFound, RiserboError, Unauthenticated
from app.permissions import ROOM_READING, Level, Permission, held_by
from app.policy import Sessions
from app.services import Services
from app.sessions.models import Session
from app.sessions.rules import API, STAFF, VISITOR, idle_limit

PAGE: Final = 50
MOST_LINES: Final = 2000


class Verdict(IntEnum):
    """What the database says of a reader's rights."""

    FINE = 0
    LOCKED = 1
    UNAUTHENTICATED = 2
    NOT_FOUND = 3
    NOT_YOURS = 4


REFUSALS: Final[Mapping[Verdict, type[RiserboError]]] = {
    Verdict.LOCKED: RoomLocked,
    Verdict.UNAUTHENTICATED: Unauthenticated,
    Verdict.NOT_FOUND: NotFound,
    Verdict.NOT_YOURS: NotYourRoom,
}


@dataclass(slots=True)
class Standing:
    """How a reader and its room stand: `begun` is when the reader's session began, `mark` the other side's.

    `lines` is what the room carries behind the reader's number, a page of it at most.
    """

    verdict: Verdict
    last_n: int
    mark: int
    begun: datetime | None
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """One numbered thing as stored, still sealed."""

    entry: Entry
    session_id: UUID | None
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found, by place of the reader. Who is missing has every right still and nothing new to learn.

    `all_told` is False when there was more than one look carries: who is missing may have news then.
    """

    standings: Mapping[int, Standing]
    all_told: bool


def reader(actor: Staff | Customer, room_id: UUID) -> str:
    """What never changes of a reader's question, as JSON without its closing brace."""
    fields: dict[str, object] = {"room": room_id.hex, "session": actor.session_id.hex}
    if isinstance(actor, Staff):
        held = held_by(actor)
        fields |= {"staff": actor.id.hex, "role": actor.role.value, "other": "customer"}
        fields |= {"desk": int(held >= ROOM_READING), "every": int(Permission.ROOMS_READ_ANY in held)}
    else:
        fields |= {"binding": actor.binding_id.hex, "level": actor.level, "other": "agent"}
    assert side_of(actor) != fields["other"]
    return json.dumps(fields, separators=(",", ":"))[:-1]


class Lookout:
    """Looks through one connection that it keeps; a connection that fails is given up, and the next look has another.

    One statement a look, so that rights and lines are of one moment.
    """

    def __init__(self, services: Services) -> None:
        self._engine, self._terms = services.read_engine, services.policy.sessions
        self._connection: AsyncConnection | None = None

    async def look(self, readers: Sequence[tuple[str, int, int]], now: datetime) -> Found:
        """For each (`reader`, number it has, mark it has): how it stands now."""
        asked = ",".join([f'{text},"i":{i},"n":{n},"mark":{mark}}}' for i, (text, n, mark) in enumerate(readers)])
        rows = await self._read({"readers": f"[{asked}]", "now": now, **_idle_since(self._terms, now)})
        found: dict[int, Standing] = {}
        for row in rows:
            standing = found.get(row.i)
            if standing is None:
                standing = found[row.i] = Standing(Verdict(row.verdict), row.last_n or 0, row.mark, row.begun)
            if row.line is not None:
                standing.lines.append(_line(row))
        return Found(found, len(rows) < MOST_LINES)

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _read(self, parameters: Mapping[str, object]) -> Sequence[Row[Any]]:
        if self._connection is None:
            self._connection = await self._engine.connect()
        try:
            rows: Sequence[Row[Any]] = (
                await self._connection.execute(_look(self._connection.dialect.name), parameters)
            ).all()
            await self._connection.rollback()
        except BaseException:
            connection, self._connection = self._connection, None
            with suppress(Exception):
                await connection.invalidate()
                await connection.close()
            raise
        return rows


def _line(row: Row[Any]) -> Line:
    if row.id is None:
        return Line(Entry(row.line, row.kind, row.at, data=json.loads(row.data)), None, None)
    entry = Entry(
        row.line,
        row.kind,
        row.released_at or row.sent_at,
        row.id,
        row.sender,
        row.sender_id,
        row.data_class,
        sender_name=row.display_name,
    )
    return Line(entry, row.session_id, row.sealed_text)


def _idle_since(terms: Sessions, now: datetime) -> dict[str, datetime]:
    """By parameter: since when a session of this kind and level must have done something (`rules.is_idle`)."""
    limits = {f"l{level}": idle_limit(terms, VISITOR, level) for level in Level} | {"staff": terms.staff.idle}
    return {f"since_{name}": now - limit for name, limit in limits.items()}


def _is_live() -> ColumnElement[bool]:
    """`queries.session_is_live` in SQL; a test compares the two."""
    since = case(
        (Session.kind == STAFF, _moment("since_staff")),
        *((Session.level == int(level), _moment(f"since_l{level}")) for level in Level),
        else_=_moment("now"),
    )
    return and_(
        Session.ended_at.is_(None),
        Session.expires_at > _moment("now"),
        Session.locked.is_(False),
        or_(Session.kind == API, Session.last_seen_at >= since),
    )


def _moment(name: str) -> ColumnElement[datetime]:
    return bindparam(name, type_=UtcDateTime())


@lru_cache(maxsize=2)
def _look(dialect: str) -> Select[Any]:
    standing = _standing(_asked(dialect))
    author = aliased(StaffAccount)
    fine = standing.c.verdict == Verdict.FINE.value
    behind = [RoomEvent.n > standing.c.n, RoomEvent.n <= standing.c.n + PAGE]
    event = [RoomEvent.n.label("line"), RoomEvent.kind, RoomEvent.data, RoomEvent.at]
    message = [Message.id, Message.sender, Message.sender_id, Message.session_id, Message.data_class]
    more = [Message.sealed_text, Message.sent_at, Message.released_at, author.display_name]
    told = [standing.c[name] for name in ("i", "verdict", "last_n", "mark", "begun")]
    return (
        select(*told, *event, *message, *more)
        .select_from(standing)
        .outerjoin(RoomEvent, and_(fine, RoomEvent.conversation_id == standing.c.room, *behind))
        .outerjoin(Message, Message.id == RoomEvent.message_id)
        .outerjoin(author, author.id == Message.sender_id)
        .where(or_(not_(fine), RoomEvent.n.is_not(None), standing.c.mark != standing.c.mark_told))
        # Refusals first: however much there is to read, nobody's end is cut off.
        .order_by(standing.c.verdict.desc(), standing.c.i, RoomEvent.n)
        .limit(MOST_LINES)
    )


def _asked(dialect: str) -> CTE:
    """The readers' questions, each with its session; `live` is 1 or 0, never NULL."""
    numbers = dict.fromkeys(("i", "n", "mark", "level", "desk", "every"), Integer())
    ids = dict.fromkeys(("room", "session", "binding", "staff"), Uuid())
    ask = wanted(dialect, "readers", {**numbers, **ids, "role": Text(), "other": Text()})
    session = [Session.level.label("level_now"), Session.staff_id, Session.created_at.label("begun")]
    live = case((_is_live(), 1), else_=0).label("live")
    return _once(
        select(*ask.c, live, *session).select_from(ask).outerjoin(Session, Session.id == ask.c.session), "asked"
    )


def _standing(ask: CTE) -> CTE:
    """Each reader's rights. Conditions must hold to be let in: what is missing or NULL falls through to a refusal."""
    inside = and_(
        Conversation.binding_id == ask.c.binding,
        Conversation.session_id == ask.c.session,
        ask.c.level_now == ask.c.level,
    )
    works_here = and_(
        ask.c.staff_id == ask.c.staff,
        StaffAccount.active.is_(True),
        StaffAccount.role == ask.c.role,
    )
    verdict = case(
        (and_(ask.c.staff.is_(None), ask.c.live == 1, inside), Verdict.FINE.value),
        (ask.c.staff.is_(None), Verdict.LOCKED.value),
        (or_(ask.c.live == 0, case((works_here, 0), else_=1) == 1), Verdict.UNAUTHENTICATED.value),
        (or_(ask.c.desk == 0, Conversation.id.is_(None)), Verdict.NOT_FOUND.value),
        (or_(Case.assigned_to == ask.c.staff, ask.c.every == 1), Verdict.FINE.value),
        else_=Verdict.NOT_YOURS.value,
    )
    kept = [ask.c.i, ask.c.room, ask.c.n, ask.c.begun, ask.c.mark.label("mark_told")]
    mark = func.coalesce(ReadMark.n, 0).label("mark")
    return _once(
        select(*kept, verdict.label("verdict"), Conversation.last_n, mark)
        .select_from(ask)
        .outerjoin(Conversation, Conversation.id == ask.c.room)
        .outerjoin(Case, Case.id == Conversation.case_id)
        .outerjoin(StaffAccount, StaffAccount.id == ask.c.staff)
        .outerjoin(ReadMark, and_(ReadMark.conversation_id == ask.c.room, ReadMark.side == ask.c.other)),
        "standing",
    )


def _once(rows: Select[Any], name: str) -> CTE:
    """Computed once, not wherever it is named."""
    return rows.cte(name).prefix_with("MATERIALIZED")
