"""The directory as a CSV file: `customer_number,name,phone,email,language,city`, read anew when it changes."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

from app.directory.port import CustomerRecord, DirectoryUnavailable, normalise


class CsvDirectory:
    """Customers from a file that the bank exports; small banks and the demo."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: int | None = None
        self._by_key: dict[tuple[str, str], CustomerRecord] = {}

    async def find(self, identifier: str) -> CustomerRecord | None:
        """See `CustomerDirectory`."""
        try:
            await asyncio.to_thread(self._load)
        except (OSError, csv.Error, KeyError, UnicodeDecodeError) as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        return self._by_key.get(normalise(identifier))

    def _load(self) -> None:
        changed = self._path.stat().st_mtime_ns
        if changed == self._seen:
            return
        found: dict[tuple[str, str], CustomerRecord] = {}
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                record = CustomerRecord(
                    customer_number=row["customer_number"].strip().upper(),
                    name=row["name"].strip(),
                    phone=normalise(row["phone"])[1] if row["phone"].strip() else None,
                    email=row["email"].strip() or None,
                    language=(row.get("language") or "it").strip(),
                    city=(row.get("city") or "").strip() or None,
                )
                for spelling in (record.customer_number, record.phone, record.email):
                    if spelling:
                        found[normalise(spelling)] = record
        self._by_key, self._seen = found, changed
