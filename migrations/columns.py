"""The column types of the revisions, as each database spells them. Frozen: a change of type gets a new name here."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKeyConstraint, Integer, LargeBinary, Text, Uuid

# SQLite's STRICT tables know INTEGER, REAL, TEXT, BLOB and ANY.
TEXT: Final = Text()
BYTES: Final = LargeBinary()
UUID: Final = Uuid().with_variant(Text(), "sqlite")
WHOLE: Final = BigInteger().with_variant(Integer(), "sqlite")
MOMENT: Final = DateTime(timezone=True).with_variant(Text(), "sqlite")
BOOLEAN: Final = Boolean().with_variant(Integer(), "sqlite")


def leaf_key(table: str) -> ForeignKeyConstraint:
    """From an audited row to the leaf of its latest act, which is written last: checked at the commit."""
    return ForeignKeyConstraint(
        ["leaf_id"], ["audit_leaves.id"], name=f"fk_{table}_leaf_id", deferrable=True, initially="DEFERRED"
    )
