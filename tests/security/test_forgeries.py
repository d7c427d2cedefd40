"""No forgery is accepted, and each is refused by the check that is there for it. A new table is added to `TABLES`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.app.agents import forged_possession
from tests.app.binding import forged_returns, forged_wallet_answers
from tests.app.channels import forged_atproto, forged_mastodon_sign_ins, forged_openid_sign_ins
from tests.app.oauth import forged_answers as forged_openid_answers
from tests.app.sign_on import forged_ends, forged_sign_ons
from tests.security import (
    forged_access_tokens,
    forged_answers,
    forged_assertions,
    forged_dpop,
    forged_id_tokens,
    forged_jwts,
    forged_logout_tokens,
    forged_passkeys,
    forged_presentations,
    forged_status_lists,
)
from tests.security.forgery import REFUSALS, Forgery, word

TABLES: Final[dict[str, dict[str, Forgery]]] = {
    "jwt": forged_jwts.FORGERIES,
    "id token": forged_id_tokens.FORGERIES,
    "dpop": forged_dpop.FORGERIES,
    "presentation": forged_presentations.FORGERIES,
    "encrypted answer": forged_answers.FORGERIES,
    "status list": forged_status_lists.FORGERIES,
    "access token": forged_access_tokens.FORGERIES,
    "logout token": forged_logout_tokens.FORGERIES,
    "client assertion": forged_assertions.FORGERIES,
    "passkey": forged_passkeys.FORGERIES,
    "openid answer": forged_openid_answers.FORGERIES,
    "return": forged_returns.FORGERIES,
    "wallet answer": forged_wallet_answers.FORGERIES,
    "platform sign-in": forged_openid_sign_ins.FORGERIES,
    "atproto": forged_atproto.FORGERIES,
    "mastodon sign-in": forged_mastodon_sign_ins.FORGERIES,
    "sign-on": forged_sign_ons.FORGERIES,
    "end of a session": forged_ends.FORGERIES,
    "possession": forged_possession.FORGERIES,
}
FORGERIES: Final = {f"{table}: {name}": one for table, rows in TABLES.items() for name, one in rows.items()}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_for_what_is_wrong_with_it(name: str) -> None:
    forgery = FORGERIES[name]
    with pytest.raises(REFUSALS) as refused:
        forgery.present()
    assert word(refused.value) == forgery.reason


def test_there_are_as_many_forgeries_as_the_documents_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "proof-attacks.md").read_text(encoding="utf-8")
    said = re.search(r"(\d+) forgeries stand in tables", page)
    assert said is not None
    assert len(FORGERIES) >= int(said[1]) >= 500
