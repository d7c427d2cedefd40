"""Quiet hours: whoever has taken over a phone number (SIM swap) gets no code by SMS while the change is fresh."""

from __future__ import annotations

from app.binding.ports import BindingPorts
from app.directory.port import CustomerRecord
from app.policy import Unknown
from app.services import Services


async def objection_to(services: Services, ports: BindingPorts, customer: CustomerRecord) -> str | None:
    """Why no code may go to this customer's phone now: `phone_changed`, `phone_unknown`, or None.

    The bank's own files come first, then the operator's word. Raises `PhoneChangesUnavailable`.
    """
    rule = services.policy.phone
    if not rule.quiet or customer.phone is None:
        return None
    if customer.phone_changed_at is not None and customer.phone_changed_at > services.clock() - rule.quiet:
        return "phone_changed"
    if ports.phone_changes is None:
        return None
    changed = await ports.phone_changes.changed_within(customer.phone, rule.quiet)
    if changed is None:
        return "phone_unknown" if rule.unknown == Unknown.REFUSE else None
    return "phone_changed" if changed else None
