"""What has just been done is said once, to whom it was done for, and by no address."""

from __future__ import annotations

from app.web.notices import NOTICE_COOKIE
from tests.app.web.staff_desk import Desk, Window, claimed

YOURS = "The case is yours."
CLOSED = "The case is closed."


async def claim(desk: Desk) -> tuple[Window, str]:
    case = await desk.case(await desk.bank.complaint())
    window = await desk.signed_in("anna")
    answer = await window.send(f"/cases/{case.id}/claim")
    assert answer.headers["location"] == f"/cases/{case.id}"
    return window, answer.headers["location"]


async def test_a_notice_is_said_once(desk: Desk) -> None:
    window, path = await claim(desk)
    assert YOURS in await window.see(path)
    assert NOTICE_COOKIE not in window.client.cookies
    assert YOURS not in await window.see(path)


async def test_its_cookie_is_this_hosts_own_and_short_lived(desk: Desk) -> None:
    case = await desk.case(await desk.bank.complaint())
    window = await desk.signed_in("anna")
    answer = await window.send(f"/cases/{case.id}/claim")
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert NOTICE_COOKIE.startswith("__Host-")
    assert cookie == f"{NOTICE_COOKIE}=claimed:cases:{case.id}"
    assert {one.lower() for one in attributes} == {"httponly", "secure", "samesite=strict", "path=/", "max-age=60"}


async def test_a_refused_act_leaves_no_notice(desk: Desk) -> None:
    window, case = await claimed(desk)
    await window.see(f"/cases/{case.id}")
    await window.refused(f"/cases/{case.id}/notes", 422, text="")
    assert NOTICE_COOKIE not in window.client.cookies


async def test_another_window_and_a_page_that_looks_by_itself_leave_it_alone(desk: Desk) -> None:
    window, path = await claim(desk)
    assert YOURS not in await window.see("/queue")
    looked = await window.client.get(path, headers={"x-riserbo-automatic": "1"})
    assert YOURS not in looked.text
    assert YOURS in await window.see(path)


async def test_no_address_and_no_other_cookie_makes_a_page_say_something(desk: Desk) -> None:
    window, path = await claim(desk)
    await window.see(path)
    for query in ("said=closed", "notice=closed", "said=closed&said=claimed"):
        assert CLOSED not in await window.see(f"{path}?{query}")
    held = window.client.cookies["__Host-riserbo-staff"]
    elsewhere = path.replace("/", ":")[:-1] + "x"
    rubbish = ("closed", f"closed{elsewhere}", "closed:queue", f"<b>{path.replace('/', ':')}", ":", "%00", "x" * 3000)
    for value in rubbish:
        cookies = f"__Host-riserbo-staff={held}; {NOTICE_COOKIE}={value}"
        answer = await window.client.get(path, headers={"cookie": cookies})
        assert answer.status_code == 200
        assert 'class="box box-good"' not in answer.text, value
