"""Posting a message: read, sealed and committed to, then given to the lane, which answers once it is durable.

Who may post is checked by the lane, inside the transaction and under the room's lock (`committing`): between the
request and its group a session may end, a case change hands, a room close.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import select

from app.actors import Customer, Staff
from app.audit.service import record
from app.conversations.committing import Posted, PostMessage
from app.conversations.models import Conversation
from app.conversations.queries import room_for_customer, room_for_staff
from app.conversations.rules import LONGEST_TEXT, class_of_answer, class_of_customer_text, least_class
from app.database import querying, transaction
from app.errors import Invalid, NotFound, RiserboError, Unavailable
from app.free_space import require_space
from app.guard.service import check_room
from app.ids import new_id
from app.permissions import DataClass
from app.services import Services
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json, join
from security.envelope import Place, seal

LONGEST_KEY: Final = 255


async def post_message(
    services: Services,
    actor: Staff | Customer,
    conversation_id: UUID,
    text: str,
    *,
    client_key: str,
    chosen: DataClass | None = None,
) -> Posted:
    """Store one message, exactly once per (actor, `client_key`); durable when this returns.

    Raises `NeverHere`, `ClassTooLow`, `RoomClosed`, `RoomLocked`, `NotYourRoom`, `NotFound`, `MessageKeyReused`,
    `Unavailable` (nothing was stored).
    """
    if not client_key or len(client_key) > LONGEST_KEY:
        raise Invalid("An Idempotency-Key of at most 255 characters is needed.")
    if services.lane is None:
        raise Unavailable
    require_space(services.write_engine)
    command = await _prepare(services, actor, conversation_id, text, (client_key, chosen))
    posted: Posted = await services.lane.submit(command)
    return posted


async def _prepare(
    services: Services, actor: Staff | Customer, conversation_id: UUID, text: str, wish: tuple[str, DataClass | None]
) -> PostMessage:
    client_key, chosen = wish
    if len(text) > LONGEST_TEXT:
        raise Invalid
    # A room keeps the data key that it was opened with.
    key_id = await services.lookups.of("room keys", partial(_key_ids, services), kept=50_000).get(conversation_id)
    if key_id is None:
        raise NotFound
    lowest = check_room(text, least=least_class(chosen)).data_class
    try:
        if isinstance(actor, Staff):
            data_class = class_of_answer(chosen, lowest)
        else:
            data_class = class_of_customer_text(services.policy, lowest, actor.level)
    except RiserboError as refusal:
        await _record_refusal(services, actor, conversation_id, (refusal.code, lowest))
        raise
    key = await services.vault.key(key_id)
    message_id, stream = new_id(services.clock()), f"room:{conversation_id}"
    sealed = seal(key, Place("messages", "sealed_text", str(message_id)), text.encode())
    context = canonical_json({"stream": stream, "id": str(message_id)})
    scope = join(str(conversation_id).encode(), client_key.encode()).hex()
    body = join((chosen.value if chosen else "").encode(), text.encode()).hex()
    return PostMessage(
        conversation_id=conversation_id,
        actor=actor,
        message_id=message_id,
        data_class=data_class,
        sealed_text=sealed,
        commitment={
            "id": str(message_id),
            "pt": commit(opening(key, str(message_id)), context, text.encode()).hex(),
            "ct": ciphertext_hash(sealed).hex(),
            "key": str(key.id),
        },
        client_key=await services.vault.lookup_hash("message-key", scope),
        body_hash=await services.vault.lookup_hash("message-body", body),
    )


async def _key_ids(services: Services, rooms: Sequence[UUID]) -> dict[UUID, UUID]:
    async with querying(services) as connection:
        found = await connection.execute(select(Conversation.id, Conversation.key_id).where(Conversation.id.in_(rooms)))
        return {row.id: row.key_id for row in found}


async def _record_refusal(
    services: Services, actor: Staff | Customer, conversation_id: UUID, why: tuple[str, DataClass]
) -> None:
    """Only who may speak here learns what was wrong with the text; anybody else meets the usual refusal."""
    reason, lowest = why
    async with transaction(services) as db:
        if isinstance(actor, Staff):
            await room_for_staff(db, actor, conversation_id, act="post")
        else:
            await room_for_customer(db, actor, services.clock())
        record(
            db,
            "message.refused",
            stream=f"room:{conversation_id}:access",
            actor=actor,
            data={"reason": reason, "class": lowest.value},
        )
