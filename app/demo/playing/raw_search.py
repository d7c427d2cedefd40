"""Looks through what the bank has on disk for what was said and who said it: plain, and in the forms that hide it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from app.demo import cast
from app.demo.playing.holding import require
from app.demo.playing.people import Company
from app.demo.playing.steps_public import COMPLAINT, LEAKING, REPLY
from app.demo.playing.steps_room import CLOSING, PUBLIC_AGAIN

# The bank's own customer file holds names on purpose; keys are what everything else is sealed under.
SET_APART: Final = ("keys", "customers.csv")
SHORTEST: Final = 5


async def nothing(company: Company) -> None:
    """Neither database, exports nor logs hold a secret of the story in any of these forms."""
    files = _files(company.folder)
    names = {path.name for path, _ in files}
    require({"riserbo.db", "keys.db", "riserbo.log"} <= names, f"of the bank's files only {sorted(names)} are there")
    require(any(content for path, content in files if path.name == "riserbo.log"), "the log is empty")
    needles = {form: secret for secret in _secrets(company) for form in forms_of(secret)}
    for path, content in files:
        found = next((secret for form, secret in needles.items() if _holds(content, form)), None)
        require(found is None, f"{path.name} holds {found!r}")


def _files(folder: Path) -> list[tuple[Path, bytes]]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(path, path.read_bytes()) for path in paths if path.relative_to(folder).parts[0] not in SET_APART]


def _secrets(company: Company) -> set[str]:
    """Texts, people, codes and tokens of the story."""
    secrets = {COMPLAINT, REPLY, CLOSING, PUBLIC_AGAIN, *(text for _, text in LEAKING), *company.story.secrets}
    secrets.update(post.text for post in cast.posts(company.bank.house.services.clock()))
    secrets.update(company.scene.wording(said) for said in (COMPLAINT, PUBLIC_AGAIN))
    for one in cast.TOWN:
        secrets.update({one.name, one.handle, one.customer_number, one.phone, one.phone.lstrip("+"), one.email})
        secrets.add(one.fiscal_code)
    for browser in company.customers_browsers():
        secrets.update(browser.jar.values())
    for staff in company.staff():
        secrets.update({staff.token, staff.key.password})
    return {secret for secret in secrets if len(secret) >= SHORTEST}


def forms_of(secret: str) -> Iterator[bytes]:
    """The secret in UTF-8, hexadecimal, URL, JSON and base64 at each of the three places it may begin."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield quote(secret).encode()
    yield quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        # The first and last characters also carry bits of what stands around the secret.
        inner = encoded[(0, 2, 3)[before] : len(encoded) - (0, 2, 3)[-(before + len(raw)) % 3]]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _holds(content: bytes, form: bytes) -> bool:
    """Whether the form is there; eight digits by chance inside a longer hexadecimal number are not a code."""
    if form not in content:
        return False
    return not form.isdigit() or re.search(rb"(?<![0-9a-f])" + form + rb"(?![0-9a-f])", content) is not None
