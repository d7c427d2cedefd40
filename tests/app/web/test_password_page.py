"""One's own password at the console: by the old one and a code, for everybody who has one here."""

from __future__ import annotations

import pytest

from app.agents.ports import LocalSignIn
from app.sessions.dependencies import STAFF_COOKIE
from tests.app.web.staff_desk import PASSWORD, Desk, Window

NEW = "tqv kr. xmd! hzw pbn"


async def change(desk: Desk, window: Window, status: int, **typed: str) -> str:
    desk.bank.clock.pass_by(seconds=30)
    fields = {"password": PASSWORD, "code": desk.code("anna"), "new_password": NEW, "again": NEW, **typed}
    return await window.refused("/password", status, **fields)


async def test_who_knows_the_old_one_and_a_code_changes_it_and_signs_in_anew(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    desk.bank.clock.pass_by(seconds=30)
    elsewhere = await desk.signed_in("anna")
    assert 'value="anna"' in await window.see("/password")
    await change(desk, window, 303)
    assert STAFF_COOKIE not in window.client.cookies
    assert "Your password is changed." in await window.see("/signin")
    assert "Your password is changed." not in await window.see("/signin")
    assert (await elsewhere.client.get("/queue")).headers["location"] == "/signin"
    for password, status in ((PASSWORD, 401), (NEW, 303)):
        desk.bank.clock.pass_by(seconds=30)
        await window.send("/signin", status, name="anna", password=password, code=desk.code("anna"))
    [leaf] = await desk.events("staff.password_changed")
    assert (leaf["actor"]["id"], leaf["stream"]) == (str(desk.ids["anna"]), f"staff:{desk.ids['anna']}")


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ({"password": "not-her-password-at-all"}, 401, "Name, password or code is not right."),
        ({"code": "00000000"}, 401, "Name, password or code is not right."),
        ({"again": NEW + "x"}, 422, "The two new passwords are not the same."),
        ({"new_password": "short", "again": "short"}, 422, "The password needs at least 15 characters."),
        ({"new_password": "anna banca esempio", "again": "anna banca esempio"}, 422, "made of words or patterns"),
    ],
)
async def test_a_refusal_says_why_repeats_nothing_and_ends_nothing(
    desk: Desk, typed: dict[str, str], status: int, said: str
) -> None:
    window = await desk.signed_in("anna")
    html = await change(desk, window, status, **typed)
    assert said in html
    assert 'action="/password"' in html
    for secret in (PASSWORD, NEW, "not-her-password-at-all", "banca esempio"):
        assert secret not in html
    await window.see("/queue")
    assert await desk.events("staff.password_changed") == []


async def test_a_wrong_one_counts_as_at_the_sign_in(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    for _ in range(5):
        await change(desk, window, 401, password="not-her-password-at-all")
    await change(desk, window, 401)
    await desk.browser().refused("/signin", 401, name="anna", password=PASSWORD, code=desk.code("anna"))
    assert [leaf["data"]["reason"] for leaf in await desk.events("staff.refused")] == ["password"] * 5 + ["locked"] * 2


async def test_where_staff_signs_in_elsewhere_there_is_no_such_page(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    assert 'href="/password"' in await window.see("/queue")
    desk.app.state.local_sign_in = LocalSignIn(sealed=True, tell="compliance@bancaesempio.example")
    assert 'href="/password"' not in await window.see("/queue")
    await window.see("/password", 404)
    await change(desk, window, 404)
    assert await desk.events("staff.password_changed") == []
