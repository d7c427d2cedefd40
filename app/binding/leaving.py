"""The customer leaves: the session ends and the room is empty; the binding stays."""

from __future__ import annotations

from uuid import UUID

from app.binding.room_entry import customer_of, live_session, lock_room
from app.conversations import service as conversations
from app.database import transaction
from app.permissions import Level
from app.services import Services
from app.sessions import service as sessions


async def leave_room(services: Services, *, session_id: UUID) -> None:
    """End this session, locked or not. Raises `RoomLocked` when it has ended already."""
    now = services.clock()
    async with transaction(services) as db:
        session = await live_session(db, session_id, now)
        assert session.binding_id is not None
        room = await lock_room(db, session.binding_id)
        if room is not None and room.session_id == session.id:
            actor = customer_of(session, Level(session.level), session.proved_at or now)
            await conversations.vacate(db, room.id, reason="left", actor=actor)
        await sessions.end(db, session.id, now)
