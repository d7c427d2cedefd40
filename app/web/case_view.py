"""One case as its page shows it: the public thread for the whole desk, the room only for who works the case.

Reading leaves its evidence first: a leaf for the case, one for the room, both durable before any text is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast
from uuid import UUID, uuid4

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents.queries import desk
from app.agents.queries import names as staff_names
from app.audit.service import record
from app.cases import queries as cases
from app.cases.models import Case
from app.cases.rules import Outcome, Status
from app.channels.ports import Connector, TextTooLong
from app.conversations import queries as rooms
from app.conversations.models import Conversation
from app.conversations.queries import Window
from app.conversations.reading import RoomPage, read_as_staff
from app.database import reading, services_of, transaction
from app.errors import NotFound
from app.handover import queries as register
from app.handover import service as handover
from app.handover.ports import HandoverPorts
from app.permissions import Permission, held_by
from app.services import Services
from app.web import staff_views
from app.web.desk import first_answer_clock, reference_of, resolution_clock, staff_bar, status_of, works
from app.web.drafts import draft_of
from app.web.notices import notice_of
from app.web.pages import page_settings, site_of
from app.web.room_entries import window_of
from app.web.room_panel import Typed, outline_panel, room_panel
from app.web.staff_views import Colleague, Composer, Draft, Note, RoleName
from app.web.views import PublicPost

LONGEST_REPLY: Final = 2000
MOST_BLOCKS: Final = 5
OUTCOMES: Final[Mapping[staff_views.Outcome, Outcome]] = {
    "resolved": Outcome.RESOLVED,
    "explained": Outcome.EXPLAINED,
    "handed_over": Outcome.REFERRED,
    "no_answer": Outcome.NO_CONTACT,
    "not_ours": Outcome.SPAM,
}
# "Explained, nothing to correct" is what the page calls a complaint that was not justified, too.
SHOWN_OUTCOMES: Final[Mapping[str, staff_views.Outcome]] = {
    **{stored.value: shown for shown, stored in OUTCOMES.items()},
    Outcome.NOT_JUSTIFIED.value: "explained",
}
REPLY_STATES: Final = {"registered": "queued", "posted": "posted", "failed": "failed"}


@dataclass(frozen=True)
class Shown:
    """What a request adds to the page: the room it asked for, a refusal, and what had been typed."""

    room: UUID | None = None
    error: str = ""
    reply: str = ""
    draft: Draft | None = None
    typed: Typed = field(default_factory=Typed)


@dataclass(frozen=True)
class _Ground:
    """What has been read and may be shown."""

    case: Case
    rooms: Sequence[Conversation]
    read: RoomPage | None
    names: Mapping[UUID, str]
    handle: str


def ports_of(request: Request) -> HandoverPorts:
    """The ports that `main` gave this door."""
    ports: HandoverPorts = request.app.state.handover_ports
    return ports


async def case_view(
    request: Request, services: Services, staff: Staff, case_id: UUID, shown: Shown
) -> staff_views.Case:
    """The page's content. Raises `NotFound`, and `NotYourRoom` (with its leaf) where a room was asked for by name."""
    async with transaction(services) as db:
        case = await cases.get(db, staff, case_id)
        record(db, "case.read", stream=f"case:{case.id}", actor=staff, data={"part": "thread"})
    async with reading(services) as db:
        of_case = await rooms.rooms_of_case(db, [case.id])
    read = await _read_room(services, staff, case, of_case, (shown.room, window_of(request)))
    async with reading(services) as db:
        author = await cases.author_of(db, case)
        handle = f"@{author.handle.lstrip('@')}"
        ground = _Ground(case, of_case, read, await staff_names(db), handle)
        return await _view(request, db, staff, ground, shown)


async def _read_room(
    services: Services, staff: Staff, case: Case, of_case: Sequence[Conversation], wish: tuple[UUID | None, Window]
) -> RoomPage | None:
    """The room asked for, or the newest; without asking, who does not work the case meets none and leaves no trace."""
    asked, window = wish
    if asked is None and not (of_case and works(staff, case)):
        return None
    chosen = of_case[-1] if asked is None else next((room for room in of_case if room.id == asked), None)
    if chosen is None:
        raise NotFound
    return await read_as_staff(services, staff, chosen.id, window)


async def _view(request: Request, db: AsyncSession, staff: Staff, ground: _Ground, shown: Shown) -> staff_views.Case:
    case, now = ground.case, request.app.state.services.clock()
    held, may_work = held_by(staff), works(staff, case)
    is_open = case.status != Status.CLOSED
    may_transfer = is_open and (may_work or Permission.CASES_TRANSFER_ANY in held)
    return staff_views.Case(
        site=site_of(request),
        now=now,
        error=shown.error,
        notice=notice_of(request) if not shown.error else None,
        staff=staff_bar(request, staff),
        id=case.id,
        reference=reference_of(case.id),
        author=ground.handle,
        network=page_settings(request).label(case.connector),
        status=status_of(case, ground.rooms),
        opened_at=case.opened_at,
        first_answer=first_answer_clock(case, now),
        resolution=resolution_clock(case, now),
        thread=await _thread(request, db, case),
        notes=await _notes(db, ground),
        colleagues=await _colleagues(db, case) if may_transfer else (),
        outcomes=tuple(OUTCOMES),
        may_claim=is_open and case.assigned_to is None and Permission.CASES_WORK in held,
        may_work=may_work,
        may_transfer=may_transfer,
        composer=_composer(request, staff, ground, shown) if may_work else None,
        blocked=await _blocked(request, db, staff, ground) if may_work else (),
        rooms=await _panels(request, db, staff, ground, shown.typed),
        rooms_hidden=bool(ground.rooms) and ground.read is None,
        assigned_to=ground.names.get(case.assigned_to, "") if case.assigned_to else "",
        outcome=SHOWN_OUTCOMES.get(case.outcome) if case.outcome else None,
        stars=case.rating or 0,
    )


async def _thread(request: Request, db: AsyncSession, case: Case) -> tuple[PublicPost, ...]:
    """What everybody can read, with the bank's registered replies and how far they have come."""
    official = _official(request, case)
    posts = [
        PublicPost(
            author=f"@{post.author.handle.lstrip('@')}",
            text=post.text,
            at=post.posted_at,
            url=_web_address(post.url),
            by_bank=post.kind == "bank",
            private=post.kind == cases.PRIVATE,
        )
        for post in await cases.thread_of(db, case)
    ]
    for reply in await register.replies_of(db, case):
        state = REPLY_STATES.get(reply.state, "queued")
        posts.append(
            PublicPost(
                author=official,
                text=reply.text,
                at=reply.posted_at or reply.created_at,
                url=_web_address(reply.url or ""),
                by_bank=True,
                genuine=True,
                state=state,  # type: ignore[arg-type]
            )
        )
    return tuple(sorted(posts, key=lambda post: post.at))


def _web_address(url: str) -> str:
    """An address that may become a link; networks are not trusted with anything but the web."""
    return url if url.startswith(("https://", "http://")) else ""


def connector_of(request: Request, case: Case) -> Connector | None:
    """The network that the case came from, as the bank uses it."""
    return next((one for one in ports_of(request).connectors if one.name == case.connector), None)


def _official(request: Request, case: Case) -> str:
    connector = connector_of(request, case)
    return f"@{connector.official_handle.lstrip('@')}" if connector else page_settings(request).bank


async def _notes(db: AsyncSession, ground: _Ground) -> tuple[Note, ...]:
    return tuple(
        Note(author=ground.names.get(note.author_id, ""), text=note.text, at=note.created_at)
        for note in await cases.notes_of(db, ground.case)
    )


async def _colleagues(db: AsyncSession, case: Case) -> tuple[Colleague, ...]:
    return tuple(
        Colleague(id=one.id, name=one.display_name, role=cast("RoleName", one.role))
        for one in await desk(db)
        if one.id != case.assigned_to
    )


def _composer(request: Request, staff: Staff, ground: _Ground, shown: Shown) -> Composer | None:
    """None where the network takes no reply from here."""
    connector = connector_of(request, ground.case)
    if connector is None or connector.publisher is None:
        return None
    link = ports_of(request).case_link(ground.case.slug)
    added = f"{ground.handle}  — {staff.signature}"
    try:
        connector.publisher.fit("x" * LONGEST_REPLY, link)
        fits = LONGEST_REPLY
    except TextTooLong as refusal:
        fits = refusal.maximum
    return Composer(
        idempotency_key=str(uuid4()),
        mention=ground.handle,
        case_link=link,
        signature=staff.signature,
        max_length=max(min(fits, LONGEST_REPLY) - len(added), 1),
        draft=shown.draft,
        text=shown.reply,
    )


async def _blocked(request: Request, db: AsyncSession, staff: Staff, ground: _Ground) -> tuple[Draft, ...]:
    """The newest texts that wait for a second person, read by the guard as it reads now."""
    may_override = Permission.GUARD_OVERRIDE in held_by(staff)
    drafts = []
    for block in (await handover.blocks_of(db, staff, ground.case.id))[-MOST_BLOCKS:]:
        text = await handover.block_text(db, block)
        verdict = await handover.verdict_on(db, ports_of(request), ground.case, text)
        drafts.append(
            draft_of(
                text,
                verdict,
                author=ground.names.get(block.author_id, ""),
                block=block.id,
                may_override=may_override and block.author_id != staff.id,
            )
        )
    return tuple(drafts)


async def _panels(
    request: Request, db: AsyncSession, staff: Staff, ground: _Ground, typed: Typed
) -> tuple[staff_views.RoomPanel, ...]:
    """The room that was read stands last, as the page shows it; of the others only that they are there."""
    if ground.read is None:
        return ()
    others = [outline_panel(services_of(db).policy, room) for room in ground.rooms if room.id != ground.read.room.id]
    shown = await room_panel(request, db, staff, ground.read, names=ground.names, handle=ground.handle, typed=typed)
    return (*others, shown)
