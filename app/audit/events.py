"""The closed list of events, each with the only data fields its leaf may carry. Past-tense facts, `noun.verb`."""

from __future__ import annotations

from typing import Final

_TEXT = ("id", "pt", "ct", "key")

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    # the log itself
    "log.started": ("origin",),
    "log.heartbeat": ("size",),
    "key.rotated": ("kind", "old", "new"),
    "keys.rewrapped": ("count", "version"),
    "keys.swept": ("count",),
    # cases and the public side
    "case.opened": ("network", "slug"),
    "case.reopened": ("reason",),
    "case.claimed": ("assignee",),
    "case.transferred": ("from", "to"),
    "case.closed": ("outcome",),
    "case.rated": ("rating",),
    "case.read": ("part",),
    "case.refused": ("reason", "act"),
    "note.added": _TEXT,
    "post.received": (*_TEXT, "external", "kind"),
    "reply.checked": ("verdict", "kinds", "text"),
    "reply.overridden": ("id", "by", "text", "pt", "key"),
    "reply.registered": (*_TEXT, "purpose", "verdict"),
    "reply.posted": ("id", "external"),
    "reply.failed": ("id", "reason"),
    # proofs and bindings
    "attempt.started": ("case", "kind"),
    "attempt.refused": ("reason", "step"),
    "attempt.expired": ("state",),
    "attempt.cancelled": ("reason",),
    "handle.requested": ("method",),
    "handle.proved": ("method", "level"),
    "customer.requested": ("method",),
    "customer.proved": ("method", "level", "acr"),
    "code.sent": ("channel", "challenge"),
    "code.withheld": ("channel", "challenge", "reason"),
    "code.refused": ("channel", "challenge", "tries"),
    "pair.locked": ("minutes",),
    "binding.created": ("level", "attempt", "handle_method", "customer_method", "until"),
    "binding.renewed": ("level", "attempt", "handle_method", "customer_method", "until"),
    "binding.stepped_up": ("level", "attempt", "method"),
    "binding.revoked": ("reason",),
    "notice.accepted": ("version",),
    "authenticator.enrolled": ("max_level",),
    "authenticator.used": ("id",),
    # the room
    "room.opened": ("binding", "case", "key"),
    "room.entered": ("level", "session"),
    "room.level_set": ("level", "session"),
    "room.locked": ("reason",),
    "room.unlocked": ("level",),
    "room.left": ("session",),
    "room.closed": ("reason",),
    "room.reopened": ("case",),
    "room.read": ("from", "to", "purpose", "session"),
    "room.watching": ("from", "watch"),
    "room.watch_renewed": ("to", "watch"),
    "room.watch_ended": ("to", "watch"),
    "room.refused": ("reason", "act"),
    "room.step_up_requested": ("level",),
    "message.sent": (*_TEXT, "number", "class", "sender", "session"),
    "message.held": (*_TEXT, "class", "sender", "session", "needs"),
    "message.released": ("id", "number", "level"),
    "message.expired": ("id",),
    "message.refused": ("reason", "class"),
    # notices that leave the house
    "delivery.sent": ("topic", "id"),
    "delivery.failed": ("topic", "id", "reason"),
    # staff
    "staff.added": ("role",),
    "staff.deactivated": ("reason",),
    "staff.signed_in": ("means", "session"),
    "staff.refused": ("reason",),
    "staff.signed_out": ("session",),
    "audit.read": ("part",),
    # exports
    "export.requested": ("scope", "of"),
    "export.created": ("scope", "of", "streams"),
    "export.finished": ("size", "bytes", "digest"),
    "export.failed": ("reason",),
    "export.downloaded": ("digest",),
    "export.refused": ("reason",),
}
