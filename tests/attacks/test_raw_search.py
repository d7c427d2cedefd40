"""After a whole journey nothing of it can be read in databases, files or logs, in any of the forms that hide a text."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy import text

import app.binding.flows
import app.handover.queries
import app.sessions.service
import app.web.browser_cookie
from app.binding import challenges
from app.demo import cast
from app.demo.playing.holding import until
from app.demo.playing.steps_passkey import new_device
from app.demo.playing.walking import begin, name_account, step_up
from app.demo.running import free_addresses, running_demo
from app.http.logs import configure_logging
from security import totp
from security.encoding import b64url
from security.secret import Secret
from tests.attacks.searching import base64_core, find_all, forms_of
from tests.attacks.town import GREETING, Town, Who, open_town
from tests.support.postgres import PostgresServer, running_postgres

PUBLIC: Final = "@bancaesempio ancora nulla: tassa sul libretto verde, quarta volta. Perché?"
HELLO: Final = "Buonasera Anna, il bollo è sul conto della zia Clotilde."
ANSWER: Final = "Capisco, guardo la pratica della zia e torno da lei."
HELD: Final = "Il bollo di 34,20 euro è stato stornato sul suo conto il 3 novembre."
NOTE: Final = "Nota interna: cliente gentile, verificare con l'ufficio bolli di Torino."
BLOCKED: Final = "Gentile Giulia, il rimborso arriva su IT60X0542811101000000123456."
CARD: Final = "La mia carta è 4111 1111 1111 1111, controllate lì."
REASON: Final = "Richiesta dell'autorità numero 77 sulla pratica bolli."
COMMENT: Final = "Finalmente qualcuno che ascolta davvero."
STRAY: Final = "Canarino.Fuggito.2718281828"
TEXTS: Final = (PUBLIC, HELLO, ANSWER, HELD, NOTE, BLOCKED, CARD, REASON, COMMENT, STRAY)
SET_APART: Final = ("keys", "customers.csv")
REFERENCE: Final = re.compile(r"[A-Z0-9]{4}(?:-[A-Z0-9]{4}){2}")


@dataclass
class Ears:
    """Everything secret that passes while the town lives."""

    secrets: set[str] = field(default_factory=set)

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Tokens and codes as they are made, addresses as they are sent."""
        self._keep_results(patch, app.binding.flows, "new_token")
        self._keep_results(patch, app.sessions.service, "new_token")
        self._keep_results(patch, app.web.browser_cookie, "new_token")
        self._keep_results(patch, challenges, "new_code")
        send = httpx2.AsyncHTTPTransport.handle_async_request

        async def heard(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
            answer = await send(transport, request)
            for address in (str(request.url), answer.headers.get("location", "")):
                self._keep_query(address)
            return answer

        patch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", heard)

    def _keep_results(self, patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        make: Callable[[], str] = getattr(module, name)

        def made() -> str:
            self.secrets.add(make_one := make())
            return make_one

        patch.setattr(module, name, made)

    def _keep_query(self, address: str) -> None:
        named = ("code", "state", "code_challenge", "nonce")
        self.secrets |= {
            value for name, value in parse_qsl(urlsplit(address).query) if name in named and len(value) > 7
        }


@contextlib.contextmanager
def logs_at_debug() -> Iterator[io.StringIO]:
    """The process's own logging, libraries included, with nothing left out for its level."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(stream, logging.DEBUG)
        root.setLevel(logging.DEBUG)
        for handler in root.handlers:
            handler.setLevel(logging.DEBUG)
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


async def journey(town: Town, patch: pytest.MonkeyPatch) -> set[str | bytes]:
    """All that the story holds, beside the town's own beginnings; gives what was secret in it and was not heard."""
    people, giulia, anna = town.people, town.people.giulia, town.desk["anna"]
    case, room = town.giulia.case_id, f"/conversations/{town.giulia.room_id}"
    await people.scene.say(giulia, cast.GIULIA, PUBLIC)
    page = (await giulia.open(f"{town.site('bank')}/room")).expect(200)
    (await giulia.write(page, "/room/messages", text=HELLO)).expect(201)
    (await giulia.write(page, "/room/messages", text=CARD)).expect(422)
    (await anna.post(f"{room}/messages", {"text": ANSWER, "data_class": "case"})).expect(201)
    assert (await anna.post(f"{room}/messages", {"text": HELD})).expect(201)["state"] == "held"
    (await anna.post(f"/cases/{case}/notes", {"text": NOTE})).expect(201)
    (await anna.post(f"/cases/{case}/replies", {"text": BLOCKED})).expect_refusal(422, "guard_blocked")
    secrets = await enrolled(town)
    raised = await giulia.go_on(await step_up(people, giulia, cast.GIULIA.customer_number), "/room")
    assert raised.says(HELD)
    secrets |= await tapped(town)
    await code_by_message(town)
    await exported(town)
    await receipted(town)
    (await anna.post(f"/cases/{case}/close", {"outcome": "explained"})).expect(200)
    page = (await giulia.open(f"{town.site('bank')}/room")).expect(200)
    (await giulia.go_on(await giulia.submit(page, "/room/rating", stars="5", comment=COMMENT), "/room")).expect(200)
    await strayed(town, patch)
    for one in cast.CUSTOMERS:
        texts = [*await people.arrived(one.phone), *await people.arrived(one.email)]
        secrets |= {match.group() for text in texts if (match := REFERENCE.search(text))}
    assert len(secrets) >= 5
    return secrets


async def enrolled(town: Town) -> set[str | bytes]:
    """Giulia adds an authenticator app; gives its secret, as text and as bytes."""
    giulia = town.people.giulia
    page = (await giulia.open(f"{town.site('bank')}/room/authenticator")).expect(200)
    found = re.search(r"\b[A-Z2-7]{4}(?: [A-Z2-7]{4}){7}\b", page.page.words)
    assert found is not None
    secret = found.group().replace(" ", "")
    raw = base64.b32decode(secret)
    code = totp.code_at(Secret(raw), town.services.clock())
    done = await giulia.submit(page, "/room/authenticator", code=code)
    await giulia.go_on(done, "/room")
    return {secret, found.group(), raw}


async def tapped(town: Town) -> set[str | bytes]:
    """Giulia makes a passkey and comes back by it; gives what her device knows it by, and its key."""
    giulia, key = town.people.giulia, new_device(town.people)
    room = (await giulia.open(f"{town.site('bank')}/room")).expect(200)
    (await giulia.go_on(await giulia.tap(room, "/room/passkeys", key.create), "/room/passkeys")).expect(200)
    landing = (await giulia.open(town.giulia.link)).expect(200)
    back = await giulia.tap(landing, f"{town.giulia.path}/passkey", key.get)
    (await giulia.go_on(back, "/room")).expect(200)
    return {key.credential_id, key.user_handle, b64url(key.credential_id), b64url(key.user_handle)}


async def code_by_message(town: Town) -> None:
    """Mallory asks for a code by direct message at his own link, and mistypes it."""
    browser = await town.bystander()
    await town.people.scene.enter(browser, cast.MALLORY)
    asked = await name_account(browser, await begin(browser, town.mallory.link), "@mallory", "direct_message")
    typing = await browser.go_on(asked)
    (await browser.submit(typing, typing.path, code="00000000")).expect(422)

    async def look() -> bool:
        page = await browser.open(f"{town.site('square')}/messages/{cast.BANK_ID}")
        return re.search(r"\b\d{8}\b", page.page.words) is not None

    await until(look, "the direct message")


async def exported(town: Town) -> None:
    """Paolo's bag of Giulia's room, built and downloaded."""
    paolo = town.desk["paolo"]
    wanted = {"scope": "room", "conversation_id": str(town.giulia.room_id), "reason": REASON}
    export = (await paolo.post("/exports", wanted)).expect(202)

    async def look() -> bool:
        return bool((await paolo.get(f"/exports/{export['id']}"))["state"] == "ready")

    await until(look, "the bag")
    assert (await paolo.fetch(f"/exports/{export['id']}/bag")).startswith(b"PK")


async def receipted(town: Town) -> None:
    """Giulia looks at her link and takes her receipt, which holds what she saw and is kept nowhere."""
    giulia = town.people.giulia
    page = (await giulia.open(f"{town.site('bank')}/room/binding")).expect(200)
    assert page.says("@giulia")
    who = Who(visitor=town.token_of(giulia))

    async def look() -> bytes | None:
        made = await town.wire.send("bank", "POST", "/room/receipt", who, form={})
        assert made.status_code in (200, 503)
        return made.content if made.status_code == 200 else None

    receipt = await until(look, "the receipt")
    assert receipt.startswith(b"PK")
    for shown in (HELLO, ANSWER, HELD):
        assert shown.encode() in receipt


async def strayed(town: Town, patch: pytest.MonkeyPatch) -> None:
    """A secret where it does not belong: paths, queries, headers, broken bodies, and an error that quotes it."""
    mark, api = quote(STRAY), Who(bearer=town.desk["anna"].token)
    headers = {"user-agent": STRAY, "referer": STRAY, "x-request-id": STRAY, "idempotency-key": STRAY}
    for site in ("bank", "staff"):
        for path in (f"/{mark}", f"/c/{mark}/start", f"/signin/{mark}/callback?code={mark}", f"/verify?text={mark}"):
            for method in ("GET", "POST"):
                body = f'{{"text": "{STRAY}", broken'.encode()
                await town.wire.send(site, method, path, headers=headers, body=body if method == "POST" else None)
        bad = f"/api/v1/cases/{town.giulia.case_id}/notes"
        await town.wire.send(site, "POST", bad, api, headers=headers, document={"text": {"inner": STRAY}})
        await town.wire.send(site, "POST", bad, Who(bearer=STRAY), headers=headers, document={STRAY: 1})
    await town.wire.send("staff", "POST", "/signin", form={"name": STRAY, "password": STRAY, "code": STRAY})

    async def broken(*_: Any) -> None:
        raise RuntimeError(f"the row {STRAY} is not as it should be")

    with patch.context() as inside:
        inside.setattr(app.handover.queries, "verify", broken)
        answer = await town.wire.send("bank", "POST", "/verify", form={"text": STRAY})
        assert (answer.status_code, STRAY in answer.text) == (500, False)


def of_the_cast(town: Town) -> set[str | bytes]:
    """Customers and others with what identifies them; the staff's ways in; the demo's own secrets."""
    secrets: set[str | bytes] = {post.text for post in cast.posts(town.services.clock())}
    secrets |= {GREETING.format(name=one.first_name) for one in cast.CUSTOMERS}
    for one in cast.TOWN:
        secrets |= {one.name, one.handle, one.first_name, one.fiscal_code}
    for customer in cast.CUSTOMERS:
        secrets |= {customer.customer_number, customer.phone, customer.phone[1:], customer.phone[3:], customer.email}
    for key in town.bank.staff:
        raw = key.totp_secret.reveal()
        secrets |= {key.password, raw, base64.b32encode(raw).decode()}
    identities = town.bank.identities
    secrets |= {town.bank.sms_token, identities.secret, identities.key.private_jwk()["d"]}
    secrets |= {one.token for one in town.desk.values()}
    return {secret for secret in secrets if len(secret) > 4}


def key_material(folder: Path) -> set[str | bytes]:
    """What stands in the key files, to be found nowhere else."""
    texts = [path.read_text() for path in (folder / "keys").iterdir() if path.suffix == ".json"]
    return {value for text in texts for value in re.findall(r'"([A-Za-z0-9+/_=-]{40,})"', text)}


def files_of(folder: Path) -> dict[str, bytes]:
    """The data folder, key files and the bank's own customer file apart."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.relative_to(folder).parts[0] not in SET_APART
    }


def rows_of(server: PostgresServer, databases: list[str]) -> dict[str, bytes]:
    """Every row of every table, as the server would hand it out in binary, and what its files hold."""
    found: dict[str, bytes] = {}
    for name in databases:
        with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            listed = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
            for schema, table in listed.fetchall():
                copy = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, table))
                with connection.cursor().copy(copy) as rows:
                    found[f"{name}.{table}"] = b"".join(bytes(part) for part in rows)
            oid = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
            assert oid is not None
            for path in (server.folder / "data/base" / str(oid[0])).iterdir():
                found[f"{name}/{path.name}"] = path.read_bytes()
    for folder in ("pg_wal", "base/pgsql_tmp"):
        place = server.folder / "data" / folder
        found |= {f"{folder}/{path.name}": path.read_bytes() for path in place.glob("*") if path.is_file()}
    found["postgres log"] = (server.folder / "log").read_bytes()
    return found


@contextlib.contextmanager
def databases_of(kind: str) -> Iterator[tuple[tuple[str, str], Callable[[], dict[str, bytes]]]]:
    """Addresses of two empty databases, and how to read all that a server keeps (SQLite's files lie in the folder)."""
    if kind == "sqlite":
        yield ("", ""), dict
        return
    with running_postgres() as server:
        names = [server.new_database() for _ in range(2)]
        yield (server.url(names[0]), server.url(names[1])), lambda: rows_of(server, names)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nothing_of_the_journey_can_be_read_in_databases_files_or_logs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ears = Ears()
    ears.listen(monkeypatch)
    with databases_of(kind) as (urls, look), logs_at_debug() as log:
        async with open_town(tmp_path, urls) as town:
            secrets = await journey(town, monkeypatch)
            secrets |= of_the_cast(town) | key_material(tmp_path) | {*TEXTS, *ears.secrets}
            places = {**files_of(tmp_path), "log": log.getvalue().encode(), **await asyncio.to_thread(look)}
            assert await asyncio.to_thread(find_all, secrets, places) == []
        out, err = capfd.readouterr()
        # Once more at rest: SQLite's write-ahead log has gone into its database.
        at_rest = {**files_of(tmp_path), "log": log.getvalue().encode(), "output": (out + err).encode()}
        assert await asyncio.to_thread(find_all, secrets, at_rest) == []
    assert len(secrets) > 100
    assert len(ears.secrets) > 20
    assert len(places["log"].splitlines()) > 100
    assert {"riserbo.db", "riserbo.db-wal", "keys.db"} <= places.keys() or kind == "postgresql"
    assert any(place.startswith("exports/") for place in places)


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("secret", [HELLO, cast.GIULIA.email, "27182818", "0b5e6a2c9d7f4813a5c0e6b1d2f39874"])
def test_the_search_finds_a_planted_secret_in_every_form(secret: str, before: int) -> None:
    around = b"-+-"[:before]
    ways = {
        "plain": secret.encode(),
        "UTF-16 LE": secret.encode("utf-16-le"),
        "UTF-16 BE": secret.encode("utf-16-be"),
        "base64": base64.b64encode(around + secret.encode() + b"..."),
        "url-safe base64": base64.urlsafe_b64encode(around + secret.encode() + b"."),
        "hexadecimal": b"x" + secret.encode().hex().encode() + b"x",
        "HEXADECIMAL": secret.encode().hex().upper().encode(),
        "URL": quote(secret, safe="").encode(),
        "reversed": secret[::-1].encode(),
        "JSON": json.dumps([secret]).encode(),
        "escaped": ascii(secret).encode(),
        "database page": b"\0" * 100 + secret.encode() + b"\0" * 7,
    }
    for way, content in ways.items():
        found = find_all([secret], {"place": b"\x01\x02;" + around + b";" + content + b";\xff"})
        assert found, way
    assert find_all([secret], {"place": b"nothing of it: " + b"0123456789abcdef" * 99}) == []


def test_what_stands_around_a_secret_does_not_hide_it_in_base64() -> None:
    for before in range(3):
        for after in range(4):
            for edge in (b"\x00", b"\xff", b"a"):
                encoded = base64.b64encode(edge * before + HELLO.encode() + edge * after)
                assert base64_core(HELLO.encode(), before) in encoded
    assert len(list(forms_of(HELLO))) > 12


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_search_finds_what_is_planted_in_the_house(kind: str, tmp_path: Path) -> None:
    """A row and a file in the clear are found, the row also in the files behind it: finding nothing means something."""
    with databases_of(kind) as (urls, look):
        async with running_demo(tmp_path, free_addresses(None), urls) as bank:
            assert await asyncio.to_thread(find_all, [HELLO, NOTE], {**files_of(tmp_path), **look()}) == []
            async with bank.house.services.write_engine.begin() as connection:
                await connection.execute(text("CREATE TABLE planted (said TEXT)"))
                await connection.execute(text("INSERT INTO planted VALUES (:said)"), {"said": HELLO})
            (tmp_path / "exports" / "left-over.txt").write_bytes(base64.b64encode(NOTE.encode()))
            found = find_all([HELLO, NOTE], {**files_of(tmp_path), **await asyncio.to_thread(look)})
    places = {one.place for one in found if one.secret == HELLO}
    assert "exports/left-over.txt" in {one.place for one in found if one.secret == NOTE}
    if kind == "sqlite":
        assert "riserbo.db-wal" in places
    else:
        assert any(place.endswith(".planted") for place in places)
        assert any(place.startswith("pg_wal/") for place in places)
