"""Refusals of the room."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, Invalid, Unauthenticated


class RoomLocked(Unauthenticated):
    """Nobody was active for a while, or the session ended: nothing is served until a proof is repeated."""

    code = "room_locked"
    message = "The room is locked. Prove again who you are to go on."


class RoomClosed(Conflict):
    """The conversation has ended."""

    code = "room_closed"
    message = "This conversation is closed. It opens again when you come back through the link."


class NotYourRoom(Forbidden):
    """The case of this room is worked by somebody else."""

    code = "not_your_room"
    message = "This room is not yours. The case belongs to somebody else."
    keeps_changes = True


class NeverHere(Invalid):
    """Full card numbers, PINs and payment orders have no place in a room, in either direction."""

    code = "never_here"
    message = "Please never write full card numbers, PINs or codes here. The message was not stored."
    keeps_changes = True


class ClassTooLow(Invalid):
    """The guard does not agree that the text reveals as little as chosen."""

    code = "class_too_low"
    message = "This text reveals more than the class you chose. Choose a higher class."
    keeps_changes = True


class MessageKeyReused(Invalid):
    """The same Idempotency-Key came with another text."""

    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used before with another message."
