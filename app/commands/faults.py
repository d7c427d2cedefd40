"""Which faults are a person's to mend, the sentences for them, and the status that the command ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from app.channels.ports import ChannelError
from app.commands.exporting import ExportFailed
from app.demo.running import NotLoopback
from app.errors import RiserboError
from app.initialising import FolderTaken, PlainAddress
from app.key_files import KeyFileRefused
from app.main import NotReady
from app.migrating import MigrationRefused
from security.errors import SecurityError

FAILS: Final = 1
WRONG_USE: Final = 2


def explained(fault: Exception) -> tuple[int, Sequence[str]] | None:
    """Exit status and lines for a fault, None for one that is ours."""
    match fault:
        case ValidationError():
            wrong = fault.errors(include_url=False, include_input=False)
            return WRONG_USE, [f"setting {'.'.join(map(str, one['loc'])) or '?'}: {one['msg']}" for one in wrong]
        case NotReady():
            return FAILS, [f"not ready: {finding}" for finding in fault.findings]
        case NotLoopback() | FolderTaken() | PlainAddress():
            return WRONG_USE, [str(fault)]
        case KeyFileRefused() | MigrationRefused() | ExportFailed() | ChannelError():
            return FAILS, [str(fault)]
        case RiserboError():
            return FAILS, [fault.message]
        case SecurityError():
            return FAILS, [f"a key or a sealed value does not open ({type(fault).__name__}); is keys/ the right one?"]
        case DBAPIError():
            return FAILS, [f"the database does not answer, or refuses ({type(fault.orig).__name__})"]
    return None
