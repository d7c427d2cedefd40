"""When a phone changed: by the bank's files, and by a service after CAMARA's SIM Swap API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.directory.csv_file import CsvDirectory
from app.directory.phone_changes import PhoneChangesUnavailable, SimSwapService
from app.directory.port import changed_from
from app.outbound import OutboundResponse, OutboundTimeout
from security.secret import Secret

PHONE = "+393331234567"


@dataclass
class Outbound:
    """One answer, and what was asked."""

    status: int = 200
    body: bytes = b'{"swapped": false}'
    fault: Exception | None = None
    asked: list[tuple[str, str, Any, Any]] = field(default_factory=list)

    async def request(self, method: str, url: str, *, headers: Any = None, json: Any = None) -> OutboundResponse:
        self.asked.append((method, url, headers, json))
        if self.fault is not None:
            raise self.fault
        return OutboundResponse(self.status, {}, self.body)


def service(outbound: Outbound) -> SimSwapService:
    return SimSwapService("https://api.operator.example/sim-swap/v2/", Secret(b"token"), outbound)  # type: ignore[arg-type]


@pytest.mark.parametrize("swapped", [True, False])
async def test_it_asks_whether_and_for_how_many_hours(swapped: bool) -> None:
    outbound = Outbound(body=b'{"swapped": true}' if swapped else b'{"swapped": false}')
    assert await service(outbound).changed_within(PHONE, timedelta(hours=71, minutes=1)) is swapped
    method, url, headers, body = outbound.asked[0]
    assert (method, url) == ("POST", "https://api.operator.example/sim-swap/v2/check")
    assert headers == {"Authorization": "Bearer token"}
    assert body == {"phoneNumber": PHONE, "maxAge": 72}


async def test_it_never_asks_further_back_than_the_api_allows() -> None:
    outbound = Outbound()
    await service(outbound).changed_within(PHONE, timedelta(days=365))
    assert outbound.asked[0][3]["maxAge"] == 2400


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_phone_that_it_does_not_know_is_neither_changed_nor_not(status: int) -> None:
    assert await service(Outbound(status, b"{}")).changed_within(PHONE, timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"{}"),
        (403, b"{}"),
        (429, b"{}"),
        (500, b""),
        (302, b""),
        (200, b""),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"swapped": "false"}'),
        (200, b'{"swapped": 0}'),
        (200, b'{"swapped": null}'),
        (201, b'{"swapped": false}'),
        (200, b"[" * 5000),
    ],
)
async def test_what_cannot_be_believed_is_no_answer(status: int, body: bytes) -> None:
    with pytest.raises(PhoneChangesUnavailable):
        await service(Outbound(status, body)).changed_within(PHONE, timedelta(hours=1))


async def test_a_service_that_is_away_is_no_answer() -> None:
    with pytest.raises(PhoneChangesUnavailable):
        await service(Outbound(fault=OutboundTimeout("timeout"))).changed_within(PHONE, timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (None, None),
        ("  ", None),
        ("2026-11-20T10:30:00+01:00", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("2026-11-20T10:30:00Z", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("2026-11-20 10:30:00", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 21, tzinfo=UTC)),
        ("20261120", datetime(2026, 11, 21, tzinfo=UTC)),
        ("20/11/2026", datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, tzinfo=UTC)),
        ("never", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_date_of_the_files_is_read_to_the_safe_side(text: str | None, at: datetime | None) -> None:
    assert changed_from(text) == at


async def test_the_csv_file_may_have_the_column_or_not(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer_number,name,phone,email\nC1,Giulia,+393331234567,\n")
    found = await CsvDirectory(path).find("C1")
    assert found is not None
    assert found.phone_changed_at is None
    path.write_text(
        "customer_number,name,phone,email,phone_changed_at\nC1,Giulia,+393331234567,,2026-11-20\nC2,Ada,,\n"
    )
    directory = CsvDirectory(path)
    dated, bare = await directory.find("C1"), await directory.find("C2")
    assert dated is not None
    assert bare is not None
    assert (dated.phone_changed_at, bare.phone_changed_at) == (datetime(2026, 11, 21, tzinfo=UTC), None)
