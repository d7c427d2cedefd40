"""Undoing a link in one process ends what another one serves: the stream within a second, and every request after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import pytest

from app.bench.ground import installation
from app.bench.rooms import Room
from app.binding import notices
from app.binding.models import Binding
from app.database import reading, transaction
from app.main import Installation
from tests.processes.town import BRIDGES, Listener, Town, started
from tests.support.warm_serving import WarmServed

AT_ONCE = 1.0
LOADED = 1.0
"""What a busy machine may add; the figure on a quiet one is in the documents."""
SILENT = 1.2
"""Longer than a look that nobody wakes waits."""


async def post(place: Town, server: WarmServed, path: str, form: dict[str, str], room: Room | None = None) -> int:
    """A form as a page sends it; gives the status."""
    body = urlencode(form)
    head = [f"POST {path} HTTP/1.1", f"Host: {place.ground.public_host}", "Sec-Fetch-Site: same-origin"]
    head += [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded", "Connection: close"]
    head += ["X-Forwarded-For: 10.9.9.8"]
    if room is not None:
        head.append(f"Cookie: {room.cookie_name}={room.cookie_value}")
    reader, writer = await asyncio.open_connection(server.public.host, server.public.port)
    try:
        writer.write("\r\n".join([*head, "", body]).encode())
        return int((await asyncio.wait_for(reader.readline(), 20)).split()[1])
    finally:
        writer.close()


def opened(place: Town) -> AbstractAsyncContextManager[Installation]:
    """The installation in this process too."""
    return installation(Path(place.ground.folder), place.ground.environment)


async def noticed(place: Town, room: Room, reference: str, patch: pytest.MonkeyPatch) -> None:
    """A notice of this room's binding, whose owner can say "this was not me" with this reference."""
    patch.setattr(notices, "new_reference", lambda: reference)
    async with opened(place) as house, transaction(house.services) as db:
        binding = await db.get_one(Binding, UUID(room.binding_id))
        await notices.enqueue_notice(db, binding, kind="linked", proved_by="sms")


async def state_of(place: Town, room: Room) -> tuple[str, bool]:
    async with opened(place) as house, reading(house.services) as db:
        binding = await db.get_one(Binding, UUID(room.binding_id))
        return binding.state, binding.frozen_until is not None


async def open_there(place: Town, room: Room) -> Listener:
    """The customer's stream at the second server, past its first looks, so that only a wake-up or the poll ends it."""
    listener = place.listen(place.customer(place.servers[1], room))
    await listener.until(lambda: bool(listener.events))
    await asyncio.sleep(SILENT)
    return listener


async def ends_at_once(listener: Listener, since: float) -> float:
    last = await listener.over()
    assert last.name == "end"
    took = listener.ended_at - since
    assert took < AT_ONCE + LOADED, took
    return took


async def test_this_was_not_me_at_one_process_ends_the_stream_at_the_other(
    place: Town, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    here, there = place.servers
    await started(here, there)
    await place.bridges(4)
    took = []
    for room, last in zip(place.ground.rooms, "NPQ", strict=False):
        reference = f"ABCD-EFGH-JKM{last}"
        with monkeypatch.context() as patch:
            await noticed(place, room, reference, patch)
        listener = await open_there(place, room)
        before = time.monotonic()
        assert await post(place, here, "/not-me", {"reference": reference}) == 200
        took.append(await ends_at_once(listener, before))
        assert await state_of(place, room) == ("revoked", True)
        assert await post(place, there, "/room/messages", {"text": "ancora qui?"}, room) == 401
    record_property("seconds", took)


async def test_a_link_undone_by_its_owner_at_one_process_ends_the_stream_at_the_other(place: Town) -> None:
    here, there = place.servers
    await started(here, there)
    await place.bridges(4)
    room, other = place.ground.rooms[0], place.ground.rooms[1]
    mine, neighbours = await open_there(place, room), await open_there(place, other)
    assert await post(place, here, "/room/binding/revoke", {}, room) == 303
    assert await state_of(place, room) == ("active", False)
    before = time.monotonic()
    assert await post(place, here, "/room/binding/revoke", {"confirm": "yes"}, room) == 200
    await ends_at_once(mine, before)
    assert await state_of(place, room) == ("revoked", False)
    assert await post(place, there, "/room/messages", {"text": "ancora qui?"}, room) == 401
    text = await place.say(place.customer(here, other))
    await neighbours.until(lambda: text in neighbours.texts)


async def test_without_wake_ups_the_stream_ends_by_the_poll(place: Town) -> None:
    here, there = place.servers
    await started(here, there)
    await place.bridges(4)
    room = place.ground.rooms[0]
    listener = await open_there(place, room)
    await asyncio.to_thread(place.rows, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {BRIDGES}")
    before = time.monotonic()
    assert await post(place, here, "/room/binding/revoke", {"confirm": "yes"}, room) == 200
    await ends_at_once(listener, before)
