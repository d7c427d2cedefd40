"""Who gets in at the staff door and who does not, and what each role may open."""

from __future__ import annotations

import re
from uuid import uuid4

from app.actors import SYSTEM, Role
from app.agents.new_passwords import LONGEST
from app.agents.service import NewStaff, add, deactivate
from app.database import transaction
from tests.app.web.staff_desk import PASSWORD, Desk, claimed, in_room


async def test_role_decides_where_a_sign_in_lands_and_the_cookie_is_strict(desk: Desk) -> None:
    for login, landing in (("anna", "/queue"), ("sara", "/queue"), ("paolo", "/exports"), ("ada", "/agents")):
        window = desk.browser()
        answer = await window.send("/signin", name=login, password=PASSWORD, code=desk.code(login))
        assert answer.headers["location"] == landing
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-riserbo-staff=")
        assert {"httponly", "secure", "samesite=strict", "path=/"} <= {
            part.strip().lower() for part in cookie.split(";")
        }
        assert (await window.client.get("/")).headers["location"] == landing
        await window.see(landing)


async def test_wrong_password_wrong_code_and_unknown_name_get_the_same_page(desk: Desk) -> None:
    answers = []
    for name, password, code in (
        ("anna", "not-her-password-at-all", desk.code("anna")),
        ("anna", PASSWORD, "00000000"),
        ("nobody", PASSWORD, desk.code("anna")),
    ):
        window = desk.browser()
        html = await window.refused("/signin", 401, name=name, password=password, code=code)
        assert PASSWORD not in html
        assert not window.client.cookies
        answers.append(re.sub(r'nonce="[^"]*"|value="[^"]*"', "", html))
    assert len(set(answers)) == 1


async def test_a_password_is_compared_to_its_last_character(desk: Desk) -> None:
    password = "Zw!9 kQ7 è tqv " * 17 + "."
    assert len(password) == LONGEST
    async with transaction(desk.bank.services) as db:
        _, desk.secrets["lea"] = await add(db, SYSTEM, NewStaff("lea", "Lea", "L.", Role.AGENT), password)
    for wrong in (password[:-1], password[:64], password[:-1] + "!", password.swapcase()):
        await desk.browser().refused("/signin", 401, name="lea", password=wrong, code=desk.code("lea"))
    await desk.browser().send("/signin", name="lea", password=password, code=desk.code("lea"))


async def test_sign_out_kills_the_session_at_once(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    token = window.client.cookies["__Host-riserbo-staff"]
    answer = await window.send("/signout")
    assert answer.headers["location"] == "/signin"
    assert "__Host-riserbo-staff" not in window.client.cookies
    thief = desk.browser()
    stolen = await thief.client.get("/queue", headers={"cookie": f"__Host-riserbo-staff={token}"})
    assert (stolen.status_code, stolen.headers["location"]) == (303, "/signin")


async def test_leaver_is_out_at_once(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    async with transaction(desk.bank.services) as db:
        await deactivate(db, SYSTEM, desk.ids["anna"], "left")
    assert (await window.client.get("/queue")).headers["location"] == "/signin"


async def test_idle_staff_must_sign_in_again(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    desk.bank.clock.pass_by(minutes=16)
    assert (await window.client.get("/queue")).headers["location"] == "/signin"


PAGES = ("/", "/queue", f"/cases/{uuid4()}", "/exports", f"/exports/{uuid4()}/download", "/agents", "/password")
WRITES = (
    "/signout",
    "/password",
    *(f"/cases/{uuid4()}/{act}" for act in ("claim", "transfer", "notes", "replies", "close")),
    *(f"/conversations/{uuid4()}/{act}" for act in ("messages", "step-up")),
    "/exports",
)


async def test_without_a_session_every_page_leads_to_the_sign_in_and_nothing_else_answers(desk: Desk) -> None:
    window = desk.browser()
    for path in PAGES:
        answer = await window.client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/signin"), path
    for path in WRITES:
        html = await window.refused(path, 401, text="x")
        assert 'action="/signin"' in html
    stream = f"/conversations/{uuid4()}/events"
    for accept in ("text/event-stream", "text/html", "*/*"):
        assert (await window.client.get(stream, headers={"accept": accept})).status_code == 401
    write = f"/conversations/{uuid4()}/messages"
    refused = await window.client.post(write, data={"text": "x"}, headers={"accept": "application/json"})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")


async def test_form_of_another_site_is_refused(desk: Desk) -> None:
    window, case = await claimed(desk)
    answer = await window.client.post(
        f"/cases/{case.id}/notes", data={"text": "x"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 403


async def test_role_that_may_not_is_refused(desk: Desk) -> None:
    for login, *paths in (
        ("anna", "/agents", "/exports"),
        ("sara", "/agents", "/exports"),
        ("paolo", "/agents", "/queue"),
        ("ada", "/queue", "/exports"),
    ):
        window = await desk.signed_in(login)
        for path in paths:
            await window.see(path, 403)
    assert len(await desk.events("export.refused")) == 3
    refused = [leaf for leaf in await desk.events("staff.refused") if leaf["data"]["reason"] == "forbidden"]
    assert len(refused) == 5
    assert {leaf["actor"]["id"] for leaf in refused} == {
        str(desk.ids[login]) for login in ("anna", "sara", "paolo", "ada")
    }


async def test_case_does_not_exist_for_roles_outside_the_desk(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    for login in ("paolo", "ada"):
        window = await desk.signed_in(login)
        await window.see(f"/cases/{case.id}", 404)
        await window.refused(f"/cases/{case.id}/notes", 404, text="x")
        await window.see(f"/conversations/{bound.conversation_id}/events", 404)
        await window.refused(f"/conversations/{bound.conversation_id}/messages", 404, text="x")
