"""Outbox work: fetch the public thread around a new complaint, so that the customer has to repeat nothing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app.cases import queries
from app.cases.arriving import receive_thread
from app.cases.models import Case
from app.channels.ports import ChannelRefused, Connector
from app.database import reading, transaction
from app.notifications.service import Work, finish
from app.services import Services


async def read_thread(services: Services, connectors: Sequence[Connector], work: Work) -> None:
    """Read the thread at the network, then store what is new. Raises `ChannelUnavailable` to be tried again."""
    case_id = UUID(work.payload["case"])
    async with reading(services) as db:
        case = await db.get_one(Case, case_id)
        complaint = await queries.latest_complaint(db, case)
    connector = next((one for one in connectors if one.name == case.connector), None)
    posts = []
    if connector is not None and connector.publisher is not None:
        try:
            posts = await connector.publisher.read_thread(complaint.ref)
        except ChannelRefused:
            posts = []
    async with transaction(services) as db:
        stored = await db.get_one(Case, case_id, with_for_update=True)
        await receive_thread(db, stored, posts)
        await finish(db, work.id)
