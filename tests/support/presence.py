"""Customers who have just come in: an installation is prepared once, and its copies are used minutes later.

Without it a test that meets its copy more than five minutes after the preparation finds every customer idle.
"""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

STAY: Final = timedelta(days=1)
"""Longer than a long run, which is about faults and not about sessions; less than the clock is set ahead by."""


def come_in_on_sqlite(folder: Path) -> None:
    """In the installation of this folder, which nobody serves yet."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with contextlib.closing(sqlite3.connect(folder / "riserbo.db")) as file, file:
        file.execute(
            "UPDATE sessions SET last_seen_at = ?, expires_at = ? WHERE kind = 'visitor'",
            [f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in (now, now + STAY)],
        )


def come_in_on_postgres(conninfo: str) -> None:
    """In the main database that this connects to."""
    now = datetime.now(UTC)
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE sessions SET last_seen_at = %s, expires_at = %s WHERE kind = 'visitor'", [now, now + STAY]
        )
