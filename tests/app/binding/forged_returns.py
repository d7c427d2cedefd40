"""Forged returns of redirects: in another browser, of another provider, twice, too late, or with what another wallet said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import select, update

from app.audit.models import Leaf
from app.binding import attempts, flows, posted_answers
from app.binding.errors import NotFinishedHere
from app.binding.models import Flow
from app.binding.rules import IDENTITY, Kind
from app.database import reading, transaction
from app.services import Services
from app.sessions import service as sessions
from app.sessions.models import Session
from security.tokens import token_hash
from tests.security.forgery import Forgery, Fruitless
from tests.support.paper_services import on_paper
from tests.support.scripted_openid import NOW

T = TypeVar("T")
BACK: Final = "https://chat.bank.example/back"
NAME: Final = "kyc"


@dataclass(frozen=True)
class Away:
    """A browser that has left, and the state that it comes back with."""

    services: Services
    session_id: UUID
    state: str

    async def back(self, **changes: Any) -> flows.TakenFlow:
        """It comes back, with these changes. The reason of a refusal is what its leaf says."""
        right: dict[str, Any] = {"kind": IDENTITY, "provider": NAME, "session_id": self.session_id, "state": self.state}
        try:
            return await flows.take(self.services, **right | changes)
        except NotFinishedHere:
            raise Fruitless(await _told(self.services)) from None

    async def looked_up(self, **changes: Any) -> Flow:
        """A wallet asks what it is wanted for."""
        right: dict[str, Any] = {"kind": IDENTITY, "provider": NAME, "state": self.state, "now": self.services.clock()}
        async with reading(self.services) as db:
            found = await flows.waiting(db, **right | changes)
        if found is None:
            raise Fruitless("nothing_waits")
        return found

    async def posted(self, text: str) -> str:
        """A wallet answers."""
        async with transaction(self.services) as db:
            query = select(Flow).where(Flow.state_hash == token_hash(self.state))
            return await posted_answers.keep(db, (await db.execute(query)).scalar_one(), {"response": text})

    async def ended(self, **values: Any) -> None:
        """The browser's session ends meanwhile."""
        async with transaction(self.services) as db:
            await db.execute(update(Session).where(Session.id == self.session_id).values(**values))


async def _told(services: Services) -> str:
    async with reading(services) as db:
        leaves = (await db.execute(select(Leaf.leaf).order_by(Leaf.stage_no.desc()))).scalars().all()
    told = [one.decode().partition('"reason":"')[2].partition('"')[0] for one in leaves]
    return next((one for one in told if one), "not_told")


async def _leave(services: Services) -> Away:
    async with transaction(services) as db:
        started = await sessions.start_visitor(db, services.clock())
        await db.flush()
        attempt = await attempts.add(db, session_id=started.session.id, kind=Kind.ENTRY, slug="s", case_id=None)
        secrets = flows.new_secrets()
        await flows.store(db, attempt, secrets, kind=IDENTITY, provider=NAME, redirect_uri=BACK)
    return Away(services, started.session.id, secrets.state)


def two(act: Callable[[Away, Away], Awaitable[T]], *, after: timedelta = timedelta(0)) -> T:
    """Two browsers leave; what `act` gives of them, so much later."""
    moments = [NOW]

    def clock() -> datetime:
        return moments[-1]

    async def run(services: Services) -> T:
        ours, others = await _leave(services), await _leave(services)
        moments.append(NOW + after)
        return await act(ours, others)

    return on_paper(run, clock)


def returned(**changes: Any) -> flows.TakenFlow:
    """One comes back with these changes."""
    return two(lambda ours, _: ours.back(**changes))


async def _in_the_others_browser(ours: Away, others: Away) -> flows.TakenFlow:
    return await ours.back(session_id=others.session_id)


async def _twice(ours: Away, _: Away) -> flows.TakenFlow:
    await ours.back()
    return await ours.back()


async def _after_a_foreign_one(ours: Away, others: Away) -> flows.TakenFlow:
    try:
        await ours.back(session_id=others.session_id)
    except Fruitless:
        return await ours.back()
    raise AssertionError("it came back in a foreign browser")


async def _session_over(ours: Away, _: Away) -> flows.TakenFlow:
    await ours.ended(ended_at=NOW)
    return await ours.back()


async def _session_over_meanwhile(ours: Away, _: Away) -> object:
    taken = await ours.back()
    await ours.ended(ended_at=NOW)
    async with transaction(ours.services) as db:
        return await flows.attempt_of(db, taken, NOW)


async def _moved_on(ours: Away, _: Away) -> object:
    taken = await ours.back()
    try:
        async with transaction(ours.services) as db:
            return await flows.attempt_of(db, replace(taken, version=taken.version - 1), NOW)
    except NotFinishedHere:
        raise Fruitless(await _told(ours.services)) from None


async def _nothing_posted(ours: Away, others: Away) -> flows.TakenFlow:
    await others.posted("theirs")
    taken = await ours.back()
    if taken.posted is None:
        raise Fruitless("nothing_posted")
    return taken


async def _second_answer(ours: Away, others: Away) -> flows.TakenFlow:
    await others.posted("theirs")
    first = await ours.posted("first")
    for text in ("second", "third"):
        await ours.posted(text)
    async with reading(ours.services) as db:
        leaves = [one for one in (await db.execute(select(Leaf.leaf))).scalars() if b"answered_twice" in one]
    taken = await ours.back()
    if taken.posted is not None and taken.posted.code_hash == token_hash(first):
        raise Fruitless(f"the first stands, {len(leaves)} leaf")
    return taken


async def _looked_up_after_its_return(ours: Away, _: Away) -> Flow:
    await ours.back()
    return await ours.looked_up()


FORGERIES: Final[dict[str, Forgery]] = {
    "of a state that nobody left with": Forgery(lambda: returned(state="another"), "not_told"),
    "of another provider": Forgery(lambda: returned(provider="other"), "other_provider"),
    "of another kind": Forgery(lambda: returned(kind="sign_in"), "other_provider"),
    "in a browser without a session": Forgery(lambda: returned(session_id=None), "foreign_browser"),
    "in another browser": Forgery(lambda: two(_in_the_others_browser), "foreign_browser"),
    "that comes twice": Forgery(lambda: two(_twice), "replayed"),
    "that came in a foreign browser before": Forgery(lambda: two(_after_a_foreign_one), "replayed"),
    "that comes too late": Forgery(lambda: two(lambda ours, _: ours.back(), after=timedelta(minutes=10)), "too_late"),
    "to a session that is over": Forgery(lambda: two(_session_over), "attempt_over"),
    "to a session that is over meanwhile": Forgery(lambda: two(_session_over_meanwhile), "attempt_over"),
    "to a question of before": Forgery(lambda: two(_moved_on), "moved_on"),
    "with what another's wallet said": Forgery(lambda: two(_nothing_posted), "nothing_posted"),
    "with a second answer": Forgery(lambda: two(_second_answer), "the first stands, 1 leaf"),
    "a wallet's look at nothing": Forgery(lambda: two(lambda ours, _: ours.looked_up(state="x")), "nothing_waits"),
    "a wallet's look at another provider's": Forgery(
        lambda: two(lambda ours, _: ours.looked_up(provider="other")), "nothing_waits"
    ),
    "a wallet's look at what came back": Forgery(lambda: two(_looked_up_after_its_return), "nothing_waits"),
    "a wallet's look at what took too long": Forgery(
        lambda: two(lambda ours, _: ours.looked_up(), after=timedelta(minutes=10)), "nothing_waits"
    ),
}  # fmt: skip
