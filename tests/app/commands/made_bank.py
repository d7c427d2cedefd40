"""An installation as `init` leaves it: what it was made of, and a look into it."""

from __future__ import annotations

import json
from pathlib import Path

from app.initialising import NewBank
from tests.app.command_line import CommandLine

PASSWORD = "correct horse battery staple"
BANK = NewBank(
    bank='Banca "Esempio" ø',
    public_url="https://aiuto.bancaesempio.example",
    staff_url="https://staff.bancaesempio.example",
    phone="+39 02 000000",
    hours_it="lun-ven",
    hours_en="Mon-Fri",
    privacy_contact="privacy@bancaesempio.example",
    admin_login="ada",
    admin_name="Ada",
)
INIT = [
    *("--bank", BANK.bank, "--public-url", BANK.public_url, "--staff-url", BANK.staff_url),
    *("--phone", BANK.phone, "--privacy-contact", BANK.privacy_contact),
]


def settings_line(bank: Path, old: str, new: str) -> None:
    file = bank / "riserbo.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def leaves_of(bank: Path, riserbo: CommandLine) -> list[dict[str, object]]:
    import sqlite3

    with sqlite3.connect(bank / "riserbo.db") as connection:
        rows = connection.execute("SELECT leaf FROM audit_leaves ORDER BY stage_no").fetchall()
    connection.close()
    return [json.loads(row[0]) for row in rows]
