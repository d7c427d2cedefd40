"""The triggers that guard the evidence: those of this version against those that a database has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import create_mock_engine, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Base

_URLS: Final = {"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://"}
_NAME = re.compile(r"CREATE (?:OR REPLACE FUNCTION|TRIGGER) (\w+)")
_INSTALLED_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_INSTALLED_POSTGRESQL = """
SELECT tgname, pg_get_triggerdef(oid) || CASE tgenabled WHEN 'O' THEN '' WHEN 'A' THEN '' ELSE ' disabled' END
  FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (
    SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
UNION ALL SELECT proname || '()', prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
"""


def expected(dialect: str) -> dict[str, str]:
    """Statements of every trigger and trigger function that this version creates, by name (functions with `()`)."""
    statements: list[str] = []

    def note(statement: Any, *_: Any, **__: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(_URLS[dialect], note)
    Base.metadata.create_all(engine, checkfirst=False)
    found = {}
    for statement in statements:
        if named := _NAME.match(statement):
            found[named[1] + ("" if statement.startswith("CREATE TRIGGER") else "()")] = statement
    return found


async def differing(connection: AsyncConnection) -> Sequence[str]:
    """Names of triggers and functions that are missing, disabled or other than this version's."""
    dialect = connection.dialect.name
    query = _INSTALLED_SQLITE if dialect == "sqlite" else _INSTALLED_POSTGRESQL
    installed = {row[0]: str(row[1]) for row in await connection.execute(text(query))}
    wanted = expected(dialect)
    return sorted(name for name in wanted if _plain(installed.get(name, "")) != _plain(wanted[name]))


def _plain(statement: str) -> list[str]:
    """The words of a statement without order: PostgreSQL prints a trigger in words and order of its own."""
    body = statement.split("$$")[1] if "$$" in statement else statement
    words = re.findall(r"[\w.=]+", body.lower().replace("for each statement", ""))
    return sorted(word.rpartition(".")[2] if word.count(".") == 1 and _is_table(word) else word for word in words)


def _is_table(word: str) -> bool:
    return not word.startswith(("new.", "old."))
