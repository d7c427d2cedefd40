"""Turns a view into a page: one Jinja environment per language, escaping on, and nothing undefined forgiven."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.web.i18n import LANGUAGES, time_filters, translations
from app.web.views import Page

TEMPLATES: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"


def render(language: str, template: str, view: Page, *, nonce: str) -> str:
    """The HTML of `view` by its own template (`view.TEMPLATE`); `nonce` is the one of the answer's CSP header."""
    page = environment(language).get_template(template)
    return page.render(view=view, site=view.site, nonce=nonce, language=language)


@lru_cache(maxsize=len(LANGUAGES))
def environment(language: str) -> Environment:
    """The environment of one language; its `static` gives a file's address with a mark of its contents."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(time_filters(language))
    # Newstyle `_()` formats with %; a sentence that comes as a value must not be taken for a format.
    made.globals.update(static=static_address, languages=LANGUAGES, translated=translations(language).gettext)
    return made


@lru_cache(maxsize=16)
def static_address(name: str) -> str:
    """The public address of a static file, changed by any change of the file, so that it may be cached for ever."""
    mark = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"
