"""The directory as a CSV file: `customer_number,name,phone,email,language,city`, read anew when it changes."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

from app.directory.port import CustomerRecord, DirectoryUnavailable, changed_from, email_from, normalise, phone_from


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
        except (OSError, csv.Error, KeyError, AttributeError, UnicodeDecodeError) as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        return self._by_key.get(normalise(identifier))

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
                for spelling in (record.customer_number, record.phone, record.email):
                    if not spelling:
                        continue
                    known = found.setdefault(normalise(spelling), record)
                    if known.customer_number != record.customer_number:
                        shared.add(normalise(spelling))
        # Two customers with one phone: it names neither, or one of them would be bound as the other.
        self._by_key = {key: record for key, record in found.items() if key not in shared}
        self._seen = changed
