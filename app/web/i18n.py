"""Languages of the pages: which one a request gets, its catalogue, and how it writes times.

English sentences are the keys; `locale/it.po` is read at start, so that no compiled file lives in the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES: Final[Mapping[str, str]] = {"it": "Italiano", "en": "English"}
DEFAULT_LANGUAGE: Final = "it"
LANGUAGE_COOKIE: Final = "language"
LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
_LONGEST_HEADER: Final = 400


def pick_language(asked: str | None, cookie: str | None, accept_language: str | None) -> str:
    """The language of `?lang=`, else of the cookie, else the browser's best match, else Italian."""
    for wish in (asked, cookie):
        if wish is not None and wish in LANGUAGES:
            return wish
    wishes = _by_preference((accept_language or "")[:_LONGEST_HEADER])
    return negotiate_locale(wishes, list(LANGUAGES), sep="-") or DEFAULT_LANGUAGE


def _by_preference(header: str) -> list[str]:
    weighted = []
    for position, part in enumerate(header.split(",")):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if weight > 0:
            weighted.append((-weight, position, _known(tag.strip())))
    return [tag for _, _, tag in sorted(weighted)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _known(tag: str) -> str:
    """The bare language of a tag that Babel understands ("en-GB" is "en"), or the tag itself."""
    try:
        return Locale.parse(tag, sep="-").language
    except (ValueError, UnknownLocaleError, TypeError):
        return tag


@lru_cache(maxsize=len(LANGUAGES))
def translations(language: str) -> NullTranslations:
    """The catalogue of one of `LANGUAGES`; English needs none, its sentences are the keys."""
    path = LOCALE_FOLDER / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def translate(language: str, sentence: str) -> str:
    """The sentence in this language: for texts that leave without a template, such as a stream's events."""
    return translations(language).gettext(sentence)


def time_filters(language: str) -> dict[str, Callable[..., str]]:
    """The templates' filters: `clock` 14:02, `day` 21 Nov 2026, `moment` both, `distance` "in 12 min", `iso`."""

    def clock(at: datetime, zone: str) -> str:
        return format_time(at, "HH:mm", tzinfo=ZoneInfo(zone), locale=language)

    def day(at: datetime, zone: str) -> str:
        return format_date(at.astimezone(ZoneInfo(zone)).date(), "d MMM y", locale=language)

    def moment(at: datetime, zone: str) -> str:
        return format_datetime(at, "d MMM, HH:mm", tzinfo=ZoneInfo(zone), locale=language)

    def distance(at: datetime, now: datetime) -> str:
        apart = at - now or timedelta(seconds=1)
        return format_timedelta(
            apart, granularity="minute", threshold=1.5, add_direction=True, format="short", locale=language
        )

    def iso(at: datetime) -> str:
        return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    return {"clock": clock, "day": day, "moment": moment, "distance": distance, "iso": iso}
