"""Sensitive acts ask for a sign-in that is strong and of now."""

from __future__ import annotations

import time
from uuid import UUID

import httpx2

from app.actors import Role
from app.sessions import rules
from app.sessions import service as sessions
from app.sessions.models import Session
from tests.app.sign_on.desk import WEAK, Desk

EXPORT = {"scope": "log", "reason": "Ispezione annuale."}


async def ask(browser: httpx2.AsyncClient) -> int:
    return (await browser.post("/exports", data=EXPORT, follow_redirects=False)).status_code


async def test_an_export_needs_a_sign_in_of_now(desk: Desk) -> None:
    await desk.hire("olga.audit", Role.COMPLIANCE)
    async with desk.browser() as browser:
        await desk.sign_in(browser, "olga-audit")
        assert await ask(browser) == 303
        before = browser.cookies["__Host-riserbo-staff"]
        desk.house.clock.pass_by(minutes=14)
        await browser.get("/exports")
        desk.house.clock.pass_by(minutes=2)
        refused = await browser.post("/exports", data=EXPORT)
        assert refused.status_code == 401
        assert 'action="/signin/again"' in refused.text
        assert await desk.is_in(browser)
        # the provider's clock is the machine's
        desk.house.clock.pass_by(minutes=-16)
        arrived = await desk.sign_in(browser, "olga-audit", path="/signin/again")
        assert arrived.headers["refresh"] == "0; url=/exports"
        assert browser.cookies["__Host-riserbo-staff"] != before
        assert await ask(browser) == 303
    assert len(await desk.house.leaves("export.requested")) == 2
    ended = [one for one in await desk.house.all(Session) if one.kind == rules.STAFF and one.ended_at is not None]
    assert len(ended) == 1


async def test_a_weak_or_an_old_sign_in_is_not_enough(desk: Desk) -> None:
    await desk.hire("olga.audit", Role.COMPLIANCE)
    for how in ({"acr": WEAK}, {"when": int(time.time()) - 3600}):
        async with desk.browser() as browser:
            await desk.sign_in(browser, "olga-audit", **how)
            assert await desk.is_in(browser)
            assert await ask(browser) == 401
    assert await desk.house.leaves("export.requested") == []


async def test_somebody_else_cannot_sign_in_for_a_session(desk: Desk) -> None:
    await desk.hire("olga.audit", Role.COMPLIANCE)
    await desk.hire("piero.audit", Role.COMPLIANCE)
    async with desk.browser() as browser:
        await desk.sign_in(browser, "olga-audit", acr=WEAK)
        assert (await desk.sign_in(browser, "piero-audit", path="/signin/again")).status_code == 401
        assert await ask(browser) == 401
    assert "sign_on_another_person" in await desk.reasons()


async def test_a_token_that_no_strong_sign_in_stands_behind_makes_no_export(desk: Desk) -> None:
    """By the API neither: a program is told what to ask its authorization server for (RFC 9470)."""
    account_id = await desk.hire("olga.audit", Role.COMPLIANCE)
    token = await _token(desk, account_id)
    async with desk.browser() as browser:
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        assert (await browser.get("/api/v1/exports", headers=headers)).status_code == 200
        answer = await browser.post("/api/v1/exports", json=EXPORT, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_again")
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer error="insufficient_user_authentication"')
        assert 'max_age="900"' in challenge
        assert 'acr_values="urn:bank:strong"' in challenge
    assert await desk.reasons() == ["sign_in_again"]


async def _token(desk: Desk, account_id: UUID) -> str:
    async def start(db: object) -> str:
        started = await sessions.start_staff(db, account_id, desk.house.clock(), kind=rules.API)  # type: ignore[arg-type]
        return started.token

    return await desk.house.act(start)
