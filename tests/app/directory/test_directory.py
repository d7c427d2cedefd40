"""The bank's directory: any usual spelling finds, nothing is made up, two with one phone are nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from app.directory.csv_file import CsvDirectory
from app.directory.http_service import HttpDirectory
from app.directory.port import CustomerRecord, DirectoryUnavailable, normalise
from app.outbound import OutboundClient
from security.secret import Secret
from tests.support.serving import serving

HEAD = "customer_number,name,phone,email,language,city\n"
GIULIA = "C-1001,Giulia Ferraro,333 1234567,Giulia@Posta.example,it,Torino\n"


@pytest.mark.parametrize(
    "typed",
    [
        "+39 333 1234567",
        "333 1234567",
        "333.123.45.67",
        "(333) 123-4567",
        " +39-333-123-4567 ",
        "+３９３３３１２３４５６７",
        "0039 333 1234567",
    ],
)
def test_every_usual_spelling_of_a_phone_is_the_same_phone(typed: str) -> None:
    assert normalise(typed) == ("phone", "+393331234567")


def test_landlines_keep_their_zero_and_other_countries_their_own() -> None:
    assert normalise("011 5561234") == ("phone", "+390115561234")
    assert normalise("+44 20 7946 0018") == ("phone", "+442079460018")


@pytest.mark.parametrize("typed", ["Giulia@Posta.example", " giulia@posta.example ", "GIULIA＠POSTA.EXAMPLE"])
def test_every_usual_spelling_of_a_mail_address_is_the_same(typed: str) -> None:
    assert normalise(typed) == ("email", "giulia@posta.example")


@pytest.mark.parametrize(("typed", "kept"), [("c-1001", "C1001"), (" C 1001 ", "C1001"), ("C–1001", "C1001"), ("", "")])
def test_customer_numbers_are_compared_without_their_punctuation(typed: str, kept: str) -> None:
    assert normalise(typed) == ("number", kept)


@pytest.mark.parametrize("typed", ["+", "+39", "@", "\x00", "１", "+999999999999999999", "a" * 10_000, "🦆"])
def test_nothing_that_can_be_typed_is_an_error(typed: str) -> None:
    kind, _ = normalise(typed)
    assert kind in ("phone", "email", "number")


def written(folder: Path, *rows: str) -> CsvDirectory:
    (folder / "customers.csv").write_text(HEAD + "".join(rows), "utf-8")
    return CsvDirectory(folder / "customers.csv")


@pytest.mark.parametrize("typed", ["c-1001", "C1001", "+39 333 1234567", "giulia@posta.example"])
async def test_a_customer_is_found_by_number_phone_or_mail(tmp_path: Path, typed: str) -> None:
    found = await written(tmp_path, GIULIA).find(typed)
    assert found == CustomerRecord("C-1001", "Giulia Ferraro", "+393331234567", "Giulia@Posta.example", "it", "Torino")
    assert "Giulia" not in repr(found)


@pytest.mark.parametrize("typed", ["", " ", "C-100", "C-10011", "Giulia Ferraro", "Torino", "giulia@posta", "333"])
async def test_nothing_else_finds_anybody(tmp_path: Path, typed: str) -> None:
    assert await written(tmp_path, GIULIA).find(typed) is None


async def test_a_phone_that_two_customers_share_names_neither(tmp_path: Path) -> None:
    directory = written(tmp_path, GIULIA, "C-1002,Marco Ferraro,3331234567,marco@posta.example,it,Torino\n")
    assert await directory.find("333 1234567") is None
    for number in ("C-1001", "C-1002"):
        found = await directory.find(number)
        assert found is not None
        assert found.customer_number == number


async def test_a_row_that_says_little_is_a_customer_without_channels(tmp_path: Path) -> None:
    directory = written(tmp_path, "C-1003,Silvia Neri,,,,\n", "C-1004,Ugo,call me,no address,,\n", ",Nobody,,,,\n")
    assert await directory.find("C-1003") == CustomerRecord("C-1003", "Silvia Neri", None, None, "it", None)
    ugo = await directory.find("C-1004")
    assert ugo is not None
    assert (ugo.phone, ugo.email) == (None, None)
    assert await directory.find("") is None


async def test_a_new_file_is_read_and_a_broken_one_is_unavailable(tmp_path: Path) -> None:
    directory = written(tmp_path, GIULIA)
    assert await directory.find("C-1001") is not None
    await asyncio.sleep(0.01)
    written(tmp_path, GIULIA.replace("C-1001", "C-2001"))
    assert await directory.find("C-2001") is not None
    assert await directory.find("C-1001") is None
    for content in (b"customer_number;name\nC-1;x\n", b"\xff\xfe\x00broken", (HEAD + "C-1\n").encode()):
        await asyncio.sleep(0.01)
        (tmp_path / "customers.csv").write_bytes(content)
        with pytest.raises(DirectoryUnavailable):
            await directory.find("C-2001")
    (tmp_path / "customers.csv").unlink()
    with pytest.raises(DirectoryUnavailable):
        await directory.find("C-2001")


async def asked(answer: Response, identifier: str = "333 1234567") -> tuple[CustomerRecord | None, list[Any]]:
    app, got = FastAPI(), []

    @app.post("/find")
    async def find(request: Request) -> Response:
        got.append((await request.json(), request.headers["authorization"], str(request.url.query)))
        return answer

    async with serving(app) as port:
        outbound = OutboundClient(http_hosts={"crm.example": ("127.0.0.1", port)})
        directory = HttpDirectory(f"http://crm.example:{port}/find", Secret(b"crm-token"), outbound)
        return await directory.find(identifier), got


RECORD = {
    "customer_number": "c-1001",
    "name": "Giulia Ferraro",
    "phone": "333 1234567",
    "email": "giulia@posta.example",
}


async def test_the_service_is_asked_in_the_body_under_its_token() -> None:
    found, got = await asked(JSONResponse(RECORD))
    assert found == CustomerRecord("C-1001", "Giulia Ferraro", "+393331234567", "giulia@posta.example", "it", None)
    assert got == [({"kind": "phone", "identifier": "+393331234567"}, "Bearer crm-token", "")]


async def test_an_unknown_customer_is_nobody() -> None:
    assert (await asked(JSONResponse({}, 404)))[0] is None


@pytest.mark.parametrize(
    "document",
    [
        {**RECORD, "customer_number": None},
        {**RECORD, "customer_number": ""},
        {**RECORD, "customer_number": "  "},
        {**RECORD, "customer_number": {"$ne": ""}},
        {**RECORD, "name": None},
        {**RECORD, "phone": 393331234567},
        {**RECORD, "email": ["giulia@posta.example"]},
        {**RECORD, "language": 7},
        {"name": "Giulia"},
        [RECORD],
        [],
        None,
        "C-1001",
        7,
    ],
    ids=repr,
)
async def test_a_hostile_or_broken_record_is_unavailable_and_never_a_customer(document: Any) -> None:
    """A number that is null was the same customer "NONE" for everybody."""
    with pytest.raises(DirectoryUnavailable):
        await asked(JSONResponse(document))


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"[" * 50_000, media_type="application/json"),
        Response(b"\xff\xfe", media_type="application/json"),
        Response(b"", media_type="application/json"),
        Response(b" " * 100_000, media_type="application/json"),
        Response(b'{"customer_number": "C-1", "name": "x"', media_type="application/json"),
        JSONResponse(RECORD, 500),
        JSONResponse(RECORD, 201),
        Response(status_code=302, headers={"Location": "https://elsewhere.example"}),
    ],
    ids=["deep", "no UTF-8", "empty", "too large", "cut", "500", "201", "redirect"],
)
async def test_an_answer_that_is_none_is_unavailable(answer: Response) -> None:
    with pytest.raises(DirectoryUnavailable):
        await asked(answer)


async def test_a_phone_or_mail_that_cannot_be_reached_is_none() -> None:
    found, _ = await asked(JSONResponse({**RECORD, "phone": "ask the branch", "email": "giulia@a\nBcc: x@y.example"}))
    assert found is not None
    assert (found.phone, found.email) == (None, None)
