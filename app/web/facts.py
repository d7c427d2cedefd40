"""Proofs as facts for the pages: what was proved, where, when; never a tick."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding.models import Binding
from app.binding.ports import BindingPorts
from app.binding.queries import ProofFact as StoredFact
from app.binding.reproof import reproof_of
from app.cases import queries as cases
from app.cases.models import Case
from app.conversations.models import Conversation
from app.sessions.models import Session
from app.web.pages import page_settings
from app.web.views import ProofFact, ProofKind

KINDS: Final[dict[str, ProofKind]] = {
    "sign_in": "sign_in",
    "direct_message": "direct_message",
    "sms": "sms",
    "email": "email",
    "totp": "totp",
    "identity": "identity",
    "passkey": "passkey",
}


def proof_facts(request: Request, facts: Iterable[StoredFact]) -> tuple[ProofFact, ...]:
    """The stored facts with the display names of networks and providers."""
    ports: BindingPorts = request.app.state.binding_ports
    labels = {one.name: one.label for one in ports.providers}
    settings = page_settings(request)
    return tuple(
        ProofFact(
            kind=KINDS[fact.method],
            at=fact.at,
            where=labels.get(fact.where, "") or (settings.label(fact.where) if fact.where else ""),
        )
        for fact in facts
    )


def at_name(handle: str) -> str:
    """A handle as the pages write it."""
    return f"@{handle.lstrip('@')}"


async def reproof_slug(db: AsyncSession, session: Session, now: datetime) -> str:
    """The case link by which the account and the customer must be proved anew; empty while one factor is enough."""
    binding = await db.get(Binding, session.binding_id) if session.binding_id else None
    room = await db.get(Conversation, session.conversation_id) if session.conversation_id else None
    if binding is None or room is None or await reproof_of(db, binding, now) is None:
        return ""
    return (await db.get_one(Case, room.case_id)).slug


async def room_handle(db: AsyncSession, conversation_id: UUID) -> str:
    """The handle that complained, as pages write it."""
    room_now = await db.get_one(Conversation, conversation_id)
    return at_name((await cases.author_of(db, await db.get_one(Case, room_now.case_id))).handle)
