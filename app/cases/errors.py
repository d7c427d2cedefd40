"""Refusals of the desk."""

from __future__ import annotations

from app.errors import Conflict, Forbidden


class NotYourCase(Forbidden):
    """The case is worked by somebody else; a supervisor may transfer it."""

    code = "not_your_case"
    message = "This case is not yours. Claim it, or ask a supervisor to transfer it."
    keeps_changes = True


class AlreadyClaimed(Conflict):
    """Somebody was faster."""

    code = "already_claimed"
    message = "Somebody else has claimed this case."


class CaseClosed(Conflict):
    """A closed case takes no more work; a new public message of its author reopens it."""

    code = "case_closed"
    message = "This case is closed."


class AlreadyRated(Conflict):
    """One rating for each closing."""

    code = "already_rated"
    message = "This conversation cannot be rated now, or has been rated already."
