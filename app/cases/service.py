"""What the desk does with a case. Every act has its leaf; a refusal of a known agent has one too."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Customer, Staff
from app.audit.service import record
from app.cases import queries, rules
from app.cases.errors import AlreadyClaimed, AlreadyRated, NotYourCase
from app.cases.models import Case, CaseNote
from app.cases.rules import Outcome, Status
from app.database import services_of, transaction
from app.errors import NotFound
from app.ids import new_id
from app.limits import rates
from app.permissions import Permission, held_by, require
from app.services import Services
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json
from security.envelope import Place, seal


async def note_queue_read(services: Services, staff: Staff) -> None:
    """The leaf of a look at the queue, committed before anything of it leaves; one a minute and session is enough."""
    if Permission.CASES_READ not in held_by(staff):
        return
    key = await services.vault.lookup_hash("queue-read", str(staff.session_id))
    async with transaction(services) as db:
        if await rates.take(db, key, 1, timedelta(minutes=1), services.clock()):
            record(db, "queue.read", stream=f"staff:{staff.id}", actor=staff)


async def workable(db: AsyncSession, staff: Staff, case_id: UUID, act: str) -> Case:
    """The case, locked, if it is this member's to work; a refusal leaves a leaf and raises `NotYourCase`."""
    require(staff, Permission.CASES_WORK)
    case = await queries.get(db, staff, case_id, lock=True)
    try:
        rules.require_worker(staff, case.assigned_to)
    except NotYourCase:
        record(
            db,
            "case.refused",
            stream=f"case:{case.id}",
            actor=staff,
            data={"reason": "not_assigned", "act": act},
        )
        raise
    return case


async def claim(db: AsyncSession, staff: Staff, case_id: UUID) -> Case:
    """Take an unclaimed case; taking one's own again changes nothing. Raises `AlreadyClaimed`."""
    require(staff, Permission.CASES_WORK)
    case = await queries.get(db, staff, case_id, lock=True)
    rules.require_open(case.status)
    if case.assigned_to == staff.id:
        return case
    if case.assigned_to is not None:
        raise AlreadyClaimed
    case.assigned_to, case.status = staff.id, Status.CLAIMED
    return _changed(db, case, staff, "case.claimed", {"assignee": str(staff.id)})


async def transfer(db: AsyncSession, staff: Staff, case_id: UUID, to: UUID | None) -> Case:
    """Give the case to another member of the desk, or back to the queue; the caller has checked that `to` is one."""
    case = await queries.get(db, staff, case_id, lock=True)
    rules.require_open(case.status)
    if Permission.CASES_TRANSFER_ANY not in held_by(staff):
        case = await workable(db, staff, case_id, "transfer")
    before = case.assigned_to
    case.assigned_to = to
    case.status = rules.status_after_transfer(case.status, to is not None)
    return _changed(db, case, staff, "case.transferred", {"from": str(before or ""), "to": str(to or "")})


async def add_note(db: AsyncSession, staff: Staff, case_id: UUID, text: str) -> CaseNote:
    """An internal note, sealed under the case's key."""
    case = await workable(db, staff, case_id, "note")
    services = services_of(db)
    now, key = services.clock(), await services.vault.key(case.key_id)
    note_id, stream = new_id(now), f"case:{case.id}"
    sealed = seal(key, Place("case_notes", "sealed_text", str(note_id)), text.encode())
    context = canonical_json({"stream": stream, "id": str(note_id)})
    note = CaseNote(
        id=note_id,
        case_id=case.id,
        author_id=staff.id,
        sealed_text=sealed,
        created_at=now,
        leaf_id=record(
            db,
            "note.added",
            stream=stream,
            actor=staff,
            data={
                "id": str(note_id),
                "pt": commit(opening(key, str(note_id)), context, text.encode()).hex(),
                "ct": ciphertext_hash(sealed).hex(),
                "key": str(key.id),
            },
        ),
    )
    db.add(note)
    return note


async def close(db: AsyncSession, staff: Staff, case_id: UUID, outcome: Outcome) -> Case:
    """End the work with an outcome; the resolution clock stops."""
    case = await workable(db, staff, case_id, "close")
    rules.require_open(case.status)
    case.status, case.outcome, case.closed_at = Status.CLOSED, outcome.value, services_of(db).clock()
    return _changed(db, case, staff, "case.closed", {"outcome": outcome.value})


async def note_first_answer(db: AsyncSession, case_id: UUID, leaf_id: UUID, at: datetime) -> None:
    """The first public answer stands: its clock stops, under the leaf of the posting itself."""
    case = await db.get(Case, case_id, with_for_update=True)
    if case is None:
        raise NotFound
    if case.first_answered_at is None:
        case.first_answered_at = at
    if case.status in (Status.OPEN, Status.CLAIMED):
        case.status = Status.ANSWERED
    case.version += 1
    case.leaf_id = leaf_id


async def rateable(db: AsyncSession, case_id: UUID) -> Case:
    """The case, locked, if it has ended; its rooms may then say how it went. Raises `AlreadyRated`."""
    case = await db.get(Case, case_id, with_for_update=True, populate_existing=True)
    if case is None:
        raise NotFound
    if case.status != Status.CLOSED:
        raise AlreadyRated
    return case


def rated(db: AsyncSession, case: Case, customer: Customer, stars: int) -> UUID:
    """Note what one room says; the case shows the lowest, so that no room hides another's word. Returns the leaf."""
    case.rating = min(case.rating or stars, stars)
    return _changed(db, case, customer, "case.rated", {"rating": stars}).leaf_id


def _changed(db: AsyncSession, case: Case, actor: Actor, event: str, data: dict[str, str | int]) -> Case:
    case.version += 1
    case.leaf_id = record(db, event, stream=f"case:{case.id}", actor=actor, data=data)
    return case
