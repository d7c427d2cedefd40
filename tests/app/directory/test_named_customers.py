"""Customers whom an identity provider names: as what it named them, and as nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response

from app.directory.csv_file import CsvDirectory
from app.directory.http_service import HttpDirectory
from app.directory.port import IdentifierKind, canonical
from app.outbound import OutboundClient
from security.secret import Secret
from tests.support.serving import serving

HEAD = "customer_number,name,phone,email,language,city,fiscal_code,subject\n"
GIULIA = "C-1001,Giulia Ferraro,333 1234567,giulia@posta.example,it,Torino,FRRGLI80A41L219X,login:g-1 spid:s-1\n"
MARCO = "333 7654321,Marco Bianchi,,,it,,TINIT-BNCMRC85M01F205S,login:m-1\n"
NUMBER, FISCAL, SUBJECT = IdentifierKind.NUMBER, IdentifierKind.FISCAL_CODE, IdentifierKind.SUBJECT


def written(folder: Path, *rows: str, head: str = HEAD) -> CsvDirectory:
    (folder / "customers.csv").write_text(head + "".join(rows), "utf-8")
    return CsvDirectory(folder / "customers.csv")


@pytest.mark.parametrize(
    ("identifier", "kind", "number"),
    [
        ("C-1001", NUMBER, "C-1001"),
        ("c 1001", NUMBER, "C-1001"),
        ("3337654321", NUMBER, "333 7654321"),
        ("FRRGLI80A41L219X", FISCAL, "C-1001"),
        ("TINIT-FRRGLI80A41L219X", FISCAL, "C-1001"),
        ("tinit-frrgli80a41l219x", FISCAL, "C-1001"),
        ("BNCMRC85M01F205S", FISCAL, "333 7654321"),
        ("login:g-1", SUBJECT, "C-1001"),
        ("spid:s-1", SUBJECT, "C-1001"),
        ("giulia@posta.example", IdentifierKind.EMAIL, "C-1001"),
        ("333 1234567", IdentifierKind.PHONE, "C-1001"),
    ],
)
async def test_each_name_finds_its_customer(tmp_path: Path, identifier: str, kind: IdentifierKind, number: str) -> None:
    found = await written(tmp_path, GIULIA, MARCO).find(identifier, kind)
    assert found is not None
    assert found.customer_number == number


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("333 1234567", NUMBER),  # a phone
        ("giulia@posta.example", NUMBER),
        ("FRRGLI80A41L219X", NUMBER),
        ("FRRGLI80A41L219X", SUBJECT),
        ("FRRGLI80A41L219X", None),  # nobody types it
        ("login:g-1", None),
        ("g-1", SUBJECT),
        ("spid:g-1", SUBJECT),  # the same name at another provider
        ("login:G-1", SUBJECT),
        ("login:g-1 spid:s-1", SUBJECT),
        ("", SUBJECT),
        ("", FISCAL),
        ("TINIT-", FISCAL),
        ("TINFR-FRRGLI80A41L219X", FISCAL),  # the same number in another country is somebody else's
        ("TINIT-TINIT-FRRGLI80A41L219X", FISCAL),
        ("C-1001", FISCAL),
        ("C-1001", IdentifierKind.EMAIL),
        ("C-1001", IdentifierKind.PHONE),
    ],
)
async def test_a_name_of_another_kind_finds_nobody(
    tmp_path: Path, identifier: str, kind: IdentifierKind | None
) -> None:
    assert await written(tmp_path, GIULIA, MARCO).find(identifier, kind) is None


async def test_another_countrys_number_is_found_by_its_country_and_number(tmp_path: Path) -> None:
    directory = written(tmp_path, GIULIA, "C-2,Claire,,,it,,TINFR-FRRGLI80A41L219X,\n")
    claire, giulia = [await directory.find(f"{country}FRRGLI80A41L219X", FISCAL) for country in ("TINFR-", "TINIT-")]
    assert claire is not None
    assert giulia is not None
    assert (claire.customer_number, giulia.customer_number) == ("C-2", "C-1001")


async def test_a_name_that_two_customers_share_names_neither(tmp_path: Path) -> None:
    directory = written(tmp_path, GIULIA, "C-2,Carlo,,,it,,frrgli80a41l219x,login:g-1\n")
    assert await directory.find("FRRGLI80A41L219X", FISCAL) is None
    assert await directory.find("login:g-1", SUBJECT) is None
    assert await directory.find("spid:s-1", SUBJECT) is not None


async def test_a_file_without_the_columns_knows_nobody_by_them(tmp_path: Path) -> None:
    directory = written(tmp_path, "C-1,Carlo,,,it,\n", head="customer_number,name,phone,email,language,city\n")
    assert await directory.find("C-1", NUMBER) is not None
    assert await directory.find("FRRGLI80A41L219X", FISCAL) is None


def test_a_subject_is_compared_to_the_letter() -> None:
    assert canonical("login:Ａ b", SUBJECT) == "login:Ａ b"


async def test_the_banks_service_is_told_the_kind_and_never_asked_for_nothing() -> None:
    asked = []
    app = FastAPI()

    @app.post("/find")
    async def find(request: Request) -> Response:
        asked.append(await request.json())
        return Response(status_code=404)

    async with serving(app) as port:
        outbound = OutboundClient(http_hosts={"directory.localhost": ("127.0.0.1", port)})
        directory = HttpDirectory(f"http://directory.localhost:{port}/find", Secret(b"token"), outbound)
        assert await directory.find("TINIT-FRRGLI80A41L219X", FISCAL) is None
        assert await directory.find("333 1234567", NUMBER) is None
        assert await directory.find("not a code!", FISCAL) is None
    assert asked == [
        {"kind": "fiscal_code", "identifier": "FRRGLI80A41L219X"},
        {"kind": "number", "identifier": "3331234567"},
    ]
