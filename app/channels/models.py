"""How far each connector has been read."""

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
