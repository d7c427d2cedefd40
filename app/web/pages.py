"""What every page route shares: the bank's site, the language, the rendered answer, the redirect after a POST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.channels.ports import Connector
from app.http.forms import strict_form
from app.web.i18n import LANGUAGE_COOKIE, LANGUAGES, pick_language
from app.web.notices import drop_notice, leave_notice
from app.web.rendering import render
from app.web.views import NoticeName, OfficialAccount, Page, Site

YEAR: Final = 365 * 24 * 3600


@dataclass(frozen=True)
class PageSettings:
    """What the pages say about the bank; `hours` by language."""

    bank: str
    host: str
    phone: str
    hours: Mapping[str, str]
    privacy_contact: str
    timezone: str
    demo: bool
    demo_start: str
    connectors: tuple[Connector, ...]

    def site(self, language: str) -> Site:
        """The bank, as a page in this language shows it."""
        return Site(
            bank=self.bank,
            host=self.host,
            phone=self.phone,
            hours=self.hours[language],
            accounts=tuple(
                OfficialAccount(network=one.label, name=one.official_handle, url=one.official_url)
                for one in self.connectors
            ),
            privacy_contact=self.privacy_contact,
            timezone=self.timezone,
            demo=self.demo,
            demo_start=self.demo_start,
        )

    def label(self, connector: str) -> str:
        """The display name of a network."""
        return next((one.label for one in self.connectors if one.name == connector), connector)


def page_settings(request: Request) -> PageSettings:
    """The settings that `main` gave this door."""
    settings: PageSettings = request.app.state.page_settings
    return settings


def language_of(request: Request) -> str:
    """`?lang=`, else the cookie, else what the browser prefers."""
    return pick_language(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
    )


def site_of(request: Request) -> Site:
    """The bank in the language of this request."""
    return page_settings(request).site(language_of(request))


def page(request: Request, view: Page, status: int = 200) -> HTMLResponse:
    """The view as an answer, in the language of the request, which a cookie remembers when it was asked for.

    A notice that waited for this page is said with it, and not again.
    """
    language = language_of(request)
    html = render(language, view.TEMPLATE, view, nonce=request.state.csp_nonce)
    answer = HTMLResponse(html, status, {"Content-Language": language, "Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, httponly=True, secure=True, samesite="lax", path="/")
    drop_notice(request, answer)
    return answer


def see_other(path: str, notice: NoticeName | None = None) -> RedirectResponse:
    """303 to one of our own paths: targets come from code, never from a request. That page says the notice, once."""
    answer = RedirectResponse(path, 303)
    if notice is not None:
        leave_notice(answer, path, notice)
    return answer


Form = Annotated[Mapping[str, str], Depends(strict_form)]
