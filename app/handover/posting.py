"""Outbox work: put a registered reply into the thread, once. A retry first looks for the reply in the thread.

What doubles stay possible: a network that takes the reply, fails to answer, and does not show it in the thread yet
when the retry looks. The marker is the case link, which is in every reply of the case; those known already are others.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from app.actors import SYSTEM
from app.audit.service import record
from app.cases import queries as cases
from app.cases.models import Case, Post
from app.cases.service import note_first_answer
from app.channels.ports import ChannelRefused, Connector, PublishedReply
from app.database import reading, transaction
from app.handover.models import Reply
from app.handover.ports import HandoverPorts
from app.handover.queries import replies_of
from app.notifications.service import Work, finish
from app.services import Services
from security.envelope import Place, seal

# A network's own word for its refusal reaches a leaf, where no sentence about a person may stand.
CODE: Final = re.compile(r"[a-z0-9_.-]{1,40}")


async def post_reply(services: Services, ports: HandoverPorts, work: Work) -> None:
    """Post one registered reply. Raises `ChannelUnavailable` to be tried again; a refusal is final and recorded."""
    reply_id = UUID(work.payload["reply"])
    async with reading(services) as db:
        reply = await db.get_one(Reply, reply_id)
        case = await db.get_one(Case, reply.case_id)
        post = await cases.open_post(db, await db.get_one(Post, reply.post_id))
        text = await services.vault.open_text(Place("replies", "sealed_text", str(reply.id)), reply.sealed_text)
        known = {one.url for one in await replies_of(db, case) if one.url is not None} if work.attempts > 1 else set()
    connector = next(one for one in ports.connectors if one.name == case.connector)
    try:
        published = await _publish_once(connector, (ports.case_link(case.slug), known), post, text, work)
    except ChannelRefused as refusal:
        await _record_failure(services, reply_id, refusal.code, work)
        return
    await _record_posting(services, reply_id, published, work)


async def give_up(services: Services, work: Work) -> None:
    """The network could not be reached for too long: the desk sees that the reply is not there."""
    await _record_failure(services, UUID(work.payload["reply"]), "unreachable", work)


async def _publish_once(
    connector: Connector, own: tuple[str, set[str]], post: cases.ThreadPost, text: str, work: Work
) -> PublishedReply:
    if connector.publisher is None:
        raise ChannelRefused("switched_off")
    ref = post.ref
    if work.attempts > 1:
        found = await connector.publisher.find_own_reply(ref, *own)
        if found is not None:
            return found
    return await connector.publisher.publish(ref, text, str(work.id))


async def _record_posting(services: Services, reply_id: UUID, published: PublishedReply, work: Work) -> None:
    url_hash = await services.vault.lookup_hash("reply-url", published.url)
    external = await services.vault.lookup_hash("post", published.external_id)
    async with transaction(services) as db:
        reply = await db.get_one(Reply, reply_id, with_for_update=True)
        case = await db.get_one(Case, reply.case_id)
        key = await services.vault.key(case.key_id)
        reply.leaf_id = record(
            db,
            "reply.posted",
            stream=f"case:{reply.case_id}",
            actor=SYSTEM,
            data={"id": str(reply_id), "external": external.hex()},
        )
        reply.state, reply.posted_at = "posted", services.clock()
        reply.sealed_url = seal(key, Place("replies", "sealed_url", str(reply_id)), published.url.encode())
        reply.url_hash = url_hash
        if reply.purpose == "answer":
            await note_first_answer(db, reply.case_id, reply.leaf_id, services.clock())
        await finish(db, work.id)


async def _record_failure(services: Services, reply_id: UUID, reason: str, work: Work) -> None:
    async with transaction(services) as db:
        reply = await db.get_one(Reply, reply_id, with_for_update=True)
        reply.leaf_id = record(
            db,
            "reply.failed",
            stream=f"case:{reply.case_id}",
            actor=SYSTEM,
            data={"id": str(reply_id), "reason": reason if CODE.fullmatch(reason) else "refused"},
        )
        reply.state = "failed"
        await finish(db, work.id, "refused")
