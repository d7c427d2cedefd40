"""A public reply: read by the guard, registered, then handed to the outbox. `/verify` answers from the register."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Staff
from app.agents.queries import account
from app.audit.service import record
from app.cases import queries as cases
from app.cases import rules as case_rules
from app.cases.errors import NotYourCase
from app.cases.models import Case
from app.cases.queries import ThreadPost
from app.cases.service import workable
from app.channels.ports import Connector, TextTooLong
from app.database import services_of
from app.errors import NotFound
from app.guard.models import PublicContext, Verdict
from app.guard.service import check_public
from app.handover.errors import GuardBlocked, NoPublicAnswer, ReplyTooLong, SecondPersonNeeded, WrittenInPrivate
from app.handover.models import GuardBlock, Reply
from app.handover.ports import HandoverPorts
from app.handover.rules import comparable
from app.ids import new_id
from app.notifications.service import enqueue
from app.permissions import Permission, held_by, require
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json
from security.envelope import Place, seal

POST_REPLY: Final = "post_reply"
ANSWER: Final = "answer"
CLOSING: Final = "closing"


@dataclass(frozen=True)
class Draft:
    """A reply as it would leave: the agent's words, signature and case link, and why."""

    case: Case
    post: ThreadPost
    connector: Connector
    text: str
    purpose: str


async def check(db: AsyncSession, ports: HandoverPorts, staff: Staff, case_id: UUID, text: str) -> Verdict:
    """What the guard says about a text, before anybody means to send it. Raises `NotYourCase`, with its leaf.

    Only for who works the case: the guard knows the bound customer, and could be asked about them.
    """
    require(staff, Permission.REPLIES_PUBLISH)
    case = await cases.get(db, staff, case_id)
    try:
        case_rules.require_worker(staff, case.assigned_to)
    except NotYourCase:
        data = {"reason": "not_assigned", "act": "check"}
        record(db, "case.refused", stream=f"case:{case.id}", actor=staff, data=data)
        raise
    return await verdict_on(db, ports, case, text)


async def publish(
    db: AsyncSession, ports: HandoverPorts, staff: Staff, case_id: UUID, text: str, *, purpose: str = ANSWER
) -> Reply:
    """Register a reply and enqueue its posting, all in this transaction.

    Raises `GuardBlocked` (the text is kept, sealed, for a supervisor), `ReplyTooLong`, `NotYourCase`, `CaseClosed`,
    `WrittenInPrivate` where nothing public is there to be answered.
    """
    require(staff, Permission.REPLIES_PUBLISH)
    case = await workable(db, staff, case_id, "reply")
    if purpose == ANSWER:
        case_rules.require_open(case.status)
    draft = await _draft(db, ports, staff.signature, case, (text, purpose))
    verdict = await verdict_on(db, ports, case, text)
    if verdict.verdict == "block":
        await _store_block(db, staff, case, (text, purpose), verdict)
    return await _send(db, staff, draft, verdict, None)


async def override(db: AsyncSession, ports: HandoverPorts, staff: Staff, block_id: UUID, reason: str) -> Reply:
    """Let one blocked text leave after all, under its author's signature; never decided by the author.

    The reason is kept sealed, and committed to by the leaf.

    Raises `SecondPersonNeeded`, `NotFound` for a block decided before, `CaseClosed`.
    """
    require(staff, Permission.CASES_READ)
    block = await db.get(GuardBlock, block_id, with_for_update=True)
    if block is None or block.decided_at is not None:
        raise NotFound
    objection = _objection(staff, block)
    if objection:
        stream, data = f"case:{block.case_id}", {"reason": objection, "act": "override"}
        record(db, "case.refused", stream=stream, actor=staff, data=data)
        raise SecondPersonNeeded
    case = await cases.get(db, staff, block.case_id, lock=True)
    if block.purpose == ANSWER:
        case_rules.require_open(case.status)
    await _decide(db, staff, case, block, reason)
    author = await account(db, block.author_id)
    if author is None:
        raise NotFound
    text = await block_text(db, block)
    draft = await _draft(db, ports, author.signature, case, (text, block.purpose))
    return await _send(db, staff, draft, await verdict_on(db, ports, case, text), block)


def _objection(staff: Staff, block: GuardBlock) -> str:
    """Why this member may not decide about this block, or nothing."""
    if block.author_id == staff.id:
        return "own_text"
    return "" if Permission.GUARD_OVERRIDE in held_by(staff) else "role"


async def _decide(db: AsyncSession, staff: Staff, case: Case, block: GuardBlock, reason: str) -> None:
    services = services_of(db)
    key, stream = await services.vault.key(case.key_id), f"case:{case.id}"
    block.decided_by, block.decided_at = staff.id, services.clock()
    block.sealed_reason = seal(key, Place("guard_blocks", "sealed_reason", str(block.id)), reason.encode())
    context = canonical_json({"stream": stream, "id": str(block.id)})
    record(
        db,
        "reply.overridden",
        stream=stream,
        actor=staff,
        data={
            "id": str(block.id),
            "by": str(staff.id),
            "text": block.text_hash.hex(),
            "pt": commit(opening(key, str(block.id)), context, reason.encode()).hex(),
            "key": str(key.id),
        },
    )


async def blocks_of(db: AsyncSession, staff: Staff, case_id: UUID) -> list[GuardBlock]:
    """Blocks of a case that still wait: for who may decide them, and for each text's own author."""
    case = await cases.get(db, staff, case_id)
    statement = select(GuardBlock).where(GuardBlock.case_id == case.id, GuardBlock.decided_at.is_(None))
    if Permission.GUARD_OVERRIDE not in held_by(staff):
        statement = statement.where(GuardBlock.author_id == staff.id)
    return list((await db.execute(statement.order_by(GuardBlock.created_at))).scalars())


async def block_text(db: AsyncSession, block: GuardBlock) -> str:
    """The blocked text, opened, for the person who decides."""
    return await services_of(db).vault.open_text(_block_place(block.id), block.sealed_text)


async def _send(db: AsyncSession, staff: Staff, draft: Draft, verdict: Verdict, block: GuardBlock | None) -> Reply:
    reply = await _register(db, staff, draft, verdict, block)
    key = await services_of(db).vault.key(draft.case.key_id)
    await enqueue(db, POST_REPLY, {"reply": str(reply.id)}, key=key, priority=2)
    return reply


async def _draft(db: AsyncSession, ports: HandoverPorts, signature: str, case: Case, wish: tuple[str, str]) -> Draft:
    text, purpose = wish
    connector = next((one for one in ports.connectors if one.name == case.connector), None)
    if connector is None or connector.publisher is None:
        raise NoPublicAnswer
    post = await cases.latest_public_complaint(db, case)
    if post is None:
        raise WrittenInPrivate
    mention = f"@{post.author.handle.lstrip('@')} "
    body = text if text.startswith(mention.strip()) else mention + text
    try:
        fitted = connector.publisher.fit(f"{body} — {signature}", ports.case_link(case.slug))
    except TextTooLong:
        raise ReplyTooLong from None
    return Draft(case, post, connector, fitted, purpose)


async def verdict_on(db: AsyncSession, ports: HandoverPorts, case: Case, text: str) -> Verdict:
    """What the guard says now about a text for a case that the caller may read.

    Patterns always; what the author shows in public is allowed; what only the bank's files know is not.
    """
    author = await cases.author_of(db, case)
    thread = await cases.thread_of(db, case)
    shown = {author.handle, author.display_name, *author.display_name.split()}
    shown.update(post.text for post in thread if post.author == author and post.kind != cases.PRIVATE)
    context = PublicContext(
        allowed=frozenset({*shown, ports.public_phone, ports.bank}),
        facts=tuple(await ports.facts_of_case(db, case.id)),
        allowed_hosts=frozenset({urlsplit(ports.public_url).hostname or ""}),
    )
    return check_public(text, context=context)


async def _store_block(db: AsyncSession, staff: Staff, case: Case, wish: tuple[str, str], verdict: Verdict) -> NoReturn:
    """Keep the text for a second person, sealed, and refuse it to its author."""
    text, purpose = wish
    services = services_of(db)
    now, key = services.clock(), await services.vault.key(case.key_id)
    block_id = new_id(now)
    text_hash = await services.vault.lookup_hash("guarded-text", f"{case.id}:{text}")
    db.add(
        GuardBlock(
            id=block_id,
            case_id=case.id,
            author_id=staff.id,
            purpose=purpose,
            text_hash=text_hash,
            sealed_text=seal(key, _block_place(block_id), text.encode()),
            sealed_reason=None,
            decided_by=None,
            created_at=now,
            decided_at=None,
        )
    )
    record(
        db,
        "reply.checked",
        stream=f"case:{case.id}",
        actor=staff,
        data={
            "verdict": verdict.verdict,
            "kinds": sorted({finding.kind for finding in verdict.findings}),
            "text": text_hash.hex(),
        },
    )
    raise GuardBlocked(block_id, [finding.as_json() for finding in verdict.findings])


def _block_place(block_id: UUID) -> Place:
    return Place("guard_blocks", "sealed_text", str(block_id))


async def _register(db: AsyncSession, staff: Staff, draft: Draft, verdict: Verdict, block: GuardBlock | None) -> Reply:
    services = services_of(db)
    case, now = draft.case, services.clock()
    key = await services.vault.key(case.key_id)
    reply_id, stream = new_id(now), f"case:{case.id}"
    sealed = seal(key, Place("replies", "sealed_text", str(reply_id)), draft.text.encode())
    context = canonical_json({"stream": stream, "id": str(reply_id)})
    leaf_id = record(
        db,
        "reply.registered",
        stream=stream,
        actor=staff,
        data={
            "id": str(reply_id),
            "pt": commit(opening(key, str(reply_id)), context, draft.text.encode()).hex(),
            "ct": ciphertext_hash(sealed).hex(),
            "key": str(key.id),
            "purpose": draft.purpose,
            "verdict": verdict.verdict,
        },
    )
    reply = Reply(
        id=reply_id,
        case_id=case.id,
        post_id=draft.post.id,
        agent_id=block.author_id if block else staff.id,
        overridden_by=staff.id if block else None,
        purpose=draft.purpose,
        state="registered",
        slug=case.slug,
        text_hash=await services.vault.lookup_hash("reply-text", comparable(draft.text)),
        url_hash=None,
        sealed_text=sealed,
        sealed_url=None,
        created_at=now,
        posted_at=None,
        leaf_id=leaf_id,
    )
    db.add(reply)
    return reply
