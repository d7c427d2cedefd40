"""The scene of the story's public part: what people do and read on the network that it is played on."""

from __future__ import annotations

from typing import Protocol

from app.demo.cast import Townsperson
from app.demo.playing.http_client import Answer, Browser


class Scene(Protocol):
    """One network as its people use it; each acts in a browser of their own, unless the network is an app to them."""

    connector: str
    label: str
    heard_before: frozenset[str]
    """What others had said in Giulia's thread before the bank listened, as the desk shows it."""

    def handle(self, person: Townsperson) -> str:
        """The account as the desk and the pages name it, without the @ in front."""
        ...

    def wording(self, text: str) -> str:
        """A public text of the story with the bank's account as it is mentioned here."""
        ...

    async def enter(self, browser: Browser, person: Townsperson) -> None:
        """Sign in to the network, where that happens before somebody asks for it."""
        ...

    async def say(self, browser: Browser, person: Townsperson, text: str) -> None:
        """Go on in public, in the thread of one's own complaint."""
        ...

    async def say_privately(self, browser: Browser, person: Townsperson) -> None:
        """Write to the bank first, where nobody takes messages from strangers."""
        ...

    async def thread(self, reader: Browser, person: Townsperson) -> Answer:
        """The thread of a person's complaint, as everybody reads it."""
        ...

    async def profile(self, reader: Browser) -> Answer:
        """What the bank has said in public."""
        ...

    async def messages(self, browser: Browser, person: Townsperson) -> str:
        """What the bank has written to this person in private."""
        ...

    async def approve(self, browser: Browser, leaving: Answer, person: Townsperson) -> Answer:
        """From the bank's page over to the network, sign in there and agree; gives the way back, not yet followed."""
        ...
