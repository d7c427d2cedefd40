"""What networks say about bound accounts: renamed, gone, suspended. Asked now and then, or told by a connector.

A network is asked outside any transaction. An account is claimed for a while before it is asked about, so that several
workers do not ask twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.binding import attempts, known_customers, rules
from app.binding.models import AccountLook, Attempt, Binding, Challenge, Freshness
from app.binding.ports import BindingPorts
from app.binding.reproof import ask_for_reproof
from app.binding.rules import BindingState, Reproof, State
from app.cases.arriving import handle_hash
from app.cases.models import Case
from app.channels.ports import AccountNow, AccountState, ChannelError, Subject, connector_for
from app.database import reading, transaction, upsert
from app.services import Services

_log = structlog.get_logger("riserbo.accounts")

MOST_AT_ONCE: Final = 20
_NOBODYS: Final = {AccountState.GONE: Reproof.GONE, AccountState.SUSPENDED: Reproof.SUSPENDED}


@dataclass(frozen=True)
class _Bound:
    """An account that is bound, as it was called when it was proved."""

    handle_hash: bytes = field(repr=False)
    subject: Subject = field(repr=False)


async def watch_accounts(services: Services, ports: BindingPorts) -> int:
    """Ask about the accounts that are due, a group of them; returns how many changes were noted."""
    changed = 0
    for bound in await _claim(services, ports):
        connector = connector_for(ports.connectors, bound.subject.network, bound.subject.scope)
        if connector is None or connector.accounts is None:
            continue
        try:
            now = await connector.accounts.look(bound.subject)
        except ChannelError as fault:
            _log.info("account_not_seen", network=bound.subject.network, error=type(fault).__name__)
            continue
        changed += await account_seen(services, bound.subject, now)
    return changed


async def account_seen(services: Services, subject: Subject, now: AccountNow) -> int:
    """Note how an account stands at its network; returns how many of its bindings must be proved anew because of it.

    A connector that is told by its platform (a revocation event) calls this itself.
    """
    hashed = await handle_hash(services, subject)
    if now.state in _NOBODYS:
        await _end_attempts(services, hashed, _NOBODYS[now.state])
    async with reading(services) as db:
        rows = await db.execute(
            select(Binding).where(Binding.handle_hash == hashed, Binding.state == BindingState.ACTIVE)
        )
        bindings = list(rows.scalars())
    noted = 0
    for binding in bindings:
        known = await known_customers.subject_of_binding(services, binding)
        reason = _reason(known, now)
        if reason is not None:
            async with transaction(services) as db:
                noted += await ask_for_reproof(db, binding.id, reason)
    return noted


def _reason(known: Subject, now: AccountNow) -> Reproof | None:
    if now.state in _NOBODYS:
        return _NOBODYS[now.state]
    renamed = bool(now.handle) and rules.plain_account(now.handle) != rules.plain_account(known.handle)
    return Reproof.RENAMED if renamed else None


async def _end_attempts(services: Services, hashed: bytes, reason: Reproof) -> None:
    """Whoever proved the account before it went must not confirm it afterwards, as if it had come back.

    Codes first: who is just typing one is waited for here, and then found among those who have proved it. Attempts are
    locked before bindings, as everywhere, hence in a transaction of their own before theirs.
    """
    now = services.clock()
    async with transaction(services) as db:
        # A code that is on its way can be right no longer; nobody is told, since others may wait at the same link.
        waiting = (
            select(Attempt.id)
            .join(Case, Case.id == Attempt.case_id)
            .where(Case.author_hash == hashed, Attempt.state == State.HANDLE_PENDING)
        )
        await db.execute(
            update(Challenge)
            .where(Challenge.attempt_id.in_(waiting), Challenge.used_at.is_(None))
            .values(sent_at=None)
            .execution_options(synchronize_session=False)
        )
        proved = await db.execute(
            select(Attempt)
            .where(Attempt.handle_hash == hashed, Attempt.state.in_(rules.OPEN_STATES), Attempt.expires_at > now)
            .order_by(Attempt.id)
            .with_for_update()
        )
        for attempt in proved.scalars():
            data = {"reason": reason.value}
            await attempts.move(db, attempt, State.CANCELLED, "attempt.cancelled", data, actor=SYSTEM)


async def _claim(services: Services, ports: BindingPorts) -> list[_Bound]:
    """Accounts of networks that can be asked, not asked about for a while; they count as asked from now on."""
    watched = [one for one in ports.connectors if one.accounts is not None]
    if not watched:
        return []
    now = services.clock()
    async with transaction(services) as db:
        found = await _due(db, {(one.network, one.scope) for one in watched}, now)
        for binding in found:
            await db.execute(
                upsert(db, AccountLook)
                .values(handle_hash=binding.handle_hash, looked_at=now)
                .on_conflict_do_update(index_elements=["handle_hash"], set_={"looked_at": now})
            )
    return [_Bound(one.handle_hash, await known_customers.subject_of_binding(services, one)) for one in found]


async def _due(db: AsyncSession, networks: set[tuple[str, str]], now: datetime) -> list[Binding]:
    """One binding of each account that is due; those that must be proved anew already are not asked about."""
    rows = await db.execute(
        select(Binding)
        .outerjoin(AccountLook, AccountLook.handle_hash == Binding.handle_hash)
        .outerjoin(Freshness, Freshness.binding_id == Binding.id)
        .where(
            Binding.state == BindingState.ACTIVE,
            or_(*((Binding.network == network) & (Binding.scope == scope) for network, scope in sorted(networks))),
            or_(AccountLook.looked_at.is_(None), AccountLook.looked_at <= now - rules.ACCOUNT_LOOK_EVERY),
            Freshness.needs.is_(None),
        )
        .order_by(Binding.id)
        .limit(MOST_AT_ONCE)
        .with_for_update(of=Binding, skip_locked=True)
    )
    return list({binding.handle_hash: binding for binding in rows.scalars()}.values())
