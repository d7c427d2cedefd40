"""Where the people of a prepared installation may write, once it is served."""

from __future__ import annotations

from app.bench.ground import Ground
from app.bench.rooms import Room
from app.bench.serving import Served
from tests.support.ledger import Place


def agents_place(ground: Ground, served: Served, room: Room) -> Place:
    """A room at the staff door, as Anna."""
    door, token = (served.staff.host, served.staff.port), ground.staff["anna"].token
    return Place("staff", room.conversation_id, door, ground.staff_host, token)


def customers_place(ground: Ground, served: Served, room: Room) -> Place:
    """The customer's own room at the public door."""
    door = served.public.host, served.public.port
    return Place("customer", room.conversation_id, door, ground.public_host, room.cookie_value, room.cookie_name)


def places_of(ground: Ground, served: Served, agents: int) -> dict[str, list[Place]]:
    """Who writes where: each customer in the own room, so many programs of one agent in all rooms."""
    everywhere = [agents_place(ground, served, room) for room in ground.rooms]
    places = {f"agent{number}": everywhere for number in range(agents)}
    return places | {
        f"customer{number}": [customers_place(ground, served, room)] for number, room in enumerate(ground.rooms)
    }
