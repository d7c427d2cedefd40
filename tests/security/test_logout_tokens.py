"""What a right logout token says."""

from __future__ import annotations

from datetime import timedelta

from tests.security.forged_jwts import NOW
from tests.security.forged_logout_tokens import shown


def test_a_right_one_names_person_session_and_itself() -> None:
    said = shown()
    assert (said.subject, said.sid, said.jti) == ("u-1", "s-1", "j-1")
    assert NOW < said.void_at <= NOW + timedelta(minutes=5)


def test_a_person_or_a_session_is_enough() -> None:
    assert shown(sid=None).subject == "u-1"
    assert shown(sub=None).sid == "s-1"


def test_it_does_not_print_whom_it_is_about() -> None:
    assert "u-1" not in repr(shown())
