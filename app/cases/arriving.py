"""Public messages become cases: the author's open case grows, a closed one reopens, a new author gets a new case."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import record
from app.cases import queries
from app.cases.models import Case, Post
from app.cases.rules import CaseClocks, Status
from app.channels import arrivals
from app.channels.ports import ArrivedPost, Connector, Subject
from app.database import reading, services_of
from app.ids import new_id
from app.notifications.service import LATER, enqueue
from app.services import Services
from security.commitments import ciphertext_hash, commit, opening
from security.encoding import canonical_json, join
from security.envelope import Place, seal
from security.keys import DataKey
from security.tokens import new_slug

Keys = dict[bytes, DataKey]
Heard = Callable[[AsyncSession, Connector, ArrivedPost], Awaitable[None]]
"""What else follows from a new message that somebody wrote in private, in the transaction that stores it."""
READ_THREAD: Final = "read_thread"


@dataclass(frozen=True)
class Arrival:
    """What came of one public message."""

    case_id: UUID
    is_new_case: bool


async def handle_hash(services: Services, subject: Subject) -> bytes:
    """The keyed hash by which a social account is found again, whatever its name is today."""
    identity = join(subject.network.encode(), subject.scope.encode(), subject.immutable_id.encode())
    return await services.vault.lookup_hash("handle", identity.hex())


async def take_in(services: Services, connector: Connector, clocks: CaseClocks, heard: Heard | None = None) -> int:
    """Poll a connector once and store what came; returns how many posts the page held."""

    async def store(db: AsyncSession, _connector: Connector, posts: Sequence[ArrivedPost], keys: object) -> None:
        for post in posts:
            arrival = await receive_post(db, connector, post, cast("Keys", keys), clocks)
            if arrival is not None and heard is not None and not post.visibility.is_public:
                await heard(db, connector, post)

    async def prepare(services: Services, posts: Sequence[ArrivedPost]) -> object:
        return await _keys_for_new_cases(services, connector, posts)

    return await arrivals.poll(services, connector, prepare, store)


async def _keys_for_new_cases(services: Services, connector: Connector, posts: Sequence[ArrivedPost]) -> Keys:
    """Data keys by author, committed before the cases that need them; an unused one is swept as an orphan."""
    keys: Keys = {}
    for post in posts:
        author_hash = await handle_hash(services, post.author)
        if post.is_own or author_hash in keys:
            continue
        async with reading(services) as db:
            known = await queries.latest_of_author(db, connector.name, post.author, author_hash)
        if known is None:
            keys[author_hash] = await services.vault.create_key("case")
    return keys


async def receive_post(
    db: AsyncSession, connector: Connector, post: ArrivedPost, keys: Keys, clocks: CaseClocks
) -> Arrival | None:
    """Store one arrival; None when it is the bank's own, known already, or lacks the key a new case needs.

    A message that is not public opens a case like any other, since somebody asks for help; only that the public
    answer is not for it (`queries.latest_public_complaint`), and that it has no thread to read.
    """
    services = services_of(db)
    if post.is_own:
        return None
    external_hash = await _external_hash(services, post, f"arrival:{connector.name}")
    if (await db.execute(select(Post.id).where(Post.external_hash == external_hash))).first() is not None:
        return None
    author_hash = await handle_hash(services, post.author)
    case = await queries.latest_of_author(db, connector.name, post.author, author_hash)
    kind = queries.COMPLAINT if post.visibility.is_public else queries.PRIVATE
    now = services.clock()
    is_new = case is None
    if case is None:
        if author_hash not in keys:
            return None
        case = _open_case(db, connector.name, post, (author_hash, keys[author_hash]), clocks)
    else:
        _continue_case(db, case, clocks, now, f"{'public' if kind == queries.COMPLAINT else kind}_message")
    if is_new and kind == queries.COMPLAINT:
        await enqueue(db, READ_THREAD, {"case": str(case.id)}, priority=LATER, dedupe=f"thread:{case.id}")
    _add_post(db, case, await services.vault.key(case.key_id), post, (external_hash, kind))
    return Arrival(case.id, is_new)


async def receive_thread(db: AsyncSession, case: Case, posts: list[ArrivedPost]) -> int:
    """Add what others and the bank wrote around the complaint before there was a case; returns how many were new."""
    services = services_of(db)
    key = await services.vault.key(case.key_id)
    added = 0
    for post in posts:
        arrival_hash = await _external_hash(services, post, f"arrival:{case.connector}")
        thread_hash = await _external_hash(services, post, f"thread:{case.id}")
        known = await db.execute(
            select(Post.id).where(Post.external_hash.in_([arrival_hash, thread_hash]), Post.case_id == case.id)
        )
        if known.first() is not None:
            continue
        _add_post(db, case, key, post, (thread_hash, "bank" if post.is_own else "thread"))
        added += 1
    return added


def _open_case(
    db: AsyncSession, connector: str, post: ArrivedPost, author_key: tuple[bytes, DataKey], clocks: CaseClocks
) -> Case:
    author_hash, key = author_key
    now = services_of(db).clock()
    case_id, slug = new_id(now), new_slug()
    author = json.dumps(queries.subject_document(post.author)).encode()
    case = Case(
        id=case_id,
        slug=slug,
        connector=connector,
        network=post.author.network,
        scope=post.author.scope,
        author_hash=author_hash,
        sealed_author=seal(key, Place("cases", "sealed_author", str(case_id)), author),
        key_id=key.id,
        status=Status.OPEN,
        assigned_to=None,
        version=1,
        opened_at=now,
        last_public_at=now,
        first_answer_due=now + clocks.first_answer,
        first_answered_at=None,
        resolution_due=now + clocks.resolution,
        closed_at=None,
        outcome=None,
        rating=None,
        sealed_comment=None,
        reopened=0,
        leaf_id=record(
            db,
            "case.opened",
            stream=f"case:{case_id}",
            actor=SYSTEM,
            data={"network": post.author.network, "slug": slug},
        ),
    )
    db.add(case)
    return case


def _continue_case(db: AsyncSession, case: Case, clocks: CaseClocks, now: datetime, reason: str) -> None:
    """A new message: an open case has its clock noted, a closed one reopens with fresh clocks."""
    if case.status != Status.CLOSED:
        return
    case.status = Status.CLAIMED if case.assigned_to else Status.OPEN
    case.closed_at = case.outcome = case.first_answered_at = case.rating = case.sealed_comment = None
    case.first_answer_due, case.resolution_due = now + clocks.first_answer, now + clocks.resolution
    case.reopened += 1
    case.version += 1
    case.leaf_id = record(db, "case.reopened", stream=f"case:{case.id}", actor=SYSTEM, data={"reason": reason})


def _add_post(db: AsyncSession, case: Case, key: DataKey, post: ArrivedPost, identity: tuple[bytes, str]) -> None:
    external_hash, kind = identity
    now = services_of(db).clock()
    post_id, stream = new_id(now), f"case:{case.id}"
    content = {
        "author": queries.subject_document(post.author),
        "text": post.text,
        "url": post.url,
        "external_id": post.external_id,
        "thread_id": post.thread_id,
    }
    sealed = seal(key, Place("posts", "sealed_content", str(post_id)), json.dumps(content).encode())
    context = canonical_json({"stream": stream, "id": str(post_id)})
    leaf_id = record(
        db,
        "post.received",
        stream=stream,
        actor=SYSTEM,
        data={
            "id": str(post_id),
            "pt": commit(opening(key, str(post_id)), context, post.text.encode()).hex(),
            "ct": ciphertext_hash(sealed).hex(),
            "key": str(key.id),
            "external": external_hash.hex(),
            "kind": kind,
        },
    )
    db.add(
        Post(
            id=post_id,
            case_id=case.id,
            external_hash=external_hash,
            kind=kind,
            sealed_content=sealed,
            posted_at=post.created_at,
            received_at=now,
            leaf_id=leaf_id,
        )
    )
    case.leaf_id = leaf_id
    if kind != queries.PRIVATE:
        case.last_public_at = now


async def _external_hash(services: Services, post: ArrivedPost, role: str) -> bytes:
    identity = join(post.author.network.encode(), post.author.scope.encode(), post.external_id.encode(), role.encode())
    return await services.vault.lookup_hash("post", identity.hex())
