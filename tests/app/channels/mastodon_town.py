"""The connector's surroundings: the bank's server, the customers' server, and one clock for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.channels.mastodon import mastodon_connector
from app.channels.ports import (
    Arrivals,
    ArrivedPost,
    Connector,
    DirectMessages,
    Publisher,
    Subject,
)
from security.secret import Secret
from tests.support.mastodon import Fediverse
from tests.support.mastodon_entities import Account, Status

LINK = "https://chat.bancaesempio.example/c/abcdefghijklmnopqrstuvwxyz"
CODE = "Banca Esempio: il codice è 12345678. Non dirlo a nessuno."


@dataclass
class Town:
    """The bank's server and the customers'; `now` is everybody's clock."""

    world: Fediverse
    now: datetime

    def __post_init__(self) -> None:
        self.world.now = lambda: self.now
        self.home, self.away = self.world.servers["banca.localhost"], self.world.servers["social.localhost"]
        self.bank, self.giulia = self.home.join("bancaesempio", "Banca Esempio"), self.away.join("giulia")
        self.token = self.home.token_of(self.bank)
        self.connector = self.connect()

    def connect(self, **changed: Any) -> Connector:
        values: dict[str, Any] = {"account": "bancaesempio", "token": Secret(self.token.encode())}
        named = {"name": "mastodon", "base_url": self.home.base + "/", "label": "Mastodon"}
        return mastodon_connector(**named | values | changed, outbound=self.world.outbound())

    def complain(self, text: str = "un bollo due volte?", visibility: str = "public", **more: Any) -> Status:
        return self.away.post(self.giulia, f"@{self.bank.name}@{self.home.site} {text}", visibility, **more)

    @property
    def arrivals(self) -> Arrivals:
        assert self.connector.arrivals is not None
        return self.connector.arrivals

    @property
    def publisher(self) -> Publisher:
        assert self.connector.publisher is not None
        return self.connector.publisher

    @property
    def messages(self) -> DirectMessages:
        assert self.connector.direct_messages is not None
        return self.connector.direct_messages

    async def arrived(self, **more: Any) -> ArrivedPost:
        """One complaint, as it comes in."""
        self.complain(**more)
        posts, _ = await self.arrivals.poll(None)
        return posts[-1]

    def answer(self, text: str = "Eccoci") -> str:
        return self.publisher.fit(f"@giulia@{self.away.site} {text}", LINK)

    def subject(self, account: Account) -> Subject:
        return Subject("mastodon", "fediverse", account.uri, f"{account.name}@{account.host}", account.display)
