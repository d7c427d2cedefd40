"""What somebody wrote to the bank in private is not shown in a room, whoever has come into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.cases.arriving import handle_hash, receive_post
from app.cases.models import Case
from app.cases.rules import CaseClocks
from app.channels.ports import Visibility
from app.database import transaction
from tests.app.binding.doors import Doors, Surfer, open_doors
from tests.app.binding.outside import STRONG, WEAK
from tests.support.databases import DatabaseUrls
from tests.support.house import ON_SQLITE
from tests.support.square import public_post

pytestmark = ON_SQLITE
IN_PUBLIC, IN_PRIVATE = "Un bollo addebitato due volte?", "Il mio conto finisce per 3456 e sono in rosso"


@pytest.fixture
async def doors(schema_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(schema_urls, tmp_path, None) as opened:
        yield opened


async def wrote(doors: Doors, text: str, visibility: Visibility) -> str:
    """Giulia writes to the bank; gives the slug of her case."""
    services = doors.house.services
    post = replace(public_post("giulia", text, at=services.clock()), visibility=visibility)
    keys = {await handle_hash(services, post.author): await services.vault.create_key("case")}
    async with transaction(services) as db:
        arrival = await receive_post(db, doors.house.parts.connectors[0], post, keys, CaseClocks())
        assert arrival is not None
        return (await db.get_one(Case, arrival.case_id)).slug


async def inside(doors: Doors, slug: str, number: str, acr: str) -> Surfer:
    """Whoever holds Giulia's account, and is this customer."""
    browser = await doors.browser(slug).at_the_customer_step()
    state = parse_qs(urlsplit(await browser.leave_for("kyc")).query)["state"][0]
    await browser.come_back("kyc", {"state": state, "code": f"{number} {acr}"})
    assert (await browser.confirm()).headers["location"] == "/room"
    return browser


@pytest.mark.parametrize(("number", "acr"), [("C-1001", WEAK), ("C-1002", WEAK), ("C-1002", STRONG)])
async def test_the_room_quotes_what_was_said_in_public_and_nothing_that_was_written_in_private(
    doors: Doors, number: str, acr: str
) -> None:
    slug = await wrote(doors, IN_PUBLIC, Visibility.PUBLIC)
    assert await wrote(doors, IN_PRIVATE, Visibility.PRIVATE) == slug
    shown = await (await inside(doors, slug, number, acr)).get("/room")
    assert IN_PUBLIC in shown.text
    assert IN_PRIVATE not in shown.text


async def test_the_room_of_a_case_that_began_in_private_quotes_nothing(doors: Doors) -> None:
    slug = await wrote(doors, IN_PRIVATE, Visibility.PRIVATE)
    shown = await (await inside(doors, slug, "C-1002", STRONG)).get("/room")
    assert shown.status_code == 200
    assert IN_PRIVATE not in shown.text
