"""What the strict Mastodon server keeps, from accounts to tokens, and how it shows and counts texts."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime

MENTION = re.compile(r"(?<![\w/])@([A-Za-z0-9_]+)(?:@([A-Za-z0-9.-]+(?::\d+)?))?")
LINK = re.compile(r"https?://\S+")
PUBLIC = ("public", "unlisted")


@dataclass
class Account:
    uri: str
    name: str
    site: str
    display: str
    host: str  # what stands behind the @: another one than `site` where the two are split


@dataclass
class Status:
    uri: str
    author: Account
    text: str
    visibility: str
    reply_to: str | None
    mentions: list[Account]
    at: datetime
    content: str


@dataclass
class Notification:
    id: int
    kind: str
    account: Account
    status: Status | None
    filtered: bool = False


@dataclass
class App:
    client_id: str
    secret: str
    redirect_uris: list[str]
    scopes: set[str]


@dataclass
class Grant:
    app: App
    account: Account
    redirect_uri: str
    scopes: set[str]
    challenge: str
    until: datetime
    used: bool = False


@dataclass
class Token:
    text: str
    account: Account
    scopes: set[str]
    app: App | None = None


class Refused(Exception):
    def __init__(self, status: int, error: str, **more: str) -> None:
        self.status, self.body = status, {"error": error, **more}


def as_html(text: str) -> str:
    """As Mastodon renders what somebody typed: escaped, mentions and addresses as links, the long part unseen."""
    shown = html.escape(text, quote=False)
    shown = LINK.sub(lambda one: _link(one.group()), shown)
    shown = MENTION.sub(
        lambda one: f'<span class="h-card"><a href="#" class="u-url mention">@<span>{one.group(1)}</span></a></span>',
        shown,
    )
    return "<p>" + shown.replace("\n\n", "</p><p>").replace("\n", "<br />") + "</p>"


def _link(url: str) -> str:
    scheme, _, rest = url.partition("://")
    parts = f'<span class="ellipsis">{rest[:30]}</span><span class="invisible">{rest[30:]}</span>'
    return f'<a href="{url}" rel="nofollow"><span class="invisible">{scheme}://</span>{parts}</a>'


def length_of(text: str) -> int:
    """Mastodon's counting: an address is 23, a mention is its name."""
    rest, links = LINK.subn("", text)
    return len(MENTION.sub(r"@\1", rest)) + 23 * links
