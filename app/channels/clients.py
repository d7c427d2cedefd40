"""The bank's OAuth clients at servers that visitors name: one a server, sealed, of bounded age and number.

Whoever names servers of his own can make rows, so their number is bounded: the oldest that never led to a proved
account goes first. Losing a row costs one registration anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select, update

from app.channels.models import OAuthClient
from app.database import reading, transaction, upsert
from app.limits import rates
from app.services import Services
from security.envelope import Place

HOLDS: Final = timedelta(days=30)
MOST_CLIENTS: Final = 2_000
# A server with a kept client needs one a month. Where each sign-in needs its own, a lower bound would let a few
# strangers keep everybody of that server out; an old Mastodon, which refuses a sixth from one address, says so itself.
REGISTRATIONS_AT_ONE_SERVER: Final = (30, timedelta(minutes=10))
REGISTRATIONS: Final = (300, timedelta(hours=1))
DEPARTURES_OF_A_NETWORK: Final = (60, timedelta(minutes=10))
SERVICE_KEY: Final = "sign-in-clients"


async def may_depart(services: Services, network: str) -> bool:
    """Whether a visitor's network may make us call one more server that it names."""
    return await _take(services, [("sign-in-network", network, DEPARTURES_OF_A_NETWORK)])


async def may_register(services: Services, connector: str, site: str) -> bool:
    """Whether one more registration at this server, and at all servers together, is decent."""
    limits = [("sign-in-server", f"{connector} {site}", REGISTRATIONS_AT_ONE_SERVER)]
    return await _take(services, [*limits, ("sign-in-registrations", connector, REGISTRATIONS)])


async def _take(services: Services, limits: list[tuple[str, str, tuple[int, timedelta]]]) -> bool:
    now = services.clock()
    keys = [(await services.vault.lookup_hash(purpose, value), limit) for purpose, value, limit in limits]
    async with transaction(services) as db:
        for key, (limit, per) in keys:
            if not await rates.take(db, key, limit, per, now):
                return False
    return True


async def find(services: Services, connector: str, site: str) -> Mapping[str, str] | None:
    """The client at this server, if it is not too old."""
    site_hash = await services.vault.lookup_hash("sign-in-server", f"{connector} {site}")
    async with reading(services) as db:
        row = await db.get(OAuthClient, site_hash)
    if row is None or row.registered_at + HOLDS <= services.clock():
        return None
    memo: dict[str, str] = json.loads(await services.vault.open(_place(site_hash), row.sealed_client))
    return memo


async def keep(services: Services, connector: str, site: str, memo: Mapping[str, str]) -> None:
    """Store a client in place of an older one, and make room if there are too many."""
    site_hash = await services.vault.lookup_hash("sign-in-server", f"{connector} {site}")
    content = json.dumps(dict(memo)).encode()
    sealed = await services.vault.seal_for_service(SERVICE_KEY, _place(site_hash), content)
    values = {"sealed_client": sealed, "registered_at": services.clock(), "proved_at": None}
    async with transaction(services) as db:
        await db.execute(
            upsert(db, OAuthClient)
            .values(site_hash=site_hash, **values)
            .on_conflict_do_update(index_elements=["site_hash"], set_=values)
        )
        count = (await db.execute(select(func.count()).select_from(OAuthClient))).scalar_one()
        if count > MOST_CLIENTS:
            goes = (
                select(OAuthClient.site_hash)
                .where(OAuthClient.site_hash != site_hash)
                .order_by(OAuthClient.proved_at.is_not(None), OAuthClient.registered_at)
                .limit(count - MOST_CLIENTS)
            )
            await db.execute(delete(OAuthClient).where(OAuthClient.site_hash.in_(goes)))


async def note_proved(services: Services, connector: str, site: str) -> None:
    """Somebody signed in there: the row stays longer than those that nobody ever used."""
    site_hash = await services.vault.lookup_hash("sign-in-server", f"{connector} {site}")
    async with transaction(services) as db:
        await db.execute(
            update(OAuthClient).where(OAuthClient.site_hash == site_hash).values(proved_at=services.clock())
        )


async def forget(services: Services, connector: str, site: str) -> None:
    """The server does not know the client any more."""
    site_hash = await services.vault.lookup_hash("sign-in-server", f"{connector} {site}")
    async with transaction(services) as db:
        await db.execute(delete(OAuthClient).where(OAuthClient.site_hash == site_hash))


def _place(site_hash: bytes) -> Place:
    return Place("oauth_clients", "sealed_client", site_hash.hex())
