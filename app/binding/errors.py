"""Refusals of proofs and bindings. The words are the same whatever the cause: only the leaf knows it."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unavailable


class NotFinishedHere(Forbidden):
    """A sign-in or proof that must not succeed here: another account, browser, customer, or a second use.

    Kept, since the refusal ends a flow or an attempt and has its leaf.
    """

    code = "not_finished_here"
    message = "This sign-in cannot be finished here. Please start again from the link in the bank's reply."
    keeps_changes = True


class RequestGone(NotFound):
    """The address that a wallet asks for leads to no request, or no longer: the two look alike."""

    code = "request_gone"
    message = "There is no such request, or no longer. Please start again in the browser."


class AttemptOver(Conflict):
    """No open attempt in this session for this link, or it took too long."""

    code = "attempt_over"
    message = "This took too long or was started elsewhere. Please start again from the link in the bank's reply."


class OutOfStep(Conflict):
    """The attempt stands at another step; `queries.step_of` says at which."""

    code = "out_of_step"
    message = "This step is not open now. Please go on from where you are."


class CodeWrong(Invalid):
    """Wrong, expired, used, or never sent: one answer for all (RTS 2018/389 art. 4: do not tell which)."""

    code = "code_wrong"
    message = "This code is not right, or no longer. Please check it, or ask for a new one."
    keeps_changes = True


class NotReady(Unavailable):
    """The worker has not looked at the request yet; the same for known and unknown identifiers, nothing is counted."""

    code = "not_ready"
    message = "One moment, please: this is still being prepared. Try again in a few seconds."

    def __init__(self) -> None:
        super().__init__(retry_after=2)


class ReproofNeeded(Conflict):
    """The proofs of the binding are too old, or the account changed: one factor no longer opens it."""

    code = "reproof_needed"
    message = "Please prove your account and yourself anew: open the link in the bank's reply again."


class EnoughCodes(TooMany):
    """As many codes as one attempt may ask for; other methods stay open."""

    code = "enough_codes"
    message = "No more codes can be sent in this attempt. Please use another way, or start again later."


class CodeTooSoon(TooMany):
    """A code to the same place is on its way, or was just said to be; the wait doubles with each one."""

    code = "code_too_soon"
    message = "We have just prepared a code. Please wait a little before you ask for another one."


class MethodNotOffered(Invalid):
    """The network, method or provider is not switched on here."""

    code = "method_not_offered"
    message = "Please choose one of the ways shown."


class AccountNeeded(Invalid):
    """Nothing was typed where an account or an identifier is needed."""

    code = "account_needed"
    message = "Please fill in this field."


class AccountIncomplete(Invalid):
    """The account's name lacks its server, where accounts live on many."""

    code = "account_incomplete"
    message = "Please write the whole name of the account, with its server: name@server, or name.server."


class NoticeNotAccepted(Invalid):
    """The confirmation came without the acceptance of the privacy and recording notice."""

    code = "notice_not_accepted"
    message = "Please read and accept the notice before you go on."


class AuthenticatorNotAdded(Invalid):
    """The code of a new authenticator was not right."""

    code = "authenticator_not_added"
    message = "This code is not right. Check that the app shows the code for us, and type the newest one."


class EnoughAuthenticators(Conflict):
    """The binding has as many authenticators as it may."""

    code = "enough_authenticators"
    message = "There are enough authenticator apps already."


class PasskeyNotAccepted(Forbidden):
    """A passkey's answer that must not count, whatever the reason: unknown, removed, another's, forged, too late.

    Kept, since its question is used up and the refusal has its leaf.
    """

    code = "passkey_not_accepted"
    message = "This passkey does not open anything here. Please try again, or use another way."
    keeps_changes = True


class PasskeyNotAdded(Invalid):
    """What the browser made cannot be kept: not for this question, not verified, of an unknown kind, or known already.

    Kept, since its question is used up and the refusal has its leaf.
    """

    code = "passkey_not_added"
    message = "The passkey could not be added. Please try again."
    keeps_changes = True


class PasskeyNeedsMore(Forbidden):
    """The session's level is too low to register, see or remove passkeys."""

    code = "passkey_needs_more"
    message = "Please confirm your identity first; then you can manage your passkeys."


class EnoughPasskeys(Conflict):
    """The binding has as many passkeys as it may."""

    code = "enough_passkeys"
    message = "There are enough passkeys already. Remove one that you no longer use."


class SignInUnreachable(Unavailable):
    """The network or provider cannot be reached; nothing was proved, nothing is held against anybody."""

    code = "sign_in_unreachable"
    message = "The other site cannot be reached now. Please try again, or use another way."
    keeps_changes = True
