"""Provisioning at one server ends the stream that a leaver has open at another one, within a second."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import psycopg

from app import key_files
from tests.processes.town import Town, started
from tests.support.ledger import Place

SOON = 1.0


async def test_a_leavers_stream_at_another_server_ends_within_a_second(place: Town) -> None:
    folder = Path(place.ground.folder)
    with (folder / "riserbo.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[scim]\ntoken_file = "keys/scim-token.json"\n\n[scim.roles]\n"Desk" = "agent"\n')
    token = key_files.make_scim_token(folder / "keys" / "scim-token.json")
    here, there = place.servers
    await started(here, there)
    await place.bridges(4)
    # Anna of the ground signs in elsewhere from now on: only such accounts are the provisioning client's.
    [[anna]] = place.rows("SELECT id::text FROM staff_accounts WHERE login = 'anna'")
    room = place.ground.rooms[0]
    hand_over(place, anna)
    reader = place.listen(place.agent(there, room))
    await place.say(place.customer(there, room))
    await reader.until(lambda: bool(reader.texts))
    begun = time.monotonic()
    status = await leave(place.agent(here, room), token, anna)
    ended = await reader.over()
    assert (status, ended.name, ended.data["code"]) == (200, "end", "unauthenticated")
    assert reader.ended_at - begun < SOON


def hand_over(place: Town, account_id: str) -> None:
    """Take the account's password away, as the database's owner may."""
    with psycopg.connect(place.main) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE staff_accounts SET password_hash = '' WHERE id = %s", (account_id,))


async def leave(spot: Place, token: str, account_id: str) -> int:
    """`active: false`, over real HTTP; gives the status."""
    body = json.dumps({"Operations": [{"op": "replace", "path": "active", "value": False}]}).encode()
    head = [f"PATCH /scim/v2/Users/{account_id} HTTP/1.1", f"Host: {spot.host}", f"Authorization: Bearer {token}"]
    head += ["Content-Type: application/scim+json", f"Content-Length: {len(body)}", "Connection: close"]
    reader, writer = await asyncio.open_connection(*spot.line)
    try:
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
