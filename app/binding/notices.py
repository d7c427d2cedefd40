"""The notice to the channel on file at each binding, with a reference that lets its reader undo it, and at its end.

It goes, where there is a choice, to another channel than the one that was proved with: who stole a phone should not be
the only one to hear of it. While the phone may have changed hands it goes to every channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.actors import SYSTEM
from app.audit.service import record
from app.binding import known_customers, phone_quiet, texts
from app.binding.models import Binding, NoticeReference
from app.binding.ports import BindingPorts
from app.binding.queries import is_live
from app.binding.rules import CodeMethod
from app.channels.ports import connector_for
from app.conversations import sweeping as rooms
from app.database import reading, services_of, transaction
from app.directory.phone_changes import PhoneChangesUnavailable
from app.directory.port import CustomerRecord
from app.notifications.service import Work, enqueue, finish
from app.services import Services
from security.tokens import new_reference

NOTICE = "binding.notice"
ENDED = "ended"


async def reference_hash(services: Services, reference: str) -> bytes:
    """Under which a reference is stored; keyed, since 58 random bits could be found by trial."""
    return await services.vault.lookup_hash("notice-reference", reference)


async def enqueue_notice(db: AsyncSession, binding: Binding, *, kind: str, proved_by: str) -> None:
    """Join the notice to this transaction; `kind` is `linked`, `new_browser`, `authenticator` or `passkey`."""
    services = services_of(db)
    reference = new_reference()
    db.add(
        NoticeReference(
            reference_hash=await reference_hash(services, reference),
            binding_id=binding.id,
            created_at=services.clock(),
        )
    )
    payload = {"binding": str(binding.id), "kind": kind, "reference": reference, "proved_by": proved_by}
    await enqueue(db, NOTICE, payload)


async def enqueue_ended(db: AsyncSession, binding: Binding) -> None:
    """Join the notice that the bank has ended a link; there is nothing in it to undo, and so no reference."""
    payload = {"binding": str(binding.id), "kind": ENDED, "reference": "", "proved_by": ""}
    await enqueue(db, NOTICE, payload)


async def announce_unread(services: Services) -> int:
    """One notice without content for each room whose newest answer waits unread; returns how many."""
    waiting = await rooms.unread_answers(services)
    for unread in waiting:
        async with transaction(services) as db:
            await rooms.announced(db, unread)
            payload = {"binding": str(unread.binding_id), "kind": "unread", "reference": "", "proved_by": ""}
            await enqueue(db, NOTICE, payload, dedupe=f"unread:{unread.conversation_id}:{unread.n}")
    return len(waiting)


async def deliver_notice(services: Services, ports: BindingPorts, work: Work) -> None:
    """Send one notice. Raises `DirectoryUnavailable` or `SendFailed` for a retry."""
    async with reading(services) as db:
        binding = await db.get_one(Binding, UUID(work.payload["binding"]))
    if work.payload["kind"] == "unread" and not is_live(binding, services.clock()):
        async with transaction(services) as db:
            await finish(db, work.id, "binding_over")
        return
    bound = await known_customers.of_binding(services, binding)
    customer = await ports.directory.find(bound.customer_number)
    sent = customer is not None and await _send(services, ports, work, binding, customer)
    async with transaction(services) as db:
        topic_and_id = {"topic": NOTICE, "id": str(work.id)}
        stream = f"binding:{binding.id}"
        if sent:
            record(db, "delivery.sent", stream=stream, actor=SYSTEM, data=topic_and_id)
        else:
            data = {**topic_and_id, "reason": "no_channel"}
            record(db, "delivery.failed", stream=stream, actor=SYSTEM, data=data)
        await finish(db, work.id, "done" if sent else "no_channel")


async def _send(
    services: Services, ports: BindingPorts, work: Work, binding: Binding, customer: CustomerRecord
) -> bool:
    connector = connector_for(ports.connectors, binding.network, binding.scope)
    sender = texts.Sender(ports.bank, ports.host)
    kind = work.payload["kind"]
    text = texts.notice_text(
        sender,
        customer.language,
        kind=kind,
        network=connector.label if connector else binding.network,
        handle=(await known_customers.subject_of_binding(services, binding)).handle,
        day=services.clock(),
        reference=work.payload["reference"],
    )
    channels = [CodeMethod.SMS, CodeMethod.EMAIL]
    # Who phones has most often lost the telephone: whoever holds it should not be the only one to hear.
    if work.payload["proved_by"] == CodeMethod.SMS or kind == ENDED:
        channels.reverse()
    everywhere = kind != "unread" and await _phone_may_be_anothers(services, ports, customer)
    sent = False
    for channel in channels:
        if channel == CodeMethod.SMS and ports.senders.sms is not None and customer.phone:
            await ports.senders.sms.send_sms(customer.phone, text)
            sent = True
        if channel == CodeMethod.EMAIL and ports.senders.mail is not None and customer.email:
            await ports.senders.mail.send_mail(
                customer.email, texts.subject_line(sender, customer.language, kind), text
            )
            sent = True
        if sent and not everywhere:
            return True
    return sent


async def _phone_may_be_anothers(services: Services, ports: BindingPorts, customer: CustomerRecord) -> bool:
    """Who has taken the number over (SIM swap) must not be the only one to hear; nor when nobody can say."""
    try:
        return await phone_quiet.objection_to(services, ports, customer) is not None
    except PhoneChangesUnavailable:
        return True


HANDLERS: Mapping[str, Callable[[Services, BindingPorts, Work], Awaitable[None]]] = {NOTICE: deliver_notice}
