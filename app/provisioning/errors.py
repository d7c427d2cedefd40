"""Refusals of provisioning. `scimType` is the word that RFC 7644 section 3.12 has for the cause."""

from __future__ import annotations

from app.errors import BadRequest, Conflict, RiserboError


class ScimRefused(BadRequest):
    """The request cannot be carried out as it is written."""

    code = "scim_refused"
    message = "This provisioning request cannot be carried out as it is written."

    def __init__(self, message: str | None = None, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind

    def details(self) -> dict[str, object]:
        """The word of the RFC."""
        return {"scimType": self.kind}


class NameInUse(Conflict):
    """Another account has this userName or externalId, or one that is not the provisioning client's to see."""

    code = "name_in_use"
    message = "There is another account with this userName or externalId."

    def details(self) -> dict[str, object]:
        """The word of the RFC."""
        return {"scimType": "uniqueness"}


class VersionMismatch(RiserboError):
    """`If-Match` names another version than there is now."""

    status = 412
    code = "version_mismatch"
    message = "This account has changed since it was read."
