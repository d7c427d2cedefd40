"""The story on two servers of the fediverse: people read in their browsers and write by an app."""

from __future__ import annotations

import html
import re
from typing import Final

from app.demo import cast
from app.demo.cast import Townsperson
from app.demo.mastodon_network import LABEL, NAME, MastodonTown, wording
from app.demo.playing.http_client import Answer, Browser

TAG: Final = re.compile(r"<[^>]+>")


class OnMastodon:
    """See `Scene`."""

    connector = NAME
    label = LABEL
    heard_before: frozenset[str]

    def __init__(self, town: MastodonTown) -> None:
        self._town = town
        self.heard_before = frozenset({f"@{self.handle(cast.GIULIA)} {cast.BANKS_OLD_WORD}"})

    def handle(self, person: Townsperson) -> str:
        """See `Scene`."""
        return self._town.people[person.handle].handle

    def wording(self, text: str) -> str:
        """See `Scene`."""
        return wording(text)

    async def enter(self, browser: Browser, person: Townsperson) -> None:
        """See `Scene`; these servers keep no session, they ask for the password when somebody wants to know."""

    async def say(self, browser: Browser, person: Townsperson, text: str) -> None:  # noqa: ARG002 (by the app)
        """See `Scene`."""
        await self._town.say(person, text)

    async def say_privately(self, browser: Browser, person: Townsperson) -> None:
        """See `Scene`; everybody here takes direct messages."""

    async def thread(self, reader: Browser, person: Townsperson) -> Answer:
        """See `Scene`: the page of the person's own server, where the bank's words arrive from the other one."""
        return (await reader.open(self._town.newest[person.handle]["url"])).expect(200)

    async def profile(self, reader: Browser) -> Answer:
        """See `Scene`."""
        return (await reader.open(self._town.bank.uri)).expect(200)

    async def messages(self, browser: Browser, person: Townsperson) -> str:  # noqa: ARG002 (by the app)
        """See `Scene`."""
        bank = self._town.bank.uri
        found = [
            one["status"]["content"]
            for one in reversed(await self._town.people[person.handle].notifications())
            if one.get("status") and one["account"]["uri"] == bank and one["status"]["visibility"] == "private"
        ]
        return html.unescape(TAG.sub(" ", " ".join(found)))

    async def approve(self, browser: Browser, leaving: Answer, person: Townsperson) -> Answer:
        """See `Scene`: the server's own form; whoever gets in there has agreed."""
        account = self._town.people[person.handle]
        there = (await browser.follow(leaving.expect(200), leaving.link_to(account.server))).expect(200)
        form = f"{account.server}/oauth/x-snac-login"
        return await browser.submit(there, form, login=account.name, passwd=account.password)
