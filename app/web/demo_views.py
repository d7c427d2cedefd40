"""The exact context of the demo's start page."""

from __future__ import annotations

from dataclasses import dataclass

from app.web.staff_views import RoleName
from app.web.views import Page


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """Somebody of the demo's town: the Square's address that posts as them, and what the bank has on file."""

    name: str
    handle: str
    url: str
    customer_number: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class DemoStaff:
    """A seeded member of staff; `code` is the current TOTP, `seconds_left` until the next."""

    name: str
    display_name: str
    role: RoleName
    password: str
    code: str
    seconds_left: int


@dataclass(frozen=True, kw_only=True)
class DemoStart(Page):
    """The demo's first page: the story in steps; the addresses are absolute."""

    TEMPLATE = "demo_start.html"

    square: str
    bank: str
    staff_door: str
    phone: str
    verify: str
    people: tuple[DemoPerson, ...]
    staff: tuple[DemoStaff, ...]
    case_link: str = ""
