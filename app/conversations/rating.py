"""The customer's word when a case has ended: one for each room and closing, so that nobody speaks for another room."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Customer
from app.cases import service as cases
from app.cases.errors import AlreadyRated
from app.cases.models import Case
from app.conversations.models import Conversation, RoomRating
from app.database import services_of
from security.envelope import Place, seal


async def rate_room(db: AsyncSession, customer: Customer, room: Conversation, stars: int, comment: str) -> None:
    """1 to 5 with a comment; the caller has the room as its customer. Raises `AlreadyRated`."""
    services = services_of(db)
    case = await cases.rateable(db, room.case_id)
    if await rating_of(db, room, case) is not None:
        raise AlreadyRated
    place = Place("room_ratings", "sealed_comment", f"{room.id}/{case.reopened}")
    sealed = seal(await services.vault.key(room.key_id), place, comment.encode()) if comment else None
    db.add(
        RoomRating(
            conversation_id=room.id,
            closing=case.reopened,
            case_id=case.id,
            stars=stars,
            sealed_comment=sealed,
            rated_at=services.clock(),
            leaf_id=cases.rated(db, case, customer, stars),
        )
    )


async def has_rated(db: AsyncSession, room: Conversation, case: Case) -> bool:
    """Whether this room's customer has spoken about this closing of the case."""
    return await rating_of(db, room, case) is not None


async def rating_of(db: AsyncSession, room: Conversation, case: Case) -> int | None:
    """The stars that this room gave for this closing of the case."""
    found = await db.get(RoomRating, (room.id, case.reopened))
    return found.stars if found is not None else None
