"""Refusals of exports. Missing and forbidden look alike to whoever may not see exports at all."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unavailable


class ExportsNotForRole(Forbidden):
    """Only compliance asks for exports and reads the log; the refusal has its leaf."""

    code = "exports_not_for_role"
    message = "Exports and the evidence log are for the compliance officer."
    keeps_changes = True


class NoSuchExport(NotFound):
    """There is no such export, or the actor's role may see none; the refusal has its leaf."""

    code = "no_such_export"
    keeps_changes = True


class NoSuchRoom(NotFound):
    """An export was asked for a room that does not exist; the refusal has its leaf."""

    code = "no_such_room"
    message = "There is no room with this id."
    keeps_changes = True


class ReasonNeeded(Invalid):
    """An export without a reason that can be read later is none."""

    code = "reason_needed"
    message = "Give a reason of 5 to 500 characters, in plain text on one line."


class ScopeUnclear(Invalid):
    """A room's export names its room, an export of the whole log names none."""

    code = "scope_unclear"
    message = "Choose the whole log, or one room and its id."


class ExportNotReady(Conflict):
    """The bag is still being built, or could not be."""

    code = "export_not_ready"
    message = "This export has no bag: it is still being built, or it failed. Look at its state."


class BagMissing(Unavailable):
    """The bag was built, and its file is not in the export folder any more."""

    code = "bag_missing"
    message = "The file of this export is not there any more. Ask for a new export."


class ReceiptPending(Unavailable):
    """The receipt's own leaf is not under a signed head yet; nothing is lost, it is asked for again."""

    code = "receipt_pending"
    message = "Your receipt is being signed. Please ask for it again in a few seconds."


class EnoughReceipts(TooMany):
    """A binding may take a few receipts an hour."""

    code = "enough_receipts"
    message = "You have just taken several receipts. Please wait a little."
