"""The tables of the settings that name social networks, and what all tables have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Part(BaseModel):
    """One table: read once, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MastodonSettings(Part):
    """The bank's account on a server of the fediverse that offers the Mastodon API."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "mastodon"
    label: str = "Mastodon"
    url: str
    account: Annotated[str, Field(pattern=r"^@?[A-Za-z0-9_.~+-]+(@[A-Za-z0-9.-]+)?$")]
    token_file: Path
    profile_url: str = ""
    sign_in: bool = True
    direct_messages: bool = True

    @field_validator("url")
    @classmethod
    def _is_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("a server's address like https://social.example, without a path")
        return value.rstrip("/")


class AtprotoSettings(Part):
    """The bank's account on the AT Protocol (Bluesky), as far as customers prove theirs there.

    `directory` keeps the documents of did:plc names; `resolver` knows handles that only DNS has, "" asks nobody.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "bluesky"
    label: str = "Bluesky"
    handle: Annotated[str, Field(pattern=r"^@?[A-Za-z0-9.-]+\.[A-Za-z][A-Za-z0-9-]*$")]
    key_file: Path
    profile_url: str = ""
    directory: str = "https://plc.directory"
    resolver: str = "https://public.api.bsky.app"

    @field_validator("directory", "resolver")
    @classmethod
    def _is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("an address like https://plc.directory")
        return value.rstrip("/")
