"""No forgery is accepted, and each is refused by the check that is there for it. A new table is added to `TABLES`."""

from __future__ import annotations

from typing import Final

import pytest

from security.errors import SecurityError
from tests.security import (
    forged_access_tokens,
    forged_answers,
    forged_assertions,
    forged_dpop,
    forged_id_tokens,
    forged_jwts,
    forged_logout_tokens,
    forged_presentations,
    forged_status_lists,
)
from tests.security.forgery import Forgery, word

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
}
FORGERIES: Final = {f"{table}: {name}": one for table, rows in TABLES.items() for name, one in rows.items()}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_for_what_is_wrong_with_it(name: str) -> None:
    forgery = FORGERIES[name]
    with pytest.raises(SecurityError) as refused:
        forgery.present()
    assert word(refused.value) == forgery.reason


def test_there_are_as_many_forgeries_as_the_threat_model_says() -> None:
    assert len(FORGERIES) >= 280
