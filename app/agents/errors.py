"""Refusals of staff accounts."""

from __future__ import annotations

from app.errors import Conflict, Invalid, Unauthenticated


class SignInRefused(Unauthenticated):
    """Name, password or code is wrong: outsiders never learn which."""

    code = "sign_in_refused"
    message = "Name, password or code is not right. A code works once: wait for the next one."
    keeps_changes = True


class ScopeNotHeld(Invalid):
    """A token was asked for with a scope that the role does not have."""

    code = "scope_not_held"
    message = "Your role does not have all of these scopes."


class LoginTaken(Conflict):
    """There is an account of this name already."""

    code = "login_taken"
    message = "There is already an account with this name."


class WeakPassword(Invalid):
    """Shorter than 15 characters (NIST SP 800-63B-4, single-factor minimum, asked of everybody), or longer than 256."""

    code = "weak_password"
    message = "The password needs at least 15 characters."


class PasswordsDiffer(Invalid):
    """What was typed twice is not the same."""

    code = "passwords_differ"
    message = "The two new passwords are not the same."


class GuessablePassword(WeakPassword):
    """Long enough, but made of words, repetitions or runs that are tried first."""

    code = "guessable_password"
    message = "This password is made of words or patterns that are tried first. Choose another one."
