"""One redirect to the provider: a single-use row of one browser, with state, nonce, PKCE and a key for the tokens."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import record
from app.database import transaction
from app.ids import new_id
from app.services import Services
from app.sign_on.errors import NotSignedIn
from app.sign_on.models import SignOnFlow
from app.sign_on.rules import LONGEST_FLOW
from security.encoding import b64url
from security.envelope import Place, seal
from security.jwts import SigningKey
from security.tokens import new_token, token_hash

MOST_FORGOTTEN: Final = 1000


@dataclass(frozen=True)
class Flow:
    """What only we, the browser and the provider know of one redirect."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    key: SigningKey = field(repr=False)
    session_id: UUID | None
    begun_at: datetime

    @property
    def code_challenge(self) -> str:
        """S256 (RFC 7636 section 4.2)."""
        return b64url(sha256(self.verifier.encode()).digest())


async def store(services: Services, browser: str, session_id: UUID | None) -> Flow:
    """A new flow of this browser, committed."""
    now = services.clock()
    flow = Flow(new_token(), new_token(), new_token(), SigningKey.new(), session_id, now)
    flow_id = new_id(now)
    kept = {"nonce": flow.nonce, "verifier": flow.verifier, "key": flow.key.private_jwk()}
    key = await services.vault.service_key("staff-sign-on")
    async with transaction(services) as db:
        db.add(
            SignOnFlow(
                id=flow_id,
                state_hash=token_hash(flow.state),
                browser_hash=token_hash(browser),
                session_id=session_id,
                sealed_secrets=seal(key, _place(flow_id), json.dumps(kept).encode()),
                created_at=now,
                expires_at=now + LONGEST_FLOW,
                used_at=None,
            )
        )
    return flow


async def take(services: Services, browser: str, state: str) -> Flow:
    """Consume the flow and commit, before anybody is called. Raises `NotSignedIn`.

    In a foreign browser it is over for its owner too, with a leaf: whoever was made to sign in for a stranger must not
    be able to hand on the address that came back (docs/decisions/0018).
    """
    now = services.clock()
    async with transaction(services) as db:
        query = select(SignOnFlow).where(SignOnFlow.state_hash == token_hash(state))
        row = (await db.execute(query)).scalar_one_or_none()
        if row is None or row.expires_at <= now:
            raise NotSignedIn
        taken = await db.execute(
            update(SignOnFlow)
            .where(SignOnFlow.id == row.id, SignOnFlow.used_at.is_(None))
            .values(used_at=now)
            .returning(SignOnFlow.id)
            .execution_options(synchronize_session=False)
        )
        if taken.scalar_one_or_none() is None:
            raise NotSignedIn
        if not hmac.compare_digest(row.browser_hash, token_hash(browser)):
            data = {"reason": "sign_on_foreign_browser"}
            record(db, "staff.refused", stream="sign-on", actor=SYSTEM, data=data)
            raise NotSignedIn
    kept = json.loads(await services.vault.open(_place(row.id), row.sealed_secrets))
    key = SigningKey.of_jwk(kept["key"])
    return Flow(state, kept["nonce"], kept["verifier"], key, row.session_id, row.created_at)


async def forget_old(db: AsyncSession, now: datetime) -> None:
    """Remove redirects that can end nowhere any more."""
    old = select(SignOnFlow.id).where(SignOnFlow.expires_at < now).limit(MOST_FORGOTTEN)
    await db.execute(delete(SignOnFlow).where(SignOnFlow.id.in_(old.with_for_update(skip_locked=True))))


def _place(flow_id: UUID) -> Place:
    return Place("sign_on_flows", "sealed_secrets", str(flow_id))
