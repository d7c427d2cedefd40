"""One redirect to another site: a single-use row bound to session, attempt and provider, with state, nonce and PKCE.

A redirect that comes back to another browser than the one that left is over, for its owner too: somebody may have been
made to sign in for a stranger, and must not be able to hand on the address that came back (docs/decisions/0018).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import attempts, posted_answers
from app.binding.errors import NotFinishedHere
from app.binding.identity_provider import Posted
from app.binding.models import Attempt, Flow
from app.database import services_of, transaction
from app.ids import new_id
from app.services import Services
from security.envelope import Place, seal
from security.tokens import new_token, token_hash

FOREIGN: Final = "foreign_browser"


@dataclass(frozen=True)
class Leaving:
    """The browser continues at `url`, another site or an app; a page shows it as a plain link that names `host`."""

    url: str = field(repr=False)
    destination: str
    stub: bool = False

    @property
    def host(self) -> str:
        """The host that will open; "" where it is an app of this device."""
        parts = urlsplit(self.url)
        return parts.netloc if parts.scheme in ("https", "http") else ""


@dataclass(frozen=True, repr=False)
class FlowSecrets:
    """What only we, the browser (`state`, challenge) and the provider (`nonce`) know of one redirect."""

    state: str
    verifier: str
    nonce: str

    @property
    def code_challenge(self) -> str:
        """S256 (RFC 7636 section 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, repr=False)
class TakenFlow:
    """A consumed flow; `version` is the attempt's when the browser left."""

    attempt_id: UUID
    version: int
    verifier: str
    nonce: str
    redirect_uri: str
    begun_at: datetime
    memo: Mapping[str, str] = field(default_factory=dict)
    posted: Posted | None = None


def new_secrets() -> FlowSecrets:
    """Fresh ones, for a redirect whose address must be known before its flow can be stored."""
    return FlowSecrets(new_token(), new_token(), new_token())


async def store(
    db: AsyncSession,
    attempt: Attempt,
    secrets: FlowSecrets,
    *,
    kind: str,
    provider: str,
    redirect_uri: str,
    memo: Mapping[str, str] | None = None,
) -> None:
    """Store the flow of an attempt that has just been moved; an older flow of it dies with the older version."""
    services = services_of(db)
    now = services.clock()
    flow_id = new_id(now)
    document = {
        "verifier": secrets.verifier,
        "nonce": secrets.nonce,
        "version": attempt.version,
        "redirect_uri": redirect_uri,
        "memo": dict(memo or {}),
    }
    key = await attempts.sealing_key(db, attempt)
    db.add(
        Flow(
            id=flow_id,
            state_hash=token_hash(secrets.state),
            kind=kind,
            provider=provider,
            session_id=attempt.session_id,
            attempt_id=attempt.id,
            sealed_secrets=seal(key, _place(flow_id), json.dumps(document).encode()),
            created_at=now,
            expires_at=now + services.policy.lifetimes.redirect,
            used_at=None,
        )
    )


async def take(services: Services, *, kind: str, provider: str, session_id: UUID | None, state: str) -> TakenFlow:
    """Consume the flow of a callback and commit, before anybody is called; raises `NotFinishedHere`.

    A callback that belongs to a known attempt and is refused leaves a leaf: foreign browser, other provider, replay.
    One in a foreign browser uses the flow up as well.
    """
    now = services.clock()
    async with transaction(services) as db:
        flow = (await db.execute(select(Flow).where(Flow.state_hash == token_hash(state)))).scalar_one_or_none()
        if flow is None:
            raise NotFinishedHere
        attempt = await db.get_one(Attempt, flow.attempt_id)
        reason = _objection(flow, kind, provider, session_id, now)
        if reason in {None, FOREIGN} and not await _consume(db, flow, now):
            reason = reason or "replayed"
        if reason is not None:
            attempts.note_refusal(db, attempt, "callback", reason)
            raise NotFinishedHere
        await attempts.require_live(db, attempt, now)
        document = await secrets_of(services, flow)
        return TakenFlow(
            attempt_id=attempt.id,
            version=document["version"],
            verifier=document["verifier"],
            nonce=document["nonce"],
            redirect_uri=document["redirect_uri"],
            begun_at=flow.created_at,
            memo=document["memo"],
            posted=await posted_answers.take(db, flow),
        )


async def waiting(db: AsyncSession, *, kind: str, provider: str, state: str, now: datetime) -> Flow | None:
    """The flow of a browser that is away: it may be looked at and answered by its state alone, and never taken so."""
    flow = (await db.execute(select(Flow).where(Flow.state_hash == token_hash(state)))).scalar_one_or_none()
    if flow is None or (flow.kind, flow.provider) != (kind, provider):
        return None
    return flow if flow.used_at is None and flow.expires_at > now else None


async def secrets_of(services: Services, flow: Flow) -> dict[str, Any]:
    """What was sealed when the browser left."""
    opened: dict[str, Any] = json.loads(await services.vault.open(_place(flow.id), flow.sealed_secrets))
    return opened


async def attempt_of(db: AsyncSession, taken: TakenFlow, now: datetime) -> Attempt:
    """The attempt after the network call, if it still stands where the browser left it.

    Raises `NotFinishedHere` when it has moved on or ended meanwhile: this answer belongs to a question of before.
    """
    attempt = await db.get_one(Attempt, taken.attempt_id)
    if attempt.version != taken.version:
        attempts.note_refusal(db, attempt, "callback", "moved_on")
        raise NotFinishedHere
    await attempts.require_live(db, attempt, now)
    return attempt


def _objection(flow: Flow, kind: str, provider: str, session_id: UUID | None, now: datetime) -> str | None:
    if flow.session_id != session_id:
        return FOREIGN
    if (flow.kind, flow.provider) != (kind, provider):
        return "other_provider"
    if flow.used_at is not None:
        return "replayed"
    return "too_late" if flow.expires_at <= now else None


async def _consume(db: AsyncSession, flow: Flow, now: datetime) -> bool:
    taken = await db.execute(
        update(Flow)
        .where(Flow.id == flow.id, Flow.used_at.is_(None))
        .values(used_at=now)
        .returning(Flow.id)
        .execution_options(synchronize_session=False)
    )
    return taken.scalar_one_or_none() is not None


def _place(flow_id: UUID) -> Place:
    return Place("flows", "sealed_secrets", str(flow_id))
