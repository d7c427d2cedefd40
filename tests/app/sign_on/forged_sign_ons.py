"""Forged returns of staff from the bank's own sign-in: the callback, who is named, and sign-ins that are too weak or old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from app.sign_on import flows
from app.sign_on.dependencies import fresh_staff
from app.sign_on.redirects import LONGEST_VALUE, Returned
from app.sign_on.rules import LONGEST_FLOW, is_fresh
from app.sign_on.service import SignedIn, require_fresh
from app.web import sign_on_pages
from tests.app.sign_on.paper_desk import (
    ADA,
    BROWSER,
    GIULIA,
    MARCO,
    SARA,
    Colleague,
    PaperDesk,
    actor,
    at_desk,
    later,
)
from tests.security.forgery import Forgery, Fruitless
from tests.support.scripted_openid import ISSUER, NOW, read

AT: Final = int(NOW.timestamp())


def came_back(*, settings: dict[str, Any] | None = None, **changes: Any) -> SignedIn:
    """Somebody comes back, with these changes to a right callback or a right ID token."""
    return at_desk(lambda desk: desk.come_back(**changes), **(settings or {}))


def named(login: str, subject: str = "u-1", **changes: Any) -> SignedIn:
    """The provider names somebody."""
    return came_back(preferred_username=login, sub=subject, **changes)


async def _twice(desk: PaperDesk) -> SignedIn:
    flow = await flows.store(desk.services, BROWSER, None)
    desk.provider.nonce = flow.nonce
    returned = Returned(flow.state, "c", ISSUER)
    await desk.return_with(returned)
    return await desk.return_with(returned)


async def _pasted(desk: PaperDesk) -> SignedIn:
    """A colleague signs in for who left, and hands the address on."""
    flow = await flows.store(desk.services, BROWSER, None)
    desk.provider.nonce = flow.nonce
    returned = Returned(flow.state, "c", ISSUER)
    with suppress(Fruitless):
        await desk.return_with(returned, "the-colleagues")
    return await desk.return_with(returned)


async def _too_late(desk: PaperDesk) -> SignedIn:
    flow = await flows.store(desk.services, BROWSER, None)
    desk.provider.nonce = flow.nonce
    later(desk, seconds=LONGEST_FLOW.total_seconds())
    return await desk.return_with(Returned(flow.state, "c", ISSUER))


async def _second_subject(desk: PaperDesk) -> SignedIn:
    await desk.come_back(sub="u-1")
    return await desk.come_back(sub="u-2")


async def _second_by_number(desk: PaperDesk) -> SignedIn:
    await desk.come_back(sub="u-9", preferred_username="P-9")
    return await desk.come_back(sub="u-10", preferred_username="P-9")


async def _role_of_yesterday(desk: PaperDesk) -> None:
    await desk.come_back(preferred_username=SARA.login)
    if (role := await desk.role_of(SARA)) != "supervisor":
        raise Fruitless(f"now {role}")


Make = Callable[[PaperDesk], Awaitable[UUID]]


def again(make: Make, **claims: Any) -> SignedIn:
    """Sign in once more for the session that `make` makes, as giulia."""

    async def act(desk: PaperDesk) -> SignedIn:
        return await desk.come_back(again=await make(desk), **claims)

    return at_desk(act)


async def _no_session(desk: PaperDesk) -> UUID:
    return uuid4()


async def _own(desk: PaperDesk) -> UUID:
    return await desk.session(GIULIA.id)


async def _somebody_elses(desk: PaperDesk) -> UUID:
    return await desk.session(SARA.id)


async def _over(desk: PaperDesk) -> UUID:
    return await desk.session(GIULIA.id, ended_at=NOW)


async def _expired(desk: PaperDesk) -> UUID:
    return await desk.session(GIULIA.id, expires_at=NOW)


async def _stays_open(desk: PaperDesk) -> None:
    """The session that was signed in for once more."""
    former = await _own(desk)
    await desk.come_back(again=former)
    if await desk.ended_at(former) is not None:
        raise Fruitless("ended")


def sensitive(make: Make, colleague: Colleague = GIULIA, *, minutes: float = 0) -> None:
    """Ask for a sensitive act by the session that `make` makes, so long after."""

    async def act(desk: PaperDesk) -> None:
        session_id = await make(desk)
        later(desk, minutes=minutes)
        await require_fresh(desk.services, desk.ports, actor(session_id, colleague))

    at_desk(act)


async def _weak(desk: PaperDesk) -> UUID:
    return await desk.born(await _own(desk), acr="low")


async def _strong(desk: PaperDesk) -> UUID:
    return await desk.born(await _own(desk))


async def _weak_with_password(desk: PaperDesk) -> UUID:
    return await desk.born(await desk.session(ADA.id), acr="low")


async def _password(desk: PaperDesk) -> UUID:
    return await desk.session(ADA.id)


async def _never_signed_in(desk: PaperDesk) -> UUID:
    return await desk.born(await _own(desk), signed_in_at=None)


async def _from_the_future(desk: PaperDesk) -> UUID:
    signed_in = await desk.come_back(auth_time=AT + 3600)
    assert not signed_in.again
    return await desk.newest_session()


async def _by_the_door(desk: PaperDesk) -> None:
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(sign_on_ports=desk.ports)))
    await fresh_staff(request, desk.services, actor(await _weak(desk)))


def judged(acr: str | None, signed_in_at: Any, **settings: Any) -> None:
    """What is known of a session, judged by itself."""

    async def act(desk: PaperDesk) -> None:
        if not is_fresh(desk.ports, acr, signed_in_at, NOW):
            raise Fruitless("not_fresh")

    at_desk(act, **settings)


def request_at(desk: PaperDesk | None, query: str = "", cookie: str | None = None) -> Request:
    """A request at the staff door."""
    headers = [] if cookie is None else [(b"cookie", f"{sign_on_pages.COOKIE}={cookie}".encode())]
    state = SimpleNamespace(sign_on_ports=desk.ports if desk else None)
    scope = {"type": "http", "app": SimpleNamespace(state=state), "query_string": query.encode(), "headers": headers}
    return Request(scope)


def _page(_request: object, _view: object, status: int = 200) -> Response:
    return Response(status_code=status)


def _opened(answer: Response) -> Response:
    """The page of somebody who came in."""
    if answer.status_code != 200:
        raise Fruitless(str(answer.status_code))
    return answer


async def _by_the_pages(desk: PaperDesk, *, cookie: str | None, query: str) -> Response:
    """There and back by the pages' own functions; `query` with the state put in."""
    blank: dict[str, Any] = dict.fromkeys(
        ("site_of", "sign_in_view", "Departing", "Arrived"), lambda *_said, **_named: None
    )
    with patch.multiple(sign_on_pages, page=_page, **blank):
        await sign_on_pages.leave(request_at(desk, cookie=cookie), desk.services)
        pushed = desk.provider.to("/par")[-1].form
        state, desk.provider.nonce = _asked(pushed, "state"), _asked(pushed, "nonce")
        desk.provider.claims = {"preferred_username": GIULIA.login, "groups": ["Desk"]}
        back = request_at(desk, query.format(state=state), cookie)
        return _opened(await sign_on_pages.come_back(back, desk.services))


def _asked(pushed: dict[str, str], name: str) -> str:
    """A parameter of the request, signed or not."""
    return str(read(pushed["request"])[name]) if "request" in pushed else pushed[name]


def paged(cookie: str | None = BROWSER, query: str = "state={state}&code=c&iss=https://id.example") -> Response:
    """Leave and come back as a browser does."""
    return at_desk(partial(_by_the_pages, cookie=cookie, query=query))


def _without_provider() -> Response:
    async def act(desk: PaperDesk) -> Response:
        return await sign_on_pages.come_back(request_at(None), desk.services)

    return at_desk(act)


EXTERNAL: Final = {"named_by": "external_id"}

FORGERIES: Final[dict[str, Forgery]] = {
    "a callback without a code": Forgery(lambda: came_back(code=""), "not_signed_in"),
    "a callback with a code without end": Forgery(lambda: came_back(code="x" * (LONGEST_VALUE + 1)), "not_signed_in"),
    "a callback of another state": Forgery(lambda: came_back(state="another"), "not_signed_in"),
    "a callback in another browser": Forgery(lambda: came_back(browser="a-thief's"), "sign_on_foreign_browser"),
    "a callback that another browser has opened before": Forgery(lambda: at_desk(_pasted), "sign_on_foreign_browser"),
    "a callback that comes twice": Forgery(lambda: at_desk(_twice), "not_signed_in"),
    "a callback that comes too late": Forgery(lambda: at_desk(_too_late), "not_signed_in"),
    "a callback in another provider's name": Forgery(lambda: came_back(issuer="https://other.example"), "wrong_issuer"),
    "a callback in no name": Forgery(lambda: came_back(issuer=None), "issuer_missing"),
    "a callback whose code is said twice": Forgery(
        lambda: paged(query="state={state}&code=a&code=c&iss=https://id.example"), "401"
    ),
    "a callback in a browser without a cookie": Forgery(lambda: paged(cookie=None), "401"),
    "a callback in a browser with an empty cookie": Forgery(lambda: paged(cookie=""), "401"),
    "a callback where nobody signs in so": Forgery(_without_provider, "not_found"),
    "an ID token of another sign-in": Forgery(lambda: came_back(nonce="of-another"), "nonce"),
    "an ID token for another client": Forgery(lambda: came_back(aud="other"), "audience"),
    "an ID token of another provider": Forgery(lambda: came_back(iss="https://other.example"), "issuer"),
    "an ID token beside another access token": Forgery(lambda: came_back(at_hash="A" * 22), "at_hash"),
    "a way of signing in that is not enough": Forgery(lambda: came_back(acr="lowest"), "sign_on_acr"),
    "no way of signing in": Forgery(lambda: came_back(acr=None), "sign_on_acr"),
    "nobody of ours": Forgery(lambda: named("nobody"), "sign_on_no_account"),
    "nobody by name": Forgery(lambda: came_back(preferred_username=None), "sign_on_not_named"),
    "a name without end": Forgery(lambda: named("x" * 101), "sign_on_not_named"),
    "a name of two lines": Forgery(lambda: named("giulia.rossi\nx"), "sign_on_not_named"),
    "somebody of no group of ours": Forgery(lambda: came_back(groups=["Other"]), "sign_on_role"),
    "somebody of no group at all": Forgery(lambda: came_back(groups=None), "sign_on_role"),
    "somebody of groups that are none": Forgery(lambda: came_back(groups=[{}, 7]), "sign_on_role"),
    "somebody of two duties that exclude each other": Forgery(lambda: came_back(groups=["Desk", "Audit"]), "sign_on_role"),
    "a leaver": Forgery(lambda: named(MARCO.login), "sign_on_inactive"),
    "a leaver whom we know by subject": Forgery(lambda: named("lia.gialli", "u-lia"), "sign_on_inactive"),
    "a leaver whom no client announced": Forgery(lambda: named("pia.blu", "u-pia"), "sign_on_inactive"),
    "a leaver whom another provider knows": Forgery(lambda: named("otto.rosa", "u-otto-here"), "sign_on_inactive"),
    "somebody who was deleted": Forgery(lambda: named("dora.neri", "u-dora"), "sign_on_no_account"),
    "the subject of another provider": Forgery(lambda: named("nobody", "u-otto"), "sign_on_no_account"),
    "an account with a password here": Forgery(lambda: named(ADA.login), "sign_on_no_account"),
    "a second subject for one account": Forgery(lambda: at_desk(_second_subject), "sign_on_other_subject"),
    "a name in the place of a number": Forgery(lambda: came_back(settings=EXTERNAL), "sign_on_no_account"),
    "a second subject for one number": Forgery(
        lambda: at_desk(_second_by_number, creates_accounts=True, **EXTERNAL), "sign_on_other_subject"
    ),
    "a number that is somebody's name": Forgery(
        lambda: came_back(settings=EXTERNAL | {"creates_accounts": True}), "sign_on_name_in_use"
    ),
    "the role of yesterday's groups": Forgery(lambda: at_desk(_role_of_yesterday), "now agent"),
    "once more, for no session": Forgery(lambda: again(_no_session), "sign_on_another_person"),
    "once more, for somebody else's session": Forgery(lambda: again(_somebody_elses), "sign_on_another_person"),
    "once more, for a session that is over": Forgery(lambda: again(_over), "sign_on_another_person"),
    "once more, for a session that has expired": Forgery(lambda: again(_expired), "sign_on_another_person"),
    "once more, by a sign-in of before": Forgery(lambda: again(_own, auth_time=AT - 3600), "stale_sign_in"),
    "once more, by a weaker way": Forgery(lambda: again(_own, acr="low"), "sign_on_acr"),
    "once more, and the session of before as well": Forgery(lambda: at_desk(_stays_open), "ended"),
    "a sensitive act after a weak sign-in": Forgery(lambda: sensitive(_weak), "sign_in_again"),
    "a sensitive act after a weak sign-in, at the door": Forgery(lambda: at_desk(_by_the_door), "sign_in_again"),
    "a sensitive act after a weak sign-in, with a password here": Forgery(
        lambda: sensitive(_weak_with_password, ADA), "sign_in_again"
    ),
    "a sensitive act long after a sign-in": Forgery(lambda: sensitive(_strong, minutes=16), "sign_in_again"),
    "a sensitive act long after a password": Forgery(lambda: sensitive(_password, ADA, minutes=16), "sign_in_again"),
    "a sensitive act by a session that no sign-in stands behind": Forgery(lambda: sensitive(_own), "sign_in_again"),
    "a sensitive act by no session": Forgery(lambda: sensitive(_no_session, ADA), "sign_in_again"),
    "a sensitive act by nobody": Forgery(lambda: sensitive(_password, Colleague("nobody")), "sign_in_again"),
    "a sensitive act long after a sign-in of tomorrow": Forgery(
        lambda: sensitive(_from_the_future, minutes=16), "sign_in_again"
    ),
    "a sensitive act after a sign-in of nobody knows when": Forgery(lambda: sensitive(_never_signed_in), "sign_in_again"),
    "a sign-in that nobody said the way of": Forgery(lambda: judged(None, NOW, sensitive_acrs=()), "not_fresh"),
}  # fmt: skip
