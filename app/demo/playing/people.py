"""Who plays: each person with a browser or an API client of their own, their phones, and what the story has brought."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.demo import cast
from app.demo.bank import DemoBank
from app.demo.cast import Townsperson
from app.demo.playing.holding import until
from app.demo.playing.http_client import Answer, Browser, new_client
from app.demo.playing.on_square import OnSquare
from app.demo.playing.scene import Scene
from app.demo.playing.staff_client import StaffClient
from app.demo.soft_passkey import SoftPasskey

REFERENCE: Final = re.compile(r"/not-me\W.*?([A-Z0-9]{4}(?:-[A-Z0-9]{4}){2})")
CODE: Final = re.compile(r"(?<!\d)\d{8}(?!\d)")


@dataclass
class Story:
    """What later steps need of earlier ones. Texts and codes that were secret are kept to look for them afterwards."""

    case_id: str = ""
    link: str = ""
    room_id: str = ""
    room: Answer | None = None
    held_text: str = ""
    luca_refused: int = 0
    passkey: SoftPasskey | None = None
    identifying: Answer | None = None
    bags: dict[str, bytes] = field(default_factory=dict)
    trust: bytes = b""
    secrets: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """The path of the case link."""
        return self.link[self.link.index("/c/") :]


@dataclass(frozen=True)
class Company:
    """Everybody who plays."""

    bank: DemoBank
    folder: Path
    scene: Scene
    story: Story
    giulia: Browser
    passante: Browser
    elena: Browser
    marco: Browser
    mallory: Browser
    thief: Browser
    anna: StaffClient
    luca: StaffClient
    paolo: StaffClient
    phones: Browser

    def site(self, name: str) -> str:
        """The address of a site of the demo."""
        return self.bank.addresses.url(name)

    async def arrived(self, to: str) -> list[str]:
        """The messages on the phone page for a number or mail address, oldest first."""
        answer = await self.phones.open(f"{self.site('phone')}/inbox.json?to={to.replace('+', '%2B')}")
        return [item["text"] for item in answer.expect(200).json()["items"]]

    async def code_on_phone(self, person: Townsperson, *, after: int) -> str:
        """The code of the first SMS with one after the first `after` messages, waiting for it."""

        async def look() -> str | None:
            found = [CODE.search(text) for text in (await self.arrived(person.phone))[after:]]
            return next((match.group() for match in found if match), None)

        code = await until(look, f"an SMS with a code for {person.first_name}")
        self.story.secrets.add(code)
        return code

    async def reference_on_phone(self, person: Townsperson) -> str:
        """The "this was not me" reference that the phone's page shows, by SMS or mail, waiting for it."""

        async def look() -> str | None:
            phone = (await self.phones.open(f"{self.site('phone')}/{person.handle}")).expect(200)
            found = REFERENCE.search(phone.page.words)
            return found.group(1) if found else None

        reference = await until(look, f"a notice on the phone of {person.first_name}")
        self.story.secrets.add(reference)
        return reference

    def customers_browsers(self) -> tuple[Browser, ...]:
        """The browsers with a session at the bank."""
        return (self.giulia, self.elena, self.marco, self.mallory, self.thief)

    def staff(self) -> tuple[StaffClient, ...]:
        """The staff who play."""
        return (self.anna, self.luca, self.paolo)


@asynccontextmanager
async def company(bank: DemoBank, folder: Path, scene: Scene | None = None) -> AsyncIterator[Company]:
    """Everybody with their own connections, on the Square unless the scene is another; `folder` is the bank's."""
    async with AsyncExitStack() as stack:

        async def browser() -> Browser:
            return Browser(await stack.enter_async_context(new_client()))

        async def staff(colleague: cast.Colleague) -> StaffClient:
            client = await stack.enter_async_context(new_client())
            return StaffClient(bank.key_of(colleague), bank.addresses.url("staff"), client)

        yield Company(
            bank=bank,
            folder=folder,
            scene=scene or OnSquare(bank.network.address),
            story=Story(),
            giulia=await browser(),
            passante=await browser(),
            elena=await browser(),
            marco=await browser(),
            mallory=await browser(),
            thief=await browser(),
            anna=await staff(cast.ANNA),
            luca=await staff(cast.LUCA),
            paolo=await staff(cast.PAOLO),
            phones=await browser(),
        )
