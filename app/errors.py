"""The errors a person or a client may meet, each with its HTTP status; anything outside this tree is a bug.

RiserboError
  - BadRequest 400        the request cannot be read
  - Unauthenticated 401   nobody we know, or no longer
  - Forbidden 403         known, and not allowed to
  - NotFound 404          not there, or not for this actor: the two look alike on purpose
  - Conflict 409          the state has moved on
  - TooLarge 413, UnsupportedMediaType 415, Invalid 422
  - TooMany 429           wait, then try again
  - Unavailable 503       our side cannot take it now; nothing was stored
    - OutcomeUnknown 503  the database went away; whether it was stored shows when it is sent again
"""

from __future__ import annotations


class RiserboError(Exception):
    """Base of every error that has an answer.

    `message` is the English sentence for the person, translated by the pages; `code` is the stable name for clients.
    `keeps_changes` commits the transaction in spite of the refusal, so that a wrong guess is never forgotten.
    """

    status = 500
    code = "internal"
    keeps_changes = False
    message = "Something went wrong on our side. Nothing was stored."

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        self.message = message or type(self).message
        self.retry_after = retry_after
        super().__init__(self.message)

    def details(self) -> dict[str, object]:
        """What a program gets beside the sentence: never a value that it did not send itself."""
        return {}


class BadRequest(RiserboError):
    """The request cannot be read."""

    status = 400
    code = "bad_request"
    message = "This request could not be read."


class Unauthenticated(RiserboError):
    """No valid session or token."""

    status = 401
    code = "unauthenticated"
    message = "Please sign in first."
    challenge = "Bearer"
    """What the API's answer says in WWW-Authenticate."""

    def __init__(self, message: str | None = None, *, retry_after: int | None = None, nonce: str = "") -> None:
        super().__init__(message, retry_after=retry_after)
        self.nonce = nonce


class Forbidden(RiserboError):
    """The actor is known and may not do this."""

    status = 403
    code = "forbidden"
    message = "Your role does not allow this."


class ScopeTooNarrow(Forbidden):
    """The role may, but not by this token: it was given fewer scopes (RFC 6750 section 3.1)."""

    code = "insufficient_scope"
    message = "This token does not cover this."


class NotFound(RiserboError):
    """Absent, or not visible to this actor."""

    status = 404
    code = "not_found"
    message = "There is nothing here, or it is not for you."


class Conflict(RiserboError):
    """The thing has changed since it was read, or is in another state."""

    status = 409
    code = "conflict"
    message = "This has changed in the meantime. Look again and repeat what you need."


class TooLarge(RiserboError):
    """The body is larger than accepted."""

    status = 413
    code = "too_large"
    message = "This is too long."


class UnsupportedMediaType(RiserboError):
    """The content type is not accepted."""

    status = 415
    code = "unsupported_media_type"
    message = "This kind of content is not accepted here."


class Invalid(RiserboError):
    """The values do not make sense."""

    status = 422
    code = "invalid"
    message = "Some of the values are not valid."


class TooMany(RiserboError):
    """A limit on repetition was reached."""

    status = 429
    code = "too_many"
    message = "Too many tries. Please wait a little."


class Unavailable(RiserboError):
    """A part that is needed is missing or full right now."""

    status = 503
    code = "unavailable"
    message = "The service is busy. Nothing was stored; please try again shortly."


class OutcomeUnknown(Unavailable):
    """The database was lost on the way: the act may have been stored or not."""

    code = "outcome_unknown"
    message = "Our database did not answer. It may have been stored or not: send it again, and it is stored once."
