"""The story on the Square, the demonstration's own network."""

from __future__ import annotations

from app.demo import cast
from app.demo.cast import Townsperson
from app.demo.playing.holding import require
from app.demo.playing.http_client import Answer, Browser


class OnSquare:
    """See `Scene`; `site` is the Square's address."""

    connector = "square"
    label = "Square"
    heard_before = frozenset({cast.BANKS_OLD_WORD, cast.STRANGERS_WORD})

    def __init__(self, site: str) -> None:
        self._site = site

    def handle(self, person: Townsperson) -> str:
        """See `Scene`."""
        return person.handle

    def wording(self, text: str) -> str:
        """See `Scene`."""
        return text

    async def enter(self, browser: Browser, person: Townsperson) -> None:
        """See `Scene`."""
        page = (await browser.open(f"{self._site}/sign-in")).expect(200)
        await browser.go_on(await browser.submit(page, "/sign-in", person=person.square_id), "/")

    async def say(self, browser: Browser, person: Townsperson, text: str) -> None:
        """See `Scene`."""
        thread = await self.thread(browser, person)
        await browser.go_on(await browser.submit(thread, "/posts", text=text), "/posts/")

    async def say_privately(self, browser: Browser, person: Townsperson) -> None:
        """See `Scene`."""
        path = f"/messages/{cast.BANK_ID}"
        talk = await browser.open(self._site + path)
        await browser.go_on(await browser.submit(talk, path, text=f"Eccomi, {person.first_name}."), "/messages/")

    async def thread(self, reader: Browser, person: Townsperson) -> Answer:
        """See `Scene`."""
        return (await reader.open(f"{self._site}/posts/{cast.complaint_of(person).id}")).expect(200)

    async def profile(self, reader: Browser) -> Answer:
        """See `Scene`."""
        return (await reader.open(f"{self._site}/@{cast.BANK_HANDLE}")).expect(200)

    async def messages(self, browser: Browser, person: Townsperson) -> str:  # noqa: ARG002 (who the browser is)
        """See `Scene`; the browser is signed in as the person."""
        return (await browser.open(f"{self._site}/messages/{cast.BANK_ID}")).expect(200).page.words

    async def approve(self, browser: Browser, leaving: Answer, person: Townsperson) -> Answer:
        """See `Scene`."""
        there = (await browser.follow(leaving.expect(200), leaving.link_to(self._site))).expect(200)
        if any(form.action == "/sign-in" for form in there.page.forms):
            signed_in = await browser.submit(there, "/sign-in", person=person.square_id)
            there = (await browser.go_on(signed_in, "/oauth/authorize")).expect(200)
        require(there.says(f"@{person.handle}"), f"the Square does not ask @{person.handle}")
        return await browser.submit(there, "/oauth/authorize", decision="approve")
