"""The life of a registered program: added, given new keys, ended. Each act has its leaf; an end is immediate."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import Actor, Role, Staff
from app.agents import queries as accounts
from app.agents.models import MachineClient, StaffAccount
from app.audit.service import Value, record
from app.clients.errors import ClientTaken, ClientUnfit
from app.database import services_of
from app.errors import NotFound
from app.ids import new_id
from app.permissions import ROLE_PERMISSIONS, Permission, require
from app.sessions import service as sessions
from security.client_assertions import MOST_KEYS, thumbprint_of

NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")
LONGEST_FOREIGN_NAME: Final = 255
OVERLAP: Final = timedelta(hours=24)
MAY_HOLD: Final = ROLE_PERMISSIONS[Role.MACHINE]


@dataclass(frozen=True)
class NewClient:
    """What an operator gives for a new program.

    `issuer` is empty for one that gets its tokens here; one of the bank's own authorization server brings no keys.
    """

    client_id: str
    display_name: str
    signature: str
    scopes: Collection[str]
    public_keys: Sequence[Mapping[str, Any]]
    issuer: str = ""
    requires_dpop: bool = False


@dataclass(frozen=True)
class Entry:
    """A key as it is stored, good until then, or until it is replaced."""

    jwk: dict[str, Any]
    until: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether a program may prove itself with it at `now`."""
        return self.until is None or self.until > now


async def add(db: AsyncSession, actor: Actor, new: NewClient) -> MachineClient:
    """Register a program, with an account that no password opens. Raises `ClientTaken`, `ClientUnfit`."""
    _require_manager(actor)
    _check(new)
    login = ":".join(filter(None, ("client", new.issuer, new.client_id)))
    if (await db.execute(select(StaffAccount.id).where(StaffAccount.login == login))).first() is not None:
        raise ClientTaken
    now = services_of(db).clock()
    client_id, scopes = new_id(now), sorted(new.scopes)
    data: dict[str, Value] = {"scopes": scopes, "keys": _thumbprints(new.public_keys), "dpop": new.requires_dpop}
    leaf_id = record(db, "client.added", stream=f"staff:{client_id}", actor=actor, data=data)
    account = StaffAccount(
        id=client_id,
        login=login,
        display_name=new.display_name,
        signature=new.signature,
        role=Role.MACHINE.value,
        password_hash="",
        sealed_totp=b"",
        last_step=None,
        active=True,
        created_at=now,
        leaf_id=leaf_id,
    )
    client = MachineClient(
        id=client_id,
        issuer=new.issuer,
        client_id=new.client_id,
        scopes=" ".join(scopes),
        public_keys=_stored([Entry(dict(key), None) for key in new.public_keys]),
        requires_dpop=new.requires_dpop,
        created_at=now,
        leaf_id=leaf_id,
    )
    db.add(account)
    await db.flush()
    db.add(client)
    return client


async def rotate(
    db: AsyncSession, actor: Actor, client_id: str, keys: Sequence[Mapping[str, Any]], overlap: timedelta = OVERLAP
) -> None:
    """New keys from now on; the old ones are good for `overlap` still. Without overlap every token of it ends, at once.

    Raises `NotFound`, `ClientUnfit`.
    """
    _require_manager(actor)
    client, account = await _locked(db, client_id)
    now = services_of(db).clock()
    fresh, ends = set(_thumbprints(keys)), now + overlap
    old = [one for one in _entries(client) if one.is_live(now)]
    kept = [Entry(one.jwk, min(one.until or ends, ends)) for one in old if thumbprint_of(one.jwk) not in fresh]
    entries = [Entry(dict(key), None) for key in keys] + (kept if overlap else [])
    if not account.active or not keys or len(entries) > MOST_KEYS:
        raise ClientUnfit
    client.public_keys = _stored(entries)
    data = {"old": _thumbprints([one.jwk for one in old]), "new": sorted(fresh)}
    client.leaf_id = record(db, "client.keys_changed", stream=f"staff:{client.id}", actor=actor, data=data)
    if not overlap:
        await sessions.end_all_of_staff(db, client.id, now)


async def disable(db: AsyncSession, actor: Actor, client_id: str, reason: str, *, issuer: str = "") -> None:
    """End a program with every token and stream of it, at once; it never comes back. Raises `NotFound`."""
    _require_manager(actor)
    client, account = await _locked(db, client_id, issuer)
    account.active = False
    account.leaf_id = record(db, "client.disabled", stream=f"staff:{client.id}", actor=actor, data={"reason": reason})
    await sessions.end_all_of_staff(db, client.id, services_of(db).clock())


async def listed(db: AsyncSession) -> list[tuple[MachineClient, StaffAccount]]:
    """All programs by name, ended ones too."""
    found = await db.execute(
        select(MachineClient, StaffAccount)
        .join(StaffAccount, StaffAccount.id == MachineClient.id)
        .order_by(MachineClient.issuer, MachineClient.client_id)
    )
    return [(row[0], row[1]) for row in found]


def live_keys(client: MachineClient, now: datetime) -> list[dict[str, Any]]:
    """The keys that the program may prove itself with at `now`."""
    return [one.jwk for one in _entries(client) if one.is_live(now)]


def _entries(client: MachineClient) -> list[Entry]:
    listed = json.loads(client.public_keys)
    return [Entry(one["jwk"], datetime.fromisoformat(one["until"]) if one["until"] else None) for one in listed]


def _stored(entries: Sequence[Entry]) -> str:
    return json.dumps([{"jwk": one.jwk, "until": one.until.isoformat() if one.until else None} for one in entries])


def _require_manager(actor: Actor) -> None:
    if isinstance(actor, Staff):
        require(actor, Permission.AGENTS_MANAGE)


def _check(new: NewClient) -> None:
    if new.issuer:
        named = 0 < len(new.client_id) <= LONGEST_FOREIGN_NAME and new.client_id.isprintable() and not new.public_keys
    else:
        named = NAME.fullmatch(new.client_id) is not None and 0 < len(new.public_keys) <= MOST_KEYS
    if not named or not new.scopes or not set(new.scopes) <= MAY_HOLD:
        raise ClientUnfit


async def _locked(db: AsyncSession, client_id: str, issuer: str = "") -> tuple[MachineClient, StaffAccount]:
    """The account's row is the lock that issuing a token takes too: no token slips in behind an end."""
    found = await accounts.machine_client(db, issuer, client_id)
    if found is None:
        raise NotFound
    account: UUID = found[1].id
    await db.get(StaffAccount, account, with_for_update=True, populate_existing=True)
    await db.refresh(found[0])
    return found


def _thumbprints(keys: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(thumbprint_of(dict(key)) for key in keys)
