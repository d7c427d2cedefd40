"""What the bank's files know of the bound customers of a case, for the leak guard: it must not turn up in public."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.binding import known_customers
from app.binding.models import Attempt, Binding
from app.conversations.models import Conversation
from app.database import services_of
from app.directory.port import CustomerRecord
from security.leaks import Fact


async def facts_of_case(db: AsyncSession, case_id: UUID) -> Sequence[Fact]:
    """The facts of every customer ever bound to the case's handle, revoked ones included; none before a binding."""
    made_here = select(Attempt.binding_id).where(Attempt.case_id == case_id, Attempt.binding_id.is_not(None))
    rooms_here = select(Conversation.binding_id).where(Conversation.case_id == case_id)
    bindings = await db.execute(select(Binding).where(Binding.id.in_(made_here) | Binding.id.in_(rooms_here)))
    services = services_of(db)
    facts = [
        fact
        for binding in bindings.scalars()
        for fact in facts_about(await known_customers.of_binding(services, binding))
    ]
    return tuple(dict.fromkeys(facts))


def facts_about(customer: CustomerRecord) -> list[Fact]:
    """Each filled field of the record as a fact."""
    named = {
        "customer_number": customer.customer_number,
        "name": customer.name,
        "phone": customer.phone,
        "email": customer.email,
        "city": customer.city,
    }
    return [Fact(kind, value) for kind, value in named.items() if value]
