"""The ground of bench and of the suites under force: a whole installation, served by child processes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.audit.models import Leaf, SequencedLeaf
from app.bench.ground import Ground, installation, prepare
from app.bench.serving import NotServing, Served, free_ports
from app.conversations.models import Conversation
from app.database import reading
from tests.support.postgres import PostgresServer

ROOMS = 3


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """One for each test: what one writes into its rooms would else be there in another."""
    folder, urls = tmp_path / "bank", {}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        main, keys = server.new_database(), server.new_database()
        urls = {"database_url": server.url(main), "key_database_url": server.url(keys)}
    yield asyncio.run(prepare(folder, ROOMS, **urls))
    if request.param == "postgresql":
        server.drop_database(main)
        server.drop_database(keys)


def post(served: Served, ground: Ground, text: str, key: str) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection(served.staff.host, served.staff.port, timeout=10)
    headers = {
        "Host": ground.staff_host,
        "Authorization": f"Bearer {ground.staff['anna'].token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    path = f"/api/v1/conversations/{ground.rooms[0].conversation_id}/messages"
    connection.request("POST", path, json.dumps({"text": text}), headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def room_page(served: Served, ground: Ground) -> tuple[int, str]:
    connection = HTTPConnection(served.public.host, served.public.port, timeout=10)
    room = ground.rooms[0]
    cookie = f"{room.cookie_name}={room.cookie_value}"
    connection.request("GET", "/room", headers={"Host": ground.public_host, "Cookie": cookie})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


async def test_it_has_its_rooms_and_every_leaf_has_its_place(ground: Ground) -> None:
    again = Ground.from_json(json.loads(json.dumps(ground.to_json())))
    assert again == ground
    assert len({room.conversation_id for room in ground.rooms}) == ROOMS
    async with installation(Path(ground.folder), ground.environment) as house, reading(house.services) as db:
        rooms = (await db.execute(select(Conversation))).scalars().all()
        assert {(str(room.id), room.state, room.level, room.last_n) for room in rooms} == {
            (room.conversation_id, "open", 3, 1) for room in ground.rooms
        }
        leaves = (await db.execute(select(func.count()).select_from(Leaf))).scalar_one()
        placed = (await db.execute(select(func.count()).select_from(SequencedLeaf))).scalar_one()
    assert leaves == placed > ROOMS * 6


def test_both_sides_meet_in_a_served_room_also_after_a_kill(ground: Ground, tmp_path: Path) -> None:
    with Served(ground.folder, environment=ground.environment, log=tmp_path / "log") as served:
        status, first = post(served, ground, "Buongiorno, abbiamo trovato l'errore.", "k1")
        assert status == 201
        assert served.kill() == -signal.SIGKILL
        served.start().ready()
        assert post(served, ground, "Buongiorno, abbiamo trovato l'errore.", "k1") == (201, first)
        status, page = room_page(served, ground)
        assert status == 200
        assert "abbiamo trovato" in page
        assert served.stop() == 0
    assert served.returncode == 0


def test_a_process_that_cannot_serve_says_why(tmp_path: Path) -> None:
    served = Served(tmp_path, log=tmp_path / "log")
    served.start()
    with pytest.raises(NotServing, match="riserbo init"):
        served.ready()


def test_free_ports_are_different_ones() -> None:
    assert len(set(free_ports(20))) == 20
