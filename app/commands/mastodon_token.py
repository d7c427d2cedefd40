"""Makes the token of the bank's Mastodon account: somebody signs in at its server, this end stores what comes of it."""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from app.channels.mastodon_api import MastodonApi, parsed, site_of
from app.channels.mastodon_health import SCOPES
from app.channels.mastodon_servers import Client, Servers
from app.commands.wrong_use import WrongUse
from app.main import outbound_from
from app.network_settings import MastodonSettings
from app.settings import Settings
from security.secret import Secret

SHOWN_IN_THE_BROWSER: Final = "urn:ietf:wg:oauth:2.0:oob"


@dataclass(frozen=True)
class Begun:
    """A client that was registered, and where the bank's person signs in; the page there shows a code."""

    client: Client = field(repr=False)
    verifier: str = field(repr=False)
    address: str


def entry_of(settings: Settings, name: str) -> MastodonSettings:
    """The account of this name in the settings. Raises `WrongUse`, also when its token is there already."""
    found = next((one for one in settings.mastodon if one.name == name), None)
    if found is None:
        raise WrongUse(f"the settings have no [[mastodon]] named {name}")
    if token_file(settings, found).exists():
        raise WrongUse(f"{token_file(settings, found)} is there already; move it away to make another")
    return found


def token_file(settings: Settings, entry: MastodonSettings) -> Path:
    """Where the token goes."""
    return entry.token_file if entry.token_file.is_absolute() else settings.data / entry.token_file


async def begin(settings: Settings, entry: MastodonSettings) -> Begun:
    """Register a client at the bank's own server. Raises `ChannelError`."""
    servers = Servers(outbound_from(settings))
    server = replace(await servers.describe(site_of(entry.url)), scope=SCOPES)
    client = await servers.register(server, SHOWN_IN_THE_BROWSER, settings.public_url)
    verifier = secrets.token_urlsafe(48)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    address: str = prepare_grant_uri(
        server.authorize,
        client.client_id,
        "code",
        redirect_uri=client.redirect_uri,
        scope=SCOPES,
        code_challenge=challenge,
        code_challenge_method="S256",
    )
    return Begun(client, verifier, address)


async def finish(settings: Settings, entry: MastodonSettings, begun: Begun, code: str) -> Path:
    """Exchange the code, see that the token is the account's, store it for its owner only. Raises `ChannelError`."""
    outbound = outbound_from(settings)
    form = {
        "grant_type": "authorization_code",
        "code": code.strip(),
        "code_verifier": begun.verifier,
        "redirect_uri": begun.client.redirect_uri,
        "client_id": begun.client.client_id,
        "client_secret": begun.client.client_secret,
        "scope": SCOPES,
    }
    content = parsed(await Servers(outbound).post(begun.client.server.token, form))
    token = content.get("access_token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token:
        raise WrongUse("the server did not take the code; begin again")
    await MastodonApi(entry.url, entry.account, Secret(token.encode()), outbound).own()
    path = token_file(settings, entry)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return path
