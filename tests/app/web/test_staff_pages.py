"""The console over HTTP, as agents, supervisor, officer and administrator use it; with and without the case."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import select

from app import key_files
from app.actors import SYSTEM, Role
from app.agents.service import NewStaff, add, deactivate
from app.audit.sequencer import sequence, start_log
from app.audit.signer import Signer
from app.binding.confirming import Bound
from app.binding.facts import facts_of_case
from app.cases.models import Case
from app.cases.rules import CaseClocks, Outcome
from app.channels.ports import ArrivedPost, PostRef, PublishedReply, TextTooLong
from app.compliance.building import BUILD_EXPORT, build_export
from app.compliance.ports import CompliancePorts
from app.conversations import service as rooms_service
from app.conversations.committing import lane_of
from app.conversations.models import Conversation, RoomWatch
from app.conversations.posting import post_message
from app.database import reading, transaction
from app.guard.models import Finding
from app.handover.models import GuardBlock, Reply
from app.handover.ports import HandoverPorts
from app.main import Installation, Parts, create_staff_app, page_settings
from app.notifications.service import claim
from app.permissions import Level
from app.settings import Settings
from app.staff_parts import staffing_from
from app.token_parts import staff_tokens
from app.web.case_view import OUTCOMES, SHOWN_OUTCOMES
from app.web.drafts import pieces_of
from app.web.export_pages import shown_size
from app.web.staff_views import TextPiece
from security import totp
from security.passwords import hash_password
from security.secret import Secret
from tests.app.binding.bank import Bank, bound_by_identity, bound_by_sms, customer_of, open_bank
from tests.support.databases import DatabaseUrls

DESK = "https://staff.bancaesempio.example"
PUBLIC = "https://chat.bancaesempio.example"
PASSWORD = "a-long-enough-password"
GOOD = "Ciao Giulia, ci dispiace. Ne parliamo subito in privato."
LEAK = "Ciao Giulia, il tuo IBAN IT60X0542811101000000123456 risulta addebitato due volte."
STORNO = "Lo storno arriva sul conto IT60X0542811101000000123456."


class Publisher:
    def fit(self, text: str, link: str) -> str:
        whole = f"{text}\n{link}"
        if len(whole) > 500:
            raise TextTooLong(len(text), 500 - len(link) - 1)
        return whole

    async def publish(self, post: PostRef, text: str, idempotency_key: str) -> PublishedReply:
        raise AssertionError("nothing is posted while a page is served")

    async def find_own_reply(self, post: PostRef, marker: str) -> PublishedReply | None:
        return None

    async def read_thread(self, post: PostRef) -> list[ArrivedPost]:
        return []


@dataclass
class Window:
    """One person's browser at the staff door."""

    client: httpx2.AsyncClient

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return unescape(answer.text)

    async def send(self, path: str, status: int = 303, **fields: str) -> httpx2.Response:
        answer = await self.client.post(path, data=fields)
        assert answer.status_code == status, answer.text
        return answer

    async def refused(self, path: str, status: int, **fields: str) -> str:
        return unescape((await self.send(path, status, **fields)).text)


@dataclass
class Desk:
    bank: Bank
    house: Installation
    app: Any
    secrets: dict[str, Secret] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    windows: list[httpx2.AsyncClient] = field(default_factory=list)

    async def hire(self, login: str, role: Role) -> None:
        async with transaction(self.bank.services) as db:
            new = NewStaff(login, login.capitalize(), login.capitalize(), role)
            account, secret = await add(db, SYSTEM, new, PASSWORD)
            self.secrets[login], self.ids[login] = secret, account.id

    def browser(self) -> Window:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url=DESK,
            headers={"accept": "text/html", "accept-language": "en", "sec-fetch-site": "same-origin"},
        )
        self.windows.append(client)
        return Window(client)

    def code(self, login: str) -> str:
        return totp.code_at(self.secrets[login], self.bank.clock())

    async def signed_in(self, login: str) -> Window:
        window = self.browser()
        await window.send("/signin", name=login, password=PASSWORD, code=self.code(login))
        return window

    async def case(self, slug: str) -> Case:
        async with reading(self.bank.services) as db:
            return (await db.execute(select(Case).where(Case.slug == slug))).scalar_one()

    async def build_export(self) -> None:
        """What the worker does meanwhile: places leaves, signs, builds."""
        services = self.bank.services
        work = next(one for one in await claim(services) if one.topic == BUILD_EXPORT)
        building = asyncio.create_task(build_export(services, self.house.compliance, work))
        for _ in range(500):
            if building.done():
                break
            await sequence(services)
            await self.house.signer.sign(services)
            await asyncio.sleep(0.02)
        await building
        await sequence(services)
        await self.house.signer.sign(services)

    async def events(self, event: str) -> list[dict[str, Any]]:
        return await self.bank.leaves(event)


@asynccontextmanager
async def opened_desk(urls: DatabaseUrls, folder: Path) -> AsyncIterator[Desk]:
    async with open_bank(urls, folder) as bank:
        services = bank.services
        connector = replace(bank.ports.connectors[0], publisher=Publisher())
        bank.ports = replace(bank.ports, connectors=(connector,))
        services.lane = lane_of(services)
        services.lane.start()
        for name, label in (("log", "bank.example/log"), ("export", "bank.example/log/export")):
            key_files.make_signing_key_file(folder / name, label)
        log_key, export_key = (key_files.read_signing_key(folder / name) for name in ("log", "export"))
        await start_log(services, "bank.example/log")
        settings = Settings(
            data=folder,
            bank="Banca Esempio",
            origin="bank.example/log",
            public_url=PUBLIC,
            staff_url=DESK,
            phone="+39 02 1234 5678",
            hours_it="8-20",
            hours_en="8-20",
            privacy_contact="privacy@bancaesempio.example",
        )
        parts = Parts((connector,), bank.ports.providers, bank.ports.senders, bank.ports.directory)
        house = Installation(
            settings=settings,
            services=services,
            parts=parts,
            signer=Signer(log_key, folder / "memory"),
            handover=HandoverPorts((connector,), PUBLIC, settings.bank, settings.phone, facts_of_case),
            binding=bank.ports,
            compliance=CompliancePorts(folder, export_key, log_key.vkey()),
            tokens=staff_tokens(settings, services.outbound),
            staffing=staffing_from(settings, services.outbound),
            pages=page_settings(settings, parts),
            clocks=CaseClocks(),
        )
        desk = Desk(bank, house, create_staff_app(house))
        for login, role in (
            ("anna", Role.AGENT),
            ("luca", Role.AGENT),
            ("sara", Role.SUPERVISOR),
            ("paolo", Role.COMPLIANCE),
            ("ada", Role.ADMINISTRATOR),
        ):
            await desk.hire(login, role)
        try:
            yield desk
        finally:
            services.wakeups.stopping.set()
            for window in desk.windows:
                await window.aclose()
            await services.lane.stop()


@pytest.fixture
async def desk(schema_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    # One slow hash for five colleagues; every sign-in still checks against it.
    monkeypatch.setattr("security.passwords.hash_password", hash_once)
    async with opened_desk(schema_urls, tmp_path) as opened:
        yield opened


hash_once = cache(hash_password)


async def claimed(desk: Desk, login: str = "anna") -> tuple[Window, Case]:
    """Giulia's complaint in the hands of an agent, before there is a room."""
    case = await desk.case(await desk.bank.complaint())
    window = await desk.signed_in(login)
    await window.send(f"/cases/{case.id}/claim")
    return window, case


async def in_room(desk: Desk, login: str = "anna") -> tuple[Window, Case, Bound]:
    """The same, with Giulia in her room at L2."""
    window, case = await claimed(desk, login)
    bound = await bound_by_sms(desk.bank, slug=case.slug)
    return window, case, bound


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, name
    return found.group(1)


# Signing in and out


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


PAGES = ("/", "/queue", f"/cases/{uuid4()}", "/exports", f"/exports/{uuid4()}/download", "/agents")
WRITES = (
    "/signout",
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


# The queue


async def test_queue_shows_case_clocks_level_and_unread(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    queue = await window.see("/queue")
    assert f'href="/cases/{case.id}"' in queue
    assert "@giulia" in queue
    assert "un bollo addebitato due volte?" in queue
    assert "L2" in queue
    assert "1 unread" not in queue
    services = desk.bank.services
    await post_message(services, customer_of(bound), bound.conversation_id, "Ci siete?", client_key="k1")
    assert "1 unread" in await window.see("/queue")
    assert "Ci siete?" not in await window.see("/queue")
    await window.see(f"/cases/{case.id}")
    assert "1 unread" not in await window.see("/queue")


async def test_queue_filters_by_status_owner_and_network(desk: Desk) -> None:
    window, mine = await claimed(desk)
    other = await desk.case(await desk.bank.complaint("marco"))

    async def shown(query: str) -> set[str]:
        html = await window.see(f"/queue?{query}")
        return {name for name, case in (("mine", mine), ("other", other)) if f"/cases/{case.id}" in html}

    assert await shown("") == {"mine", "other"}
    assert await shown("assigned=me") == {"mine"}
    assert await shown("assigned=nobody") == {"other"}
    assert await shown("status=open") == {"other"}
    assert await shown("status=claimed") == {"mine"}
    assert await shown("status=closed") == set()
    assert await shown("network=square") == {"mine", "other"}
    assert await shown("status=nonsense&assigned=nonsense&network=nonsense") == {"mine", "other"}
    await bound_by_sms(desk.bank, slug=mine.slug)
    assert await shown("status=in_room") == {"mine"}
    assert await shown("status=claimed") == set()
    await window.send(f"/cases/{mine.id}/close", outcome="resolved")
    assert await shown("status=closed") == {"mine"}
    assert await shown("") == {"other"}
    await desk.bank.complaint()
    assert await shown("status=reopened") == {"mine"}


async def test_clocks_run_show_and_stop(desk: Desk) -> None:
    slug = await desk.bank.complaint()
    window = await desk.signed_in("anna")
    assert "clock-running" in await window.see("/queue")
    desk.bank.clock.pass_by(minutes=50)
    window = await desk.signed_in("anna")
    assert "clock-soon" in await window.see("/queue")
    desk.bank.clock.pass_by(minutes=11)
    window = await desk.signed_in("anna")
    html = await window.see("/queue")
    assert "clock-late" in html
    assert re.search(r"<dt>Late</dt><dd>1</dd>", html)
    case = await desk.case(slug)
    await window.send(f"/cases/{case.id}/claim")
    await window.send(f"/cases/{case.id}/close", outcome="explained")
    closed = await window.see("/queue?status=closed")
    assert "clock-missed" in closed
    assert "clock-met" in closed
    assert re.search(r"<dt>Late</dt><dd>0</dd>", closed)


async def test_queue_is_paged_by_urgency_and_shows_each_case_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.queue_pages.PAGE", 2)
    slugs = []
    for number in range(5):
        slugs.append(await desk.bank.complaint(f"user{number}"))
        desk.bank.clock.pass_by(minutes=1)
    window = await desk.signed_in("anna")
    path, seen = "/queue?assigned=nobody", []
    for _ in range(4):
        html = await window.see(path)
        seen.append(re.findall(r'href="/cases/([0-9a-f-]{36})"', html))
        found = re.search(r'href="(/queue\?[^"]*after=[^"]*)"', html)
        if found is None:
            break
        path = found.group(1)
    assert [len(page) for page in seen] == [2, 2, 1]
    assert [UUID(one) for page in seen for one in page] == [(await desk.case(slug)).id for slug in slugs]
    await window.see("/queue?after=rubbish", 400)


async def test_queue_needs_the_same_number_of_queries_for_two_cases_as_for_twenty(desk: Desk) -> None:
    from sqlalchemy import event

    counted: list[str] = []
    engine = desk.bank.services.read_engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    window = await desk.signed_in("anna")

    async def queries() -> int:
        counted.clear()
        await window.see("/queue")
        return len(counted)

    for number in range(2):
        await desk.bank.complaint(f"user{number}")
    few = await queries()
    for number in range(2, 20):
        await desk.bank.complaint(f"user{number}")
    assert await queries() == few


# The case


async def test_second_claim_is_refused_and_says_so(desk: Desk) -> None:
    _, case = await claimed(desk)
    other = await desk.signed_in("luca")
    html = await other.refused(f"/cases/{case.id}/claim", 409)
    assert "Somebody else has claimed this case." in html
    assert "un bollo addebitato due volte?" in html


async def test_reading_a_case_and_its_room_leaves_a_leaf_each(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    await window.see(f"/cases/{case.id}")
    read = await desk.events("case.read")
    assert read[-1]["stream"] == f"case:{case.id}"
    rooms = [leaf for leaf in await desk.events("room.read") if leaf["actor"]["k"] == "agent"]
    assert rooms[-1]["stream"] == f"room:{bound.conversation_id}:access"
    assert rooms[-1]["actor"]["id"] == str(desk.ids["anna"])


async def test_room_leaf_is_durable_before_a_text_is_opened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    window, case, bound = await in_room(desk)
    await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, "Segreto", client_key="k1")

    async def broken(*_: Any) -> str:
        raise RuntimeError("the vault is away")

    monkeypatch.setattr("app.conversations.queries.message_text", broken)
    await window.see(f"/cases/{case.id}", 500)
    assert [leaf for leaf in await desk.events("room.read") if leaf["actor"]["k"] == "agent"]


async def test_agent_without_the_case_sees_the_public_thread_and_nothing_of_the_room(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, "Solo per voi", client_key="k1")
    luca = await desk.signed_in("luca")
    html = await luca.see(f"/cases/{case.id}")
    assert "un bollo addebitato due volte?" in html
    assert "This case is not yours." in html
    for hidden_from_luca in ("Solo per voi", "Giulia Ferraro", "data-stream", "No room yet"):
        assert hidden_from_luca not in html
    assert await desk.events("room.refused") == []


async def test_insider_without_the_case_is_refused_everywhere_with_a_leaf(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    luca, room = await desk.signed_in("luca"), f"/conversations/{bound.conversation_id}"
    html = await luca.see(f"/cases/{case.id}?room={bound.conversation_id}", 403)
    assert "This room is not yours." in html
    assert "Giulia Ferraro" not in html
    await luca.refused(f"{room}/messages", 403, text="Salve", data_class="case", idempotency_key="k")
    await luca.refused(f"{room}/step-up", 403, level="3")
    await luca.see(f"{room}/events", 403)
    acts = [leaf["data"]["act"] for leaf in await desk.events("room.refused")]
    assert acts == ["read", "write", "step_up", "watch"]
    for act, fields in (
        ("notes", {"text": "x"}),
        ("close", {"outcome": "resolved"}),
        ("transfer", {"agent": str(desk.ids["luca"]), "reason": "give it to me"}),
        ("replies", {"text": GOOD, "intent": "publish", "idempotency_key": "k"}),
    ):
        assert "This case is not yours." in await luca.refused(f"/cases/{case.id}/{act}", 403, **fields)
    assert len(await desk.events("case.refused")) == 4
    assert await desk.bank.all(Reply) == []


async def test_note_stays_with_the_desk_and_transfer_takes_the_case_along(desk: Desk) -> None:
    anna, case, bound = await in_room(desk)
    await anna.send(f"/cases/{case.id}/notes", text="Terzo caso oggi")
    answer = await anna.send(f"/cases/{case.id}/transfer", agent=str(desk.ids["luca"]), reason="Fine turno")
    assert answer.headers["location"] == f"/cases/{case.id}?said=transferred"
    luca = await desk.signed_in("luca")
    html = await luca.see(f"/cases/{case.id}")
    assert "Terzo caso oggi" in html
    assert "Fine turno" in html
    assert "data-stream" in html
    await anna.see(f"/conversations/{bound.conversation_id}/events", 403)


async def test_transfer_to_nobody_of_the_desk_changes_nothing(desk: Desk) -> None:
    anna, case = await claimed(desk)
    for agent in ("nonsense", str(uuid4()), str(desk.ids["paolo"])):
        answer = await anna.client.post(f"/cases/{case.id}/transfer", data={"agent": agent, "reason": "Fine turno"})
        assert answer.status_code in (404, 422)
    assert (await desk.case(case.slug)).assigned_to == desk.ids["anna"]
    assert "Fine turno" not in await anna.see(f"/cases/{case.id}")


async def test_a_case_goes_back_to_the_queue_and_anybody_may_claim_it(desk: Desk) -> None:
    anna, case = await claimed(desk)
    await anna.send(f"/cases/{case.id}/transfer", agent="", reason="Fine turno")
    back = await desk.case(case.slug)
    assert (back.assigned_to, back.status) == (None, "open")
    assert "Fine turno" in await anna.see(f"/cases/{case.id}")


async def test_closing_a_case_closes_its_room_and_keeps_the_note(desk: Desk) -> None:
    anna, case, bound = await in_room(desk)
    await anna.refused(f"/cases/{case.id}/close", 422, outcome="nonsense")
    await anna.send(f"/cases/{case.id}/close", outcome="not_ours", note="Era per un'altra banca")
    html = await anna.see(f"/cases/{case.id}?said=closed")
    assert "Not a complaint about us" in html
    assert "Era per un'altra banca" in html
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert room.state == "closed"
    refused = await anna.refused(
        f"/conversations/{room.id}/messages", 409, text="Ancora", data_class="case", idempotency_key="k"
    )
    assert "This conversation is closed." in refused


async def test_case_that_does_not_exist_is_not_found(desk: Desk) -> None:
    window = await desk.signed_in("anna")
    await window.see(f"/cases/{uuid4()}", 404)
    await window.see("/cases/rubbish", 422)
    _, case = await claimed(desk, "luca")
    await window.see(f"/cases/{case.id}?room={uuid4()}", 404)


# The public reply


async def test_blocked_reply_shows_its_places_and_leaves_nothing(desk: Desk) -> None:
    window, case = await claimed(desk)
    checked = await window.refused(f"/cases/{case.id}/replies", 200, text=LEAK, intent="check")
    assert re.search(r'<mark class="block">[^<]*IT60X0542811101000000123456', checked)
    assert await desk.bank.all(GuardBlock) == []
    for _ in range(2):
        html = await window.refused(
            f"/cases/{case.id}/replies", 422, text=LEAK, intent="publish", idempotency_key=str(uuid4())
        )
        assert "This reply would reveal something in public." in html
        assert re.search(r'<mark class="block">[^<]*IT60X0542811101000000123456', html)
        assert 'value="override"' not in html
    assert await desk.bank.all(Reply) == []
    assert len(await desk.bank.all(GuardBlock)) == 1
    assert len(await desk.events("reply.checked")) == 1


async def test_published_reply_stands_in_the_thread_as_genuine(desk: Desk) -> None:
    window, case = await claimed(desk)
    form = await window.see(f"/cases/{case.id}")
    assert f"{PUBLIC}/c/{case.slug}" in form
    key = hidden(form, "idempotency_key")
    answer = await window.send(f"/cases/{case.id}/replies", text=GOOD, intent="publish", idempotency_key=key)
    html = await window.see(answer.headers["location"])
    assert GOOD in html
    assert "on its way" in html
    assert f"@giulia {GOOD} — Anna\n{PUBLIC}/c/{case.slug}" in html
    assert [reply.state for reply in await desk.bank.all(Reply)] == ["registered"]


async def test_double_click_sends_once_and_another_text_under_the_same_key_is_refused(desk: Desk) -> None:
    window, case = await claimed(desk)
    reply = {"text": GOOD, "intent": "publish", "idempotency_key": "one-form"}
    await asyncio.gather(*(window.send(f"/cases/{case.id}/replies", **reply) for _ in range(2)))
    assert len(await desk.bank.all(Reply)) == 1
    await window.refused(f"/cases/{case.id}/replies", 422, **{**reply, "text": GOOD + " A presto."})
    await window.refused(f"/cases/{case.id}/replies", 422, **{**reply, "idempotency_key": ""})
    assert len(await desk.bank.all(Reply)) == 1


async def test_warning_is_published_only_once_seen_and_only_for_that_text(desk: Desk) -> None:
    window, case = await claimed(desk)
    path, warned = f"/cases/{case.id}/replies", "Buongiorno, il signor Federico Esposito le scriverà in privato."
    html = await window.refused(path, 422, text=warned, intent="publish", idempotency_key="k1")
    assert '<mark class="warn">' in html
    seen = hidden(html, "text_hash")
    key = hidden(html, "idempotency_key")
    other = {"text": warned + " Subito.", "intent": "publish", "idempotency_key": key}
    await window.refused(path, 422, **other, text_hash=seen, acknowledge="yes")
    await window.refused(path, 422, text=warned, intent="publish", idempotency_key=key, text_hash=seen)
    assert await desk.bank.all(Reply) == []
    await window.send(path, text=warned, intent="publish", idempotency_key=key, text_hash=seen, acknowledge="yes")
    assert len(await desk.bank.all(Reply)) == 1


async def test_block_is_lifted_by_a_supervisor_with_a_reason_and_never_by_its_author(desk: Desk) -> None:
    anna, case = await claimed(desk)
    path = f"/cases/{case.id}/replies"
    await anna.refused(path, 422, text=LEAK, intent="publish", idempotency_key="k1")
    block: GuardBlock = (await desk.bank.all(GuardBlock))[0]
    sara = await desk.signed_in("sara")
    html = await sara.see(f"/cases/{case.id}")
    lifted = {"intent": "override", "block": str(block.id), "text_hash": hidden(html, "text_hash")}
    reason = "La cliente l'ha pubblicato lei stessa"
    await anna.refused(path, 403, **lifted, override_reason=reason)
    await sara.refused(path, 422, **lifted, override_reason="perché sì")
    await sara.refused(path, 409, **{**lifted, "text_hash": "0" * 64}, override_reason=reason)
    await sara.refused(path, 409, **{**lifted, "block": str(uuid4())}, override_reason=reason)
    assert await desk.bank.all(Reply) == []
    await sara.send(path, **lifted, override_reason=reason)
    assert [reply.overridden_by for reply in await desk.bank.all(Reply)] == [desk.ids["sara"]]
    await sara.refused(path, 409, **lifted, override_reason=reason)
    assert len(await desk.events("reply.overridden")) == 1


async def test_supervisor_cannot_lift_a_block_of_their_own(desk: Desk) -> None:
    sara, case = await claimed(desk, "sara")
    await sara.refused(f"/cases/{case.id}/replies", 422, text=LEAK, intent="publish", idempotency_key="k1")
    html = await sara.see(f"/cases/{case.id}")
    assert 'value="override"' not in html
    block: GuardBlock = (await desk.bank.all(GuardBlock))[0]
    from app.guard.service import text_hash

    refused = await sara.refused(
        f"/cases/{case.id}/replies",
        403,
        intent="override",
        block=str(block.id),
        text_hash=text_hash(LEAK),
        override_reason="Mi fido di me stessa",
    )
    assert "Somebody else must decide this" in refused
    assert "Mi fido di me stessa" not in refused
    assert await desk.bank.all(Reply) == []


# The room


async def test_message_reaches_the_room_once_and_the_customer_reads_it(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    form = await window.see(f"/cases/{case.id}")
    path = f"/conversations/{bound.conversation_id}/messages"
    message = {
        "text": "Buongiorno, sono Anna.",
        "data_class": "case",
        "idempotency_key": hidden(form, "idempotency_key"),
    }
    for _ in range(2):
        answer = await window.send(path, **message)
        assert answer.headers["location"] == f"/cases/{case.id}"
    assert len(await desk.events("message.sent")) == 1
    assert "Buongiorno, sono Anna." in await window.see(f"/cases/{case.id}")


async def test_message_by_the_module_answers_with_its_number(desk: Desk) -> None:
    window, _, bound = await in_room(desk)
    path, json_please = f"/conversations/{bound.conversation_id}/messages", {"accept": "application/json"}
    sent = await window.client.post(
        path, data={"text": "Salve", "data_class": "case", "idempotency_key": "k1"}, headers=json_please
    )
    assert sent.status_code == 201
    assert sent.json()["n"] > 0
    held = await window.client.post(
        path, data={"text": STORNO, "data_class": "account", "idempotency_key": "k2"}, headers=json_please
    )
    assert (held.status_code, held.json()) == (201, {"n": None})
    refused = await window.client.post(
        path, data={"text": STORNO, "data_class": "case", "idempotency_key": "k3"}, headers=json_please
    )
    assert refused.status_code == 422
    assert refused.json()["code"] == "class_too_low"


async def test_answer_above_the_level_is_held_and_shown_as_held(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/messages"
    answer = await window.send(path, text=STORNO, data_class="account", idempotency_key="k1")
    assert answer.headers["location"] == f"/cases/{case.id}?said=message_held"
    html = await window.see(answer.headers["location"])
    assert "1 answer held" in html
    assert STORNO in html
    assert "held until level 3" in html
    assert len(await desk.events("message.held")) == 1


async def test_refused_message_is_shown_again_with_what_was_typed(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/messages"
    html = await window.refused(path, 422, text=STORNO, data_class="case", idempotency_key="k1")
    assert "This text reveals more than the class you chose." in html
    assert f">{STORNO}</textarea>" in html
    card = await window.refused(
        path, 422, text="La carta 4111 1111 1111 1111?", data_class="identity", idempotency_key="k2"
    )
    assert "Please never write full card numbers" in card
    for fields in ({"data_class": "never"}, {"text": " "}, {"idempotency_key": ""}, {"text": "a\x00b"}):
        await window.refused(path, 422 if "\x00" not in fields.get("text", "") else 400, **{
            "text": "Salve", "data_class": "case", "idempotency_key": "k3", **fields
        })  # fmt: skip
    await window.refused(path, 413, text="a" * 4001, data_class="case", idempotency_key="k4")
    assert await desk.events("message.sent") == []
    assert f"/cases/{case.id}" in html


async def test_step_up_is_asked_in_the_room_and_only_for_real_levels(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    path = f"/conversations/{bound.conversation_id}/step-up"
    for level in ("", "2", "5", "three"):
        await window.refused(path, 422, level=level)
    answer = await window.send(path, level="3")
    html = await window.see(answer.headers["location"])
    assert "Asked to reach level 3." in html
    assert [leaf["data"]["level"] for leaf in await desk.events("room.step_up_requested")] == [3]
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert room.level == 2
    assert f"/cases/{case.id}" in answer.headers["location"]


async def test_proofs_and_level_stand_as_facts(desk: Desk) -> None:
    window, case, bound = await in_room(desk)
    html = await window.see(f"/cases/{case.id}")
    assert "Proved by sign-in at Square, 20:00" in html
    assert "Code to the phone on file, 20:00" in html
    assert "Level 2 of 4" in html
    assert "customer is here" in html
    assert "Giulia Ferraro" not in html, "one typed code opens nothing of the bank's files, not even to the agent"
    async with transaction(desk.bank.services) as db:
        await rooms_service.raise_level(
            db, bound.conversation_id, session_id=bound.session_id, level=Level.L3, actor=customer_of(bound)
        )
    assert "Giulia Ferraro" in await window.see(f"/cases/{case.id}")


async def test_supervisor_reads_any_room_and_leaves_a_leaf(desk: Desk) -> None:
    _, case, bound = await in_room(desk)
    sara = await desk.signed_in("sara")
    assert "data-stream" in await sara.see(f"/cases/{case.id}")
    last = (await desk.events("room.read"))[-1]
    assert last["actor"]["id"] == str(desk.ids["sara"])
    assert last["stream"] == f"room:{bound.conversation_id}:access"


async def test_two_rooms_of_a_case_never_mix(desk: Desk) -> None:
    window, case, first = await in_room(desk)
    services = desk.bank.services
    await post_message(services, customer_of(first), first.conversation_id, "Prima stanza", client_key="k1")
    desk.bank.clock.pass_by(minutes=1)
    second = await bound_by_identity(desk.bank, number="C-1002", slug=case.slug)
    await post_message(services, customer_of(second), second.conversation_id, "Seconda stanza", client_key="k2")
    newest = await window.see(f"/cases/{case.id}")
    assert "There is more than one room in this case." in newest
    assert "Seconda stanza" in newest
    assert "Marco Bianchi" in newest
    assert "Prima stanza" not in newest
    assert "Giulia Ferraro" not in newest
    assert f'data-page="/cases/{case.id}?room={second.conversation_id}"' in newest
    older = await window.see(f"/cases/{case.id}?room={first.conversation_id}")
    assert "Prima stanza" in older
    assert "Seconda stanza" not in older
    answer = await window.send(
        f"/conversations/{first.conversation_id}/messages", text="Eccomi", data_class="case", idempotency_key="k3"
    )
    assert answer.headers["location"] == f"/cases/{case.id}?room={first.conversation_id}"


async def test_long_room_shows_its_newest_messages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.room_entries.ENTRIES_ON_A_PAGE", 3)
    window, case, bound = await in_room(desk)
    for number in range(6):
        text = f"Riga numero {number}"
        await post_message(desk.bank.services, customer_of(bound), bound.conversation_id, text, client_key=text)
    html = await window.see(f"/cases/{case.id}")
    assert re.findall(r"Riga numero \d", html) == ["Riga numero 3", "Riga numero 4", "Riga numero 5"]
    room: Conversation = await desk.bank.one(Conversation, bound.conversation_id)
    assert f'data-cursor="{room.last_n}"' in html
    older = re.search(r'href="(/cases/[^"]*before=\d+)"', html)
    assert older
    before = await window.see(older.group(1).replace("&amp;", "&"))
    assert re.findall(r"Riga numero \d", before) == ["Riga numero 0", "Riga numero 1", "Riga numero 2"]


async def test_stream_is_a_lease_and_ends_with_the_session(desk: Desk) -> None:
    window, _, bound = await in_room(desk)
    room = bound.conversation_id
    await post_message(desk.bank.services, customer_of(bound), room, "Dal vivo", client_key="k1")
    stream = asyncio.create_task(window.client.get(f"/conversations/{room}/events", headers={"last-event-id": "0"}))
    for _ in range(200):
        if await desk.bank.all(RoomWatch):
            break
        await asyncio.sleep(0.02)
    await window.send("/signout")
    answer = await asyncio.wait_for(stream, 10)
    assert answer.headers["content-type"].startswith("text/event-stream")
    messages = re.findall(r"event: message\ndata: (.*)", answer.text.replace("\r\n", "\n"))
    assert [json.loads(one)["text"] for one in messages] == ["Dal vivo"]
    assert "event: end" in answer.text
    for _ in range(200):
        if (await desk.bank.all(RoomWatch))[0].ended_at is not None:
            break
        await asyncio.sleep(0.02)
    events = [leaf["t"] for leaf in await desk.bank.leaves(stream=f"room:{room}:access")]
    assert "room.watching" in events
    assert events[-1] == "room.watch_ended"


# Compliance and administration


async def test_officer_asks_for_an_export_and_everything_has_its_leaf(desk: Desk) -> None:
    _, _, bound = await in_room(desk)
    paolo = await desk.signed_in("paolo")
    answer = await paolo.send("/exports", scope="room", room=str(bound.conversation_id), reason="Reclamo 2026/118")
    assert answer.headers["location"] == "/exports?said=export_requested"
    html = await paolo.see(answer.headers["location"])
    assert "Reclamo 2026/118" in html
    assert "being built" in html
    assert "bank.example/log" in html
    requested = await desk.events("export.requested")
    assert requested[-1]["data"] == {"scope": "room", "of": str(bound.conversation_id)}
    export_id = requested[-1]["stream"].removeprefix("export:")
    await paolo.see(f"/exports/{export_id}/download", 409)


async def test_unclear_export_is_refused_and_what_was_typed_stays(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    for scope, room, reason, status in (
        ("log", "", "x", 422),
        ("nonsense", "", "Ispezione", 422),
        ("room", "", "Ispezione", 422),
        ("room", "rubbish", "Ispezione", 422),
        ("log", str(uuid4()), "Ispezione", 422),
        ("room", str(uuid4()), "Ispezione", 404),
    ):
        html = await paolo.refused("/exports", status, scope=scope, room=room, reason=reason)
        assert f'value="{reason}"' in html
        assert "rubbish" not in html
    assert await desk.events("export.requested") == []


async def test_rooms_to_export_are_named_by_reference_only(desk: Desk) -> None:
    _, _, bound = await in_room(desk)
    paolo = await desk.signed_in("paolo")
    html = await paolo.see("/exports")
    assert f'<option value="{bound.conversation_id}"' in html
    assert "Giulia" not in html
    assert "@giulia" not in html


async def test_officer_downloads_the_bag_and_its_leaf_is_there_first(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    await paolo.send("/exports", scope="log", room="", reason="Ispezione annuale")
    export_id = (await desk.events("export.requested"))[-1]["stream"].removeprefix("export:")
    await desk.build_export()
    html = await paolo.see("/exports")
    assert f'href="/exports/{export_id}/download"' in html
    assert re.search(r"\d+ kB", html)
    assert "in order" in html
    answer = await paolo.client.get(f"/exports/{export_id}/download")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content[:2] == b"PK"
    assert [leaf["actor"]["id"] for leaf in await desk.events("export.downloaded")] == [str(desk.ids["paolo"])]


async def test_nobody_else_asks_for_or_fetches_an_export(desk: Desk) -> None:
    paolo = await desk.signed_in("paolo")
    await paolo.send("/exports", scope="log", room="", reason="Ispezione annuale")
    export_id = (await desk.events("export.requested"))[-1]["stream"].removeprefix("export:")
    for login in ("anna", "sara", "ada"):
        window = await desk.signed_in(login)
        await window.refused("/exports", 403, scope="log", room="", reason="Curiosità")
        await window.see(f"/exports/{export_id}/download", 404)
    assert len(await desk.events("export.refused")) == 6


async def test_administrator_sees_who_may_work_here(desk: Desk) -> None:
    await desk.signed_in("anna")
    ada = await desk.signed_in("ada")
    html = await ada.see("/agents")
    for login in ("anna", "luca", "sara", "paolo", "ada"):
        assert login in html
    assert html.count("never") >= 3


# Pure parts


def test_marked_pieces_always_add_up_to_the_text() -> None:
    text = "sul tuo conto IT60 e la carta"

    def found(start: int, end: int) -> Finding:
        return Finding("iban", "block", start, end, "", "")

    for findings in (
        [],
        [found(0, 3)],
        [found(4, 7), found(8, 13)],
        [found(0, 13), found(8, 20)],
        [found(8, 20), found(0, 13)],
        [found(0, len(text)), found(4, 7)],
        [found(5, 5), found(24, 29)],
    ):
        pieces = pieces_of(text, findings)
        assert "".join(piece.text for piece in pieces) == text
        assert all(piece.text for piece in pieces)
        assert {piece.finding for piece in pieces} <= set(range(len(findings) + 1))
    assert pieces_of(text, [found(4, 7)]) == (
        TextPiece(text="sul "),
        TextPiece(text="tuo", finding=1),
        TextPiece(text=" conto IT60 e la carta"),
    )


def test_size_is_shown_in_the_unit_that_fits() -> None:
    shown = {one: shown_size(one) for one in (0, 900, 48_200, 999_400, 1_200_000, 12_000_000, 3_400_000_000)}
    assert list(shown.values()) == ["0.0 kB", "0.9 kB", "48 kB", "999 kB", "1.2 MB", "12 MB", "3.4 GB"]


def test_every_outcome_that_the_api_takes_has_a_word_on_the_page() -> None:
    assert set(SHOWN_OUTCOMES) == {outcome.value for outcome in Outcome}
    assert set(SHOWN_OUTCOMES.values()) == set(OUTCOMES)
