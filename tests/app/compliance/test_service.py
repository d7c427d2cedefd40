"""Who may ask for, see and download exports, and what each of it leaves in the log."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from app.actors import Staff
from app.compliance import service
from app.compliance.errors import (
    BagMissing,
    ExportNotReady,
    ExportsNotForRole,
    NoSuchExport,
    NoSuchRoom,
    ReasonNeeded,
    ScopeUnclear,
)
from app.compliance.models import Export
from app.database import transaction
from app.errors import RiserboError
from app.ids import new_id
from security.keys import new_data_key
from tests.app.compliance.archive import ORIGIN, Archive, complained_and_bound, verify

Ask = Callable[[Archive, Staff, Export], Awaitable[object]]


async def ask(archive: Archive, staff: Staff, _export: Export) -> object:
    return await service.new_key(archive.services, staff)


async def ask_with_a_foreign_key(archive: Archive, staff: Staff, _export: Export) -> object:
    key = new_data_key(new_id(archive.bank.clock()))
    async with transaction(archive.services) as db:
        return await service.request_export(db, staff, "log", None, "senza permesso", key=key)


async def list_all(archive: Archive, staff: Staff, _export: Export) -> object:
    async with transaction(archive.services) as db:
        return await service.list_exports(db, staff)


async def read_one(archive: Archive, staff: Staff, export: Export) -> object:
    async with transaction(archive.services) as db:
        return await service.read_export(db, staff, export.id)


async def download(archive: Archive, staff: Staff, export: Export) -> object:
    return await service.download(archive.services, archive.ports, staff, export.id)


async def see_log(archive: Archive, staff: Staff, _export: Export) -> object:
    async with transaction(archive.services) as db:
        return await service.log_status(db, staff)


async def take_trust(archive: Archive, staff: Staff, _export: Export) -> object:
    return await service.read_trust(archive.services, archive.ports, staff)


REFUSED: list[tuple[Ask, type[RiserboError]]] = [
    (ask, ExportsNotForRole),
    (ask_with_a_foreign_key, ExportsNotForRole),
    (list_all, ExportsNotForRole),
    (read_one, NoSuchExport),
    (download, NoSuchExport),
    (see_log, ExportsNotForRole),
    (take_trust, ExportsNotForRole),
]


async def test_every_other_role_is_refused_everything_with_a_leaf(archive: Archive) -> None:
    export = await archive.ask()
    await archive.build(await archive.work())
    others = [archive.agent, archive.supervisor, archive.administrator]
    for staff in others:
        for act, refusal in REFUSED:
            with pytest.raises(refusal):
                await act(archive, staff, export)
    for staff in others:
        leaves = await archive.bank.leaves("export.refused", f"staff:{staff.id}")
        assert [leaf["data"]["reason"] for leaf in leaves] == [refusal.code for _, refusal in REFUSED]
        assert {leaf["actor"]["id"] for leaf in leaves} == {str(staff.id)}
    assert await archive.bank.leaves("audit.read") == []
    assert await archive.bank.leaves("export.downloaded") == []
    assert len(await archive.bank.all(Export)) == 1


async def test_missing_and_forbidden_look_alike(archive: Archive) -> None:
    export = await archive.ask()
    missing = Export(id=new_id(archive.bank.clock()))
    answers = []
    for staff, wanted in ((archive.agent, export), (archive.officer, missing)):
        for act in (read_one, download):
            with pytest.raises(NoSuchExport) as refusal:
                await act(archive, staff, wanted)
            answers.append((refusal.value.status, refusal.value.code, refusal.value.message))
    assert len(set(answers)) == 1


async def test_asking_leaves_a_leaf_of_the_officer_and_no_reason_in_the_log(archive: Archive) -> None:
    bound = await complained_and_bound(archive)
    export = await archive.ask(bound, reason="  canarino \n motivo ")
    (leaf,) = await archive.bank.leaves("export.requested")
    assert leaf["stream"] == f"export:{export.id}"
    assert leaf["actor"]["id"] == str(archive.officer.id)
    assert leaf["data"] == {"scope": "room", "of": str(bound.conversation_id)}
    assert "canarino" not in json.dumps(await archive.bank.leaves())
    async with transaction(archive.services) as db:
        (view,) = await service.list_exports(db, archive.officer)
    assert (view.export.id, view.export.state, view.reason) == (export.id, "requested", "canarino motivo")


async def test_an_export_needs_a_room_that_exists_and_a_reason(archive: Archive) -> None:
    key, nowhere = await service.new_key(archive.services, archive.officer), new_id(archive.bank.clock())
    wishes = [
        ("log", None, "brev", ReasonNeeded),
        ("log", nowhere, "motivo valido", ScopeUnclear),
        ("room", nowhere, "motivo valido", NoSuchRoom),
    ]
    for scope, room, reason, refusal in wishes:
        with pytest.raises(refusal):
            async with transaction(archive.services) as db:
                await service.request_export(db, archive.officer, scope, room, reason, key=key)
    assert await archive.bank.all(Export) == []
    leaves = await archive.bank.leaves("export.refused")
    assert [leaf["data"]["reason"] for leaf in leaves] == ["no_such_room"]


async def test_the_download_has_its_leaf_before_the_first_byte(archive: Archive) -> None:
    export = await archive.ask()
    await archive.build(await archive.work())
    bag = await service.download(archive.services, archive.ports, archive.officer, export.id)
    (leaf,) = await archive.bank.leaves("export.downloaded")
    digest = (await archive.row(export.id)).digest
    assert (leaf["stream"], leaf["data"]) == (f"export:{export.id}", {"digest": digest})
    assert leaf["actor"]["id"] == str(archive.officer.id)
    size = sum([len(chunk) async for chunk in bag.chunks])
    assert size == bag.size == (await archive.row(export.id)).bytes


async def test_an_export_without_a_bag_is_not_downloaded(archive: Archive) -> None:
    export = await archive.ask()
    with pytest.raises(ExportNotReady):
        await download(archive, archive.officer, export)
    await archive.build(await archive.work())
    (archive.ports.folder / f"{export.id}.bag.sealed").unlink()
    with pytest.raises(BagMissing):
        await download(archive, archive.officer, export)
    assert await archive.bank.leaves("export.downloaded") == []


async def test_the_trust_file_of_now_checks_later_bags_and_the_one_of_an_export_checks_its_own(
    archive: Archive,
) -> None:
    export = await archive.ask()
    with pytest.raises(ExportNotReady):
        await service.read_trust(archive.services, archive.ports, archive.officer, export_id=export.id)
    await archive.build(await archive.work())
    await archive.log_round()
    bag = await archive.fetch(export.id)
    await archive.log_round()
    of_now = archive.outside / "now.json"
    of_now.write_text(json.dumps(await service.read_trust(archive.services, archive.ports, archive.officer)))
    of_export = archive.outside / "export.json"
    document = await service.read_trust(archive.services, archive.ports, archive.officer, export_id=export.id)
    of_export.write_text(json.dumps(document))
    assert document["origin"] == ORIGIN
    assert verify(bag, of_export)["problems"] == []
    assert verify(bag, of_now)["ok"] is False
    assert [leaf["data"]["part"] for leaf in await archive.bank.leaves("audit.read")] == ["trust", "trust"]


async def test_the_status_of_the_log_is_read_with_a_leaf(archive: Archive) -> None:
    await archive.log_round()
    async with transaction(archive.services) as db:
        status = await service.log_status(db, archive.officer)
    assert status.checkpoint is not None
    assert status.checkpoint.size == status.head.size > 0
    assert status.pending == 0
    assert [leaf["data"]["part"] for leaf in await archive.bank.leaves("audit.read")] == ["head"]


async def test_exports_are_listed_newest_first_page_by_page(archive: Archive) -> None:
    made = []
    for _ in range(3):
        made.append((await archive.ask()).id)
        archive.bank.clock.pass_by(seconds=1)
    async with transaction(archive.services) as db:
        first = await service.list_exports(db, archive.officer, limit=2)
        last = first[-1].export
        rest = await service.list_exports(db, archive.officer, after=(last.requested_at, last.id), limit=2)
    assert [view.export.id for view in [*first, *rest]] == made[::-1]
