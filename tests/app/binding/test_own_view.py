"""The customer's own view: what is linked and who at the bank looked, by role; at L2 this session and nothing before."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.actors import Role, Staff
from app.audit.service import record
from app.binding import own_view as own
from app.binding.authenticator import add_authenticator, offer_authenticator
from app.binding.confirming import Bound
from app.binding.own_view import BankLook, OwnView, looks_in
from app.conversations.models import Conversation
from app.database import reading, transaction
from app.permissions import Level
from security import totp
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, customer_of
from tests.app.binding.outside import START

ANNA = Staff(uuid4(), uuid4(), Role.AGENT, "Anna Bianchi", "AB")
SARA = Staff(uuid4(), uuid4(), Role.SUPERVISOR, "Sara Conti", "SC")


async def looked(bank: Bank, bound: Bound, staff: Staff, event: str, **data: Any) -> None:
    room: Conversation = await bank.one(Conversation, bound.conversation_id)
    stream = f"case:{room.case_id}" if event.startswith(("case", "reply")) else f"room:{room.id}:access"
    async with transaction(bank.services) as db:
        record(db, event, stream=stream, actor=staff, data=data)


async def seen(bank: Bank, bound: Bound) -> OwnView:
    async with reading(bank.services) as db:
        customer = replace(customer_of(bound), proved_at=bank.clock())
        return await own.own_view(db, customer)


async def enrol(bank: Bank, bound: Bound) -> None:
    import base64

    offered = await offer_authenticator(bank.services, bank.ports, customer=customer_of(bound))
    code = totp.code_at(Secret(base64.b32decode(offered.secret)), bank.clock())
    await add_authenticator(bank.services, customer=customer_of(bound), code=code)


async def test_the_owner_sees_what_is_linked_until_when_and_by_what(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    await enrol(bank, bound)
    view = await seen(bank, bound)
    assert (view.network, view.handle, view.level) == ("square", "giulia", Level.L3)
    assert view.created_at == START
    assert (view.expires_at - START, view.handle_until - START) == (timedelta(days=180), timedelta(days=90))
    assert view.customer_until == view.expires_at
    assert [(fact.of, fact.method) for fact in view.proofs] == [("handle", "sign_in"), ("customer", "identity")]
    assert [(one.kind, one.max_level) for one in view.means] == [("totp", 2)]


async def test_who_at_the_bank_looked_is_told_by_role_and_never_by_name(bank: Bank) -> None:
    bound = await bound_by_identity(bank)
    await looked(bank, bound, ANNA, "case.read", part="case")
    bank.clock.pass_by(minutes=1)
    await looked(bank, bound, ANNA, "case.read", part="case")
    await looked(bank, bound, SARA, "room.read", purpose="work")
    await looked(bank, bound, replace(ANNA, role=Role.MACHINE), "room.read", purpose="work")
    await looked(bank, bound, ANNA, "room.watching", watch="w")
    bank.clock.pass_by(minutes=10)
    await looked(bank, bound, ANNA, "room.watch_ended", watch="w")
    view = await seen(bank, bound)
    found = {(look.role, look.act): (look.times, look.last - look.first) for look in view.looks}
    assert found == {
        ("agent", "read_case"): (2, timedelta(minutes=1)),
        ("supervisor", "read_room"): (1, timedelta(0)),
        ("machine", "read_room"): (1, timedelta(0)),
        ("agent", "watched_room"): (1, timedelta(minutes=10)),
    }
    told = str(asdict(view))
    for staff in (ANNA, SARA):
        assert staff.display_name not in told
        assert str(staff.id) not in told


async def test_a_session_at_level_two_learns_nothing_of_what_was_before_it(bank: Bank) -> None:
    slug = await bank.complaint()
    strong = await bound_by_identity(bank, slug=slug)
    await enrol(bank, strong)
    await bank.work()
    await looked(bank, strong, ANNA, "room.read", purpose="work")
    bank.clock.pass_by(minutes=5)
    weak = await bound_by_sms(bank, slug=slug)
    view = await seen(bank, weak)
    assert (view.created_at, view.means, view.looks, view.older_hidden) == (None, (), (), True)
    assert [fact.method for fact in view.proofs] == ["sign_in", "sms"]
    bank.clock.pass_by(minutes=1)
    await looked(bank, weak, SARA, "room.read", purpose="work")
    assert [look.role for look in (await seen(bank, weak)).looks] == ["supervisor"]


@pytest.mark.parametrize(
    ("kind", "event"),
    [("customer", "room.read"), ("system", "case.read"), ("agent", "export.requested"), ("agent", "note.added")],
)
def test_only_looks_of_staff_are_told_of_and_no_export_or_note(kind: str, event: str) -> None:
    leaf = {"t": event, "at": "2026-11-21T19:00:00.000000Z", "actor": {"k": kind, "id": "x", "role": "agent"}}
    assert looks_in([leaf], None) == ()


def test_looks_are_counted_by_day_newest_first() -> None:
    def leaf(day: int, hour: int, role: str = "agent") -> dict[str, Any]:
        at = f"2026-11-{day:02}T{hour:02}:00:00.000000Z"
        return {"t": "room.read", "at": at, "actor": {"k": "agent", "id": "x", "role": role}}

    looks = looks_in([leaf(20, 9), leaf(21, 8), leaf(21, 17), leaf(21, 12, "supervisor")], None)
    assert [(look.role, look.first.day, look.times) for look in looks] == [
        ("agent", 21, 2),
        ("supervisor", 21, 1),
        ("agent", 20, 1),
    ]
    assert isinstance(looks[0], BankLook)
