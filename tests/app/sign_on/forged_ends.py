"""Logout tokens that would end what they do not name, or that must end what they do (OpenID Connect Back-Channel Logout)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from app.sign_on.service import log_out
from app.web import sign_on_pages
from security.jwts import SigningKey
from security.logout_tokens import EVENT
from tests.app.sign_on.forged_sign_ons import request_at
from tests.app.sign_on.paper_desk import GIULIA, OTHER, PaperDesk, at_desk
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_openid import CLIENT, ISSUER, NOW

AT: Final = int(NOW.timestamp())
Make = Callable[[PaperDesk], Awaitable[UUID]]


def token(desk: PaperDesk, key: SigningKey | None = None, **changes: Any) -> str:
    """The provider says that the session `s-1` of the subject `u-1` is over; None takes a claim away."""
    right = {"iss": ISSUER, "aud": CLIENT, "sub": "u-1", "sid": "s-1", "iat": AT, "exp": AT + 120, "jti": "j-1"}
    said = {name: value for name, value in (right | {"events": {EVENT: {}}} | changes).items() if value is not None}
    return (key or desk.provider.key).sign(said, typ="logout+jwt")


def born(**changes: Any) -> Make:
    """A session of giulia's that began so."""

    async def make(desk: PaperDesk) -> UUID:
        return await desk.born(await desk.session(GIULIA.id), **changes)

    return make


async def _over_already(desk: PaperDesk) -> UUID:
    return await desk.born(await desk.session(GIULIA.id, ended_at=NOW.replace(year=2025)))


def told(make: Make, **changes: Any) -> None:
    """Tell the end of a session; what `make` makes is ended by that, or spared."""

    async def act(desk: PaperDesk) -> None:
        session_id = await make(desk)
        before = await desk.ended_at(session_id)
        await log_out(desk.services, desk.ports, token(desk, **changes))
        after = await desk.ended_at(session_id)
        raise Fruitless("spared" if after == before else "ended")

    at_desk(act)


def at_the_door(text: str) -> None:
    """Post something to where the provider tells."""

    async def act(desk: PaperDesk) -> None:
        answer = await sign_on_pages.told_of_an_end(request_at(desk), desk.services, {"logout_token": text})
        if answer.status_code != 200:
            raise Fruitless(str(answer.status_code))

    at_desk(act)


async def _twice(desk: PaperDesk) -> None:
    for _ in range(2):
        await log_out(desk.services, desk.ports, token(desk))


async def _by_a_stranger(desk: PaperDesk) -> None:
    await log_out(desk.services, desk.ports, token(desk, SigningKey.new()))


FORGERIES: Final[dict[str, Forgery]] = {
    "no token": Forgery(lambda: at_the_door(""), "400"),
    "no token of ours": Forgery(lambda: at_the_door("x.y.z"), "400"),
    "a token by a stranger": Forgery(lambda: at_desk(_by_a_stranger), "unknown_signer"),
    "a token that comes twice": Forgery(lambda: at_desk(_twice), "replayed"),
    "for a session of the same subject elsewhere": Forgery(lambda: told(born(issuer=OTHER)), "spared"),
    "for somebody else's session": Forgery(lambda: told(born(subject="u-2")), "spared"),
    "for somebody else's, by the person alone": Forgery(lambda: told(born(subject="u-2"), sid=None), "spared"),
    "for the person's other session": Forgery(lambda: told(born(sid="s-2")), "spared"),
    "for a session that was over before": Forgery(lambda: told(_over_already), "spared"),
    "for a session without a name, by a session's name alone": Forgery(lambda: told(born(sid=None), sub=None), "spared"),
    "of which a session without a name would make nothing": Forgery(lambda: told(born(sid=None)), "ended"),
    "of which the session that it names would make nothing": Forgery(lambda: told(born()), "ended"),
    "of which the person's session would make nothing": Forgery(lambda: told(born(), sid=None), "ended"),
    "of which the session would make nothing without its person": Forgery(lambda: told(born(), sub=None), "ended"),
}  # fmt: skip
