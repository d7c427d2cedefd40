"""Direct messages at the Square: codes to a person, and who wrote to the bank."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from app.channels.ports import (
    ChannelRefused,
    ChannelUnavailable,
    DirectMessageRefused,
    IncomingMessage,
    RefusalReason,
    Subject,
)
from app.channels.square_api import NETWORK, SquareApi

REFUSALS: Final = {"messages_closed": RefusalReason.CLOSED, "not_following": RefusalReason.NOT_FOLLOWING}


class SquareDirectMessages:
    """Writes to a person at the Square by immutable id."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        """See `ports.DirectMessages`. Raises ChannelRefused for a subject of another network."""
        if (subject.network, subject.scope) != (NETWORK, self._api.base_url):
            raise ChannelRefused("subject_of_another_network")
        body = {"to": subject.immutable_id, "text": text}
        try:
            await self._api.call("POST", "/api/v1/messages", json=body, idempotency_key=idempotency_key)
        except ChannelRefused as refused:
            if refused.code in REFUSALS:
                raise DirectMessageRefused(REFUSALS[refused.code]) from refused
            raise


class SquareIncoming:
    """Polls who wrote to the bank in private; what they wrote is left where it is."""

    def __init__(self, api: SquareApi) -> None:
        self._api = api

    async def poll(self, cursor: str | None) -> tuple[list[IncomingMessage], str | None]:
        """See `ports.Incoming`."""
        after = "" if cursor is None else f"?after={quote(cursor, safe='')}"
        content = await self._api.call("GET", f"/api/v1/messages{after}")
        try:
            found = [
                IncomingMessage(
                    self._api.subject(one["from"]), datetime.fromisoformat(one["created_at"]).astimezone(UTC)
                )
                for one in content.get("messages", ())
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ChannelUnavailable("malformed message") from error
        following = content.get("cursor")
        return found, cursor if following is None else str(following)
