"""Refusals of a public reply."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.errors import Conflict, Forbidden, Invalid


class GuardBlocked(Invalid):
    """The leak guard blocked the text; nothing left. `findings` mark the places in the text."""

    code = "guard_blocked"
    message = "This reply would reveal something in public. It was not sent."
    keeps_changes = True

    def __init__(self, block_id: UUID, findings: list[dict[str, Any]]) -> None:
        super().__init__()
        self.block_id = block_id
        self.findings = findings

    def details(self) -> dict[str, object]:
        """The block to be decided by somebody else, and the places in the author's own text."""
        return {"block": str(self.block_id), "findings": self.findings}


class ReplyTooLong(Invalid):
    """With signature and link it does not fit the network."""

    code = "reply_too_long"
    message = "This reply is too long for the network, with signature and link."


class SecondPersonNeeded(Forbidden):
    """A block is lifted by a supervisor who did not write the text."""

    code = "second_person_needed"
    message = "Somebody else must decide this: a supervisor who did not write the text."
    keeps_changes = True


class WrittenInPrivate(Conflict):
    """The case holds private messages only: a public answer would show everybody that this person wrote to the bank."""

    code = "written_in_private"
    message = "This was written in private, so it is never answered in public. Use another way, or close the case."


class NoPublicAnswer(Conflict):
    """The network has no usable way to post, and none was given by hand."""

    code = "no_public_answer"
    message = "This network cannot be answered from here. Post the text by hand."
