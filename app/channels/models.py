"""How far each connector has been read, and the clients that it has at servers of its network."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class ChannelCursor(Base):
    """The place up to which arrivals of a connector are stored; moved in the transaction that stores them."""

    __tablename__ = "channel_cursors"

    connector: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str]
    polled_at: Mapped[datetime]


class OAuthClient(Base):
    """The bank's client at one server that visitors may sign in at; `site_hash` is over connector and server.

    `proved_at` is when somebody last signed in there; a row without it is the first to go.
    """

    __tablename__ = "oauth_clients"

    site_hash: Mapped[bytes] = mapped_column(primary_key=True)
    sealed_client: Mapped[bytes]
    registered_at: Mapped[datetime]
    proved_at: Mapped[datetime | None]
