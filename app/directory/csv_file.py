"""The directory as a CSV file: `customer_number,name,phone,email,language,city`, read anew when it changes.

Two more columns are needed where providers name customers by them: `fiscal_code`, and `subject` with one or more
`provider:sub`, separated by spaces.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.directory.port import (
    CustomerRecord,
    DirectoryUnavailable,
    IdentifierKind,
    canonical,
    changed_from,
    email_from,
    normalise,
    phone_from,
)


def dates_phones(path: Path) -> bool:
    """Whether the file has the column that says when phones changed."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return "phone_changed_at" in next(csv.reader(file), [])
    except (OSError, csv.Error, UnicodeDecodeError):
        return False


class CsvDirectory:
    """Customers from a file that the bank exports; small banks and the demo."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: int | None = None
        self._by_key: dict[tuple[str, str], CustomerRecord] = {}

    async def find(self, identifier: str, kind: IdentifierKind | None = None) -> CustomerRecord | None:
        """See `CustomerDirectory`."""
        try:
            await asyncio.to_thread(self._load)
        except (OSError, csv.Error, KeyError, AttributeError, UnicodeDecodeError) as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        wanted = normalise(identifier) if kind is None else (kind, canonical(identifier, kind))
        return self._by_key.get(wanted) if wanted[1] else None

    def _load(self) -> None:
        changed = self._path.stat().st_mtime_ns
        if changed == self._seen:
            return
        found: dict[tuple[str, str], CustomerRecord] = {}
        shared: set[tuple[str, str]] = set()
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                record = CustomerRecord(
                    customer_number=row["customer_number"].strip().upper(),
                    name=row["name"].strip(),
                    phone=phone_from(row["phone"]),
                    email=email_from(row["email"]),
                    language=(row.get("language") or "it").strip(),
                    city=(row.get("city") or "").strip() or None,
                    phone_changed_at=changed_from(row.get("phone_changed_at")),
                )
                if not record.customer_number:
                    continue
                for key in _names(row, record):
                    known = found.setdefault(key, record)
                    if known.customer_number != record.customer_number:
                        shared.add(key)
        # Two customers with one phone: it names neither, or one of them would be bound as the other.
        self._by_key = {key: record for key, record in found.items() if key not in shared}
        self._seen = changed


def _names(row: Mapping[str, str | None], record: CustomerRecord) -> Iterator[tuple[str, str]]:
    """Every (kind, spelling) under which this row is found."""
    yield from (normalise(one) for one in (record.customer_number, record.phone, record.email) if one)
    yield IdentifierKind.NUMBER, canonical(record.customer_number, IdentifierKind.NUMBER)
    if code := canonical(row.get("fiscal_code") or "", IdentifierKind.FISCAL_CODE):
        yield IdentifierKind.FISCAL_CODE, code
    yield from ((IdentifierKind.SUBJECT, one) for one in (row.get("subject") or "").split())
