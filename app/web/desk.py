"""What the console's pages share: the way to the sign-in, the bar, clocks, states, checked texts, refusals as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from app.actors import Role, Staff
from app.agents.dependencies import local_sign_in
from app.binding.revoking import Because
from app.cases.models import Case
from app.cases.rules import Status, is_overdue
from app.conversations.models import Conversation
from app.errors import Invalid, TooLarge, Unauthenticated
from app.http.texts import clean_text
from app.permissions import Permission, held_by
from app.sessions.dependencies import STAFF_COOKIE
from app.sign_on.dependencies import sign_on_ports
from app.sign_on.errors import SignInAgain
from app.web.notices import notice_of
from app.web.pages import page, see_other, site_of
from app.web.staff_views import CaseStatus, Clock, SignIn, SignInOnceMore, StaffBar

LANDING: Final[dict[Role, str]] = {
    Role.AGENT: "/queue",
    Role.SUPERVISOR: "/queue",
    Role.COMPLIANCE: "/exports",
    Role.ADMINISTRATOR: "/agents",
    # a program has no session at the console
    Role.MACHINE: "/signin",
}
BECAUSE: Final[tuple[Because, ...]] = ("customer_asked", "suspicion")
PROGRAMS: Final = ("application/json", "text/event-stream")


class DeskRoute(APIRoute):
    """A page of the console: without a live session a person is led to the sign-in, a program gets its 401."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler, with the sign-in behind it."""
        handle = super().get_route_handler()

        async def led_to_sign_in(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated as refusal:
                if any(kind in request.headers.get("accept", "") for kind in PROGRAMS):
                    raise
                if request.method == "GET":
                    return see_other("/signin")
                return page(request, sign_in_view(request, refusal.message), 401)
            except SignInAgain:
                ports = sign_on_ports(request)
                if ports is None or any(kind in request.headers.get("accept", "") for kind in PROGRAMS):
                    raise
                now = request.app.state.services.clock()
                return page(request, SignInOnceMore(site=site_of(request), now=now, provider=ports.label), 401)

        return led_to_sign_in


def sign_in_view(request: Request, error: str = "", name: str = "", *, emergency: bool = False) -> SignIn:
    """The way in, as this installation has it."""
    ports = sign_on_ports(request)
    return SignIn(
        site=site_of(request),
        now=request.app.state.services.clock(),
        error=error,
        notice=notice_of(request),
        name=name,
        provider=ports.label if ports is not None else "",
        local=ports is None or emergency,
    )


def set_staff_cookie(answer: Response, token: str) -> None:
    """The session's token. Strict: nobody comes to the desk by a link from elsewhere."""
    answer.set_cookie(STAFF_COOKIE, token, httponly=True, secure=True, samesite="strict", path="/")


def drop_staff_cookie(answer: Response) -> None:
    """The session is over."""
    answer.delete_cookie(STAFF_COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def staff_bar(request: Request, staff: Staff) -> StaffBar:
    """Who is signed in, which parts the role opens, and whether there are passwords of our own."""
    held = held_by(staff)
    return StaffBar(
        name=staff.display_name,
        role=staff.role.value,
        signature=staff.signature,
        sees_cases=Permission.CASES_READ in held,
        sees_exports=Permission.EXPORTS_MAKE in held,
        sees_agents=Permission.AGENTS_MANAGE in held,
        has_password=not local_sign_in(request).sealed,
    )


def checked_text(text: str, longest: int) -> str:
    """What was typed, as it may be stored; raises `Invalid` for nothing, `TooLarge` for more than `longest`."""
    try:
        clean = clean_text(text)
    except ValueError:
        raise Invalid("The text holds characters that are not text.") from None
    if not clean.strip():
        raise Invalid("Please write something first.")
    if len(clean) > longest:
        raise TooLarge
    return clean


def reason_of(form: Mapping[str, str]) -> Because:
    """Why a link is to end, as it was chosen; raises `Invalid` for nothing."""
    chosen = next((one for one in BECAUSE if one == form.get("because")), None)
    if chosen is None:
        raise Invalid
    return chosen


def reference_of(case_id: UUID) -> str:
    """A short name for a case, to be said on the phone among colleagues; the random end of its id."""
    return f"RB-{case_id.hex[-6:].upper()}"


def works(staff: Staff, case: Case) -> bool:
    """Whether this case is this member's to work, as `cases.rules.require_worker` will judge again at each act."""
    held = held_by(staff)
    return Permission.CASES_WORK in held and (case.assigned_to == staff.id or Permission.ROOMS_READ_ANY in held)


def status_of(case: Case, rooms: Sequence[Conversation]) -> CaseStatus:
    """The stored status, or what its rooms add to it: somebody is in one, or one waits for its customer."""
    if case.status == Status.CLOSED:
        return "closed"
    open_rooms = [room for room in rooms if room.state == "open"]
    if any(room.session_id is not None for room in open_rooms):
        return "in_room"
    if open_rooms:
        return "waiting_customer"
    if case.reopened and case.status != Status.ANSWERED:
        return "reopened"
    return cast("CaseStatus", case.status)


def first_answer_clock(case: Case, now: datetime) -> Clock:
    """The first answer's clock; a case that was closed without one stopped it then."""
    return _clock(case, case.first_answer_due, case.first_answered_at or case.closed_at, now)


def resolution_clock(case: Case, now: datetime) -> Clock:
    """The resolution's clock."""
    return _clock(case, case.resolution_due, case.closed_at, now)


def _clock(case: Case, due: datetime, done: datetime | None, now: datetime) -> Clock:
    overdue = is_overdue(due, done, now)
    if done is not None:
        return Clock(due_at=due, state="missed" if overdue else "met", done_at=done)
    if overdue:
        return Clock(due_at=due, state="late")
    begun = case.last_public_at if case.reopened else case.opened_at
    return Clock(due_at=due, state="soon" if due - now < (due - begun) / 4 else "running")
