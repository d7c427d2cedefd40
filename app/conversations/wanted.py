"""Many questions in one statement: a list of rows as one parameter, which the database reads as a table.

One parameter however long the list is: the statement's text stays the same, so it is compiled and prepared once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import FromClause, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine


def as_parameter(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as the parameter's value; ids as 32 hexadecimal digits, which both databases take."""
    return json.dumps(rows, separators=(",", ":"))


def wanted(dialect: str, parameter: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """The table that the parameter holds, with these columns."""
    name = f"wanted_{parameter}"
    if dialect == "postgresql":
        document = cast(bindparam(parameter, type_=Text()), JSONB)
        typed = [column(key, kind) for key, kind in columns.items()]
        return func.jsonb_to_recordset(document).table_valued(*typed).render_derived(name=name, with_types=True)
    row = func.json_each(bindparam(parameter, type_=Text())).table_valued("value")
    return (
        select(*(func.json_extract(row.c.value, f"$.{key}", type_=kind).label(key) for key, kind in columns.items()))
        .cte(name)
        .prefix_with("MATERIALIZED")
    )
