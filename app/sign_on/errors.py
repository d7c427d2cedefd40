"""Refusals of the sign-in elsewhere. What was wrong stands in the evidence, never on the page."""

from __future__ import annotations

from app.errors import Forbidden, Unauthenticated, Unavailable


class NotSignedIn(Unauthenticated):
    """The provider did not sign this person in, or we have no account for whom it named: one answer for all."""

    code = "not_signed_in"
    message = "The sign-in did not succeed. Please start again; if it happens again, ask your administrator."
    keeps_changes = True


class ProviderAway(Unavailable):
    """The provider cannot be reached."""

    code = "provider_away"
    message = "The bank's sign-in does not answer just now. Please try again shortly."


class SignInAgain(Forbidden):
    """This act needs a sign-in that is stronger, or not so long ago. Programs are told how (RFC 9470)."""

    status = 401
    code = "sign_in_again"
    message = "For this please sign in once more."

    def __init__(self, acrs: tuple[str, ...] = (), seconds: int = 0) -> None:
        super().__init__()
        self.acrs, self.seconds = acrs, seconds

    @property
    def challenge(self) -> str:
        """What a program asks its authorization server for."""
        words = ['Bearer error="insufficient_user_authentication"', f'max_age="{self.seconds}"']
        acrs = " ".join(one for one in self.acrs if one.isascii() and one.isprintable() and '"' not in one)
        return ", ".join([*words, f'acr_values="{acrs}"'] if acrs else words)
