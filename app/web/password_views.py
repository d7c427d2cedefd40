"""What the page of one's own password shows.

GET POST /password      PasswordChange: password, code, new_password, again -> /signin, since every session ends;
                        404 where staff signs in at the bank's own provider. username is the browser's, not read
"""

from __future__ import annotations

from dataclasses import dataclass

from app.web.staff_views import StaffPage


@dataclass(frozen=True, kw_only=True)
class PasswordChange(StaffPage):
    """The form; of what was typed nothing comes back. `login` is for the browser that keeps passwords."""

    TEMPLATE = "staff/password.html"
    SECTION = "password"

    login: str
    shortest: int
    longest: int
