"""What arrived on the demo customers' phones, in the order of arrival; in memory and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MAX_ITEMS = 1000


@dataclass(frozen=True)
class Device:
    """One customer's phone: the number and the mail address whose messages it shows."""

    id: str
    owner: str
    phone: str
    email: str

    def takes(self, address: str) -> bool:
        """Whether messages to this number or mail address arrive here."""
        return address.casefold() in (self.phone, self.email.casefold())


@dataclass(frozen=True)
class Item:
    """One SMS or mail; `number` counts arrivals from 1."""

    number: int
    at: datetime
    kind: Literal["sms", "mail"]
    to: str
    subject: str
    text: str


class PhoneInbox:
    """Takes SMS and mail, forgets the oldest beyond 1,000."""

    def __init__(self, devices: Sequence[Device], clock: Callable[[], datetime]) -> None:
        self.devices = tuple(devices)
        self.arrived = 0
        self._clock = clock
        self._items: deque[Item] = deque(maxlen=MAX_ITEMS)

    def sms(self, to: str, text: str) -> Item:
        """An SMS arrives at a number in E.164 form."""
        return self._add("sms", to, "", text)

    def mail(self, to: str, subject: str, text: str) -> Item:
        """A mail arrives."""
        return self._add("mail", to, subject, text)

    def items(self, to: str | None = None, after: int = 0) -> list[Item]:
        """What arrived after item number `after`, oldest first, for one number or mail address or for all."""
        found = (item for item in self._items if item.number > after)
        return [item for item in found if to is None or item.to.casefold() == to.casefold()]

    def of_device(self, device: Device) -> list[Item]:
        """What one phone shows, oldest first."""
        return [item for item in self._items if device.takes(item.to)]

    def of_nobody(self) -> list[Item]:
        """What went to addresses that no demo phone has, oldest first."""
        return [item for item in self._items if not any(device.takes(item.to) for device in self.devices)]

    def _add(self, kind: Literal["sms", "mail"], to: str, subject: str, text: str) -> Item:
        self.arrived += 1
        item = Item(self.arrived, self._clock(), kind, to, subject, text)
        self._items.append(item)
        return item
