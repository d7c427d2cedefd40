"""Keeps what connectors know of their networks fresh, in every process that fits texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from app.channels.ports import ChannelError, Connector

ASK_AGAIN: Final = 1800.0


async def keep_learning(connectors: Sequence[Connector]) -> None:
    """Ask each network now and every half an hour, until cancelled; one that is away keeps the figures of before."""
    while True:
        for one in connectors:
            if one.learn is not None:
                try:
                    await one.learn()
                except ChannelError:
                    continue
        await asyncio.sleep(ASK_AGAIN)
