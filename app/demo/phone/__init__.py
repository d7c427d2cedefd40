"""The phones of the demo customers: a page with their SMS and mail, an SMS gateway, a loopback mail listener."""

from __future__ import annotations

from app.demo.phone.app import create_phone_app
from app.demo.phone.inbox import Device, PhoneInbox
from app.demo.phone.smtp import MailListener

__all__ = ["Device", "MailListener", "PhoneInbox", "create_phone_app"]
