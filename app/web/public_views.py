"""The contexts of the pages that anybody may ask for without a session (`public_pages.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.web.views import Page


@dataclass(frozen=True, kw_only=True)
class NotMe(Page):
    """Says "this was not me": the reference from the notice, typed; the answer is the same for unknown ones."""

    TEMPLATE = "not_me.html"

    reference: str = ""
    done: bool = False


@dataclass(frozen=True, kw_only=True)
class VerifyAnswer:
    """Never a bare yes: the official account, the network and the answered post; all empty when not ours."""

    ours: bool
    account: str = ""
    network: str = ""
    answered: str = ""
    posted_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Verify(Page):
    """Is this reply, link or account the bank's own; asked by anybody."""

    TEMPLATE = "verify.html"

    text: str = ""
    answer: VerifyAnswer | None = None


@dataclass(frozen=True, kw_only=True)
class Privacy(Page):
    """The privacy and recording notice; `years` is how long the conversation is kept."""

    TEMPLATE = "privacy.html"

    years: int = 10
    controller: str = ""
