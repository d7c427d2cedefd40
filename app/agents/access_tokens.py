"""Access tokens of the bank's own authorization server at our door: read once, then a session like any other.

From its first use on a token is found by its hash, with its account, in the one look-up that every request makes; so an
account that is ended takes its tokens and streams with it, and a token lives no longer than it says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Role, Staff
from app.agents import queries
from app.agents.models import AccessToken, MachineClient, StaffAccount
from app.agents.ports import LocalSignIn, TokenPorts, TrustedIssuer
from app.agents.service import actor_of
from app.audit.service import record
from app.database import services_of, transaction, upsert
from app.limits import rates
from app.permissions import Permission
from app.services import Services
from app.sessions import rules
from app.sessions import service as sessions
from security import access_tokens
from security.encoding import join
from security.errors import TokenRefused, UnknownSigner
from security.jwts import parse
from security.tokens import token_hash

MEANS: Final = "access_token"
KNOWN: Final = frozenset(one.value for one in Permission)


def token_key(issuer: str, jti: str) -> bytes:
    """The one name of a token; a second spelling of it (another signature) has the same, and is refused."""
    return sha256(join(issuer.encode(), jti.encode())).digest()


async def admit(
    services: Services,
    ports: TokenPorts,
    local: LocalSignIn,
    token: str,
    possessed: Callable[[str | None], Awaitable[None]],
) -> Any:
    """Begin a session for a token seen for the first time; gives what `queries.signed_in` finds then.

    None where the token is not one to believe, whatever the reason. Raises `OutboundError` where its issuer's keys
    cannot be had, and what `possessed` raises, which looks at the proof for the token's key: whoever only found a
    token has not signed in, nor does the log say so. An account that is sealed (`local`) stays so, whoever names it.
    """
    try:
        trusted = ports.issuers.get(str(parse(token).claims.get("iss")))
        if trusted is None:
            return None
        read = await _read(services, trusted, token)
    except TokenRefused:
        return None
    await possessed(read.jkt)
    with suppress(_Known):
        async with transaction(services) as db:
            holder = await _holder(db, trusted, local, read)
            if holder is not None:
                await _begin(db, holder, read, token)
    return await queries.signed_in(services, token_hash(token))


async def _read(services: Services, trusted: TrustedIssuer, token: str) -> access_tokens.AccessToken:
    """Our keys of the issuer first; a key that we do not know yet may be new there."""
    now = services.clock()
    try:
        return access_tokens.read_access_token(token, await trusted.keys.verification_keys(), trusted.rule, now)
    except UnknownSigner:
        keys = await trusted.keys.verification_keys(fresh=True)
        return access_tokens.read_access_token(token, keys, trusted.rule, now)


@dataclass(frozen=True)
class _Holder:
    account: StaffAccount
    scopes: frozenset[str]


async def _holder(
    db: AsyncSession, trusted: TrustedIssuer, local: LocalSignIn, read: access_tokens.AccessToken
) -> _Holder | None:
    """Whose token it is: a registered program's, or a member of staff's by the claim that the settings name."""
    # what we have no name for falls away, above all our own word for every scope
    said = trusted.scopes(read.scopes) & KNOWN
    if read.is_of_a_program:
        found = await queries.machine_client(db, read.issuer, read.client_id)
        if found is None or (found[0].requires_dpop and read.jkt is None):
            return None
        client: MachineClient = found[0]
        account = await _locked(db, StaffAccount.id == client.id)
        said &= frozenset(client.scopes.split())
    else:
        login = read.claims.get(trusted.subject_claim)
        if not isinstance(login, str) or not login.strip():
            return None
        is_theirs = StaffAccount.login == login.strip().casefold()
        account = await _locked(db, is_theirs, StaffAccount.role != Role.MACHINE.value)
        if account is not None and account.password_hash and local.sealed:
            # Break-glass: a name that can be had at the provider must not open it unseen, nor count as signed in anew.
            return None
    if account is not None and not account.active:
        await _note_leaver(db, account)
        return None
    return _Holder(account, said) if account is not None else None


async def _note_leaver(db: AsyncSession, account: StaffAccount) -> None:
    """A good token of somebody who has left: the issuer should know by now. One leaf a minute is enough."""
    services = services_of(db)
    key = await services.vault.lookup_hash("leavers-token", str(account.id))
    if await rates.take(db, key, 1, timedelta(minutes=1), services.clock()):
        nobody = Staff(account.id, account.id, Role(account.role), "", "")
        record(db, "staff.refused", stream=f"staff:{account.id}", actor=nobody, data={"reason": "left"})


async def _locked(db: AsyncSession, *conditions: Any) -> StaffAccount | None:
    """The account under its lock: who ends it just now ends this token's session too."""
    return (await db.execute(select(StaffAccount).where(*conditions).with_for_update())).scalar_one_or_none()


async def _begin(db: AsyncSession, holder: _Holder, read: access_tokens.AccessToken, token: str) -> None:
    """One session for each token; raises `_Known` for whoever comes second with its name, whatever the signature."""
    now = services_of(db).clock()
    scopes, lifetime = " ".join(sorted(holder.scopes)), read.expires_at - now
    started = await sessions.start_staff(
        db, holder.account.id, now, kind=rules.API, scopes=scopes, lifetime=lifetime, token=token
    )
    named = upsert(db, AccessToken).values(
        session_id=started.session.id,
        token_key=token_key(read.issuer, read.jti),
        issuer=read.issuer,
        client_id=read.client_id,
        jkt=read.jkt,
    )
    insertion = named.on_conflict_do_nothing(index_elements=["token_key"]).returning(AccessToken.session_id)
    # The name first: of many first uses at once the others wait here, and not for a second session's hash.
    with db.no_autoflush:
        if (await db.execute(insertion)).scalar_one_or_none() is None:
            raise _Known
    record(
        db,
        "staff.signed_in",
        stream=f"staff:{holder.account.id}",
        actor=actor_of(holder.account, started.session),
        data={"means": MEANS, "session": str(started.session.id)},
    )


class _Known(Exception):
    """The token, or one of its name, has its session already."""
