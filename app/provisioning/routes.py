"""`/scim/v2`: the accounts of staff, for the bank's identity management. Refusals are SCIM errors (`http.problems`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.actors import Program, Staff
from app.audit.service import record
from app.errors import NotFound, UnsupportedMediaType
from app.http.dependencies import Db
from app.http.json_bodies import JsonRefused, media_type, read_json
from app.http.problems import SCIM_MEDIA_TYPE
from app.provisioning import description, queries, service
from app.provisioning.dependencies import Provisioner, provisioning_ports
from app.provisioning.documents import attributes, read_person, shown
from app.provisioning.errors import ScimRefused, VersionMismatch
from app.provisioning.filters import read_wanted
from app.provisioning.patching import patched
from app.provisioning.queries import Found
from app.provisioning.rules import ProvisioningPorts

router = APIRouter(prefix="/scim/v2", include_in_schema=False)
ACCEPTED: Final = (SCIM_MEDIA_TYPE, "application/json")
Ports = Annotated[ProvisioningPorts, Depends(provisioning_ports)]


async def document_of(request: Request) -> Mapping[str, Any]:
    """The body, one JSON object read strictly; raises `ScimRefused`, `UnsupportedMediaType`."""
    if media_type(request) not in ACCEPTED:
        raise UnsupportedMediaType
    try:
        document = read_json(await request.body())
    except JsonRefused:
        raise ScimRefused(kind="invalidSyntax") from None
    if not isinstance(document, dict):
        raise ScimRefused(kind="invalidSyntax")
    return document


Document = Annotated[Mapping[str, Any], Depends(document_of)]


@router.get("/Users")
async def list_users(request: Request, client: Provisioner, db: Db, ports: Ports) -> Response:
    """Accounts, by filter or page by page."""
    asked = request.query_params
    wanted = read_wanted(asked.get("filter"), asked.get("startIndex"), asked.get("count"))
    found, total = await queries.page(db, wanted)
    _note_reading(db, client)
    resources = [shown(account, kept, ports.base_url) for account, kept in found]
    return _answer(description.listed(resources, total=total, start=wanted.start))


@router.post("/Users")
async def create_user(client: Provisioner, document: Document, db: Db, ports: Ports) -> Response:
    """A joiner."""
    found = await service.create(db, client, ports, read_person(document))
    return _user(found, ports, 201)


@router.get("/Users/{account_id}")
async def read_user(account_id: str, request: Request, client: Provisioner, db: Db, ports: Ports) -> Response:
    """One account; 304 where the client has this version."""
    found = await queries.one(db, _id(account_id))
    _note_reading(db, client)
    answer = _user(found, ports)
    if answer.headers["etag"] in _versions(request, "if-none-match"):
        return Response(status_code=304, headers={"ETag": answer.headers["etag"]})
    return answer


@router.put("/Users/{account_id}")
async def replace_user(
    account_id: str, request: Request, client: Provisioner, document: Document, db: Db, ports: Ports
) -> Response:
    """The account as it is to be. What is not said of `active` and `roles` stays."""
    person = read_person(document)
    found = await _unchanged(request, await queries.locked(db, _id(account_id)), ports)
    return _user(await service.change(db, client, ports, found, person), ports)


@router.patch("/Users/{account_id}")
async def patch_user(
    account_id: str, request: Request, client: Provisioner, document: Document, db: Db, ports: Ports
) -> Response:
    """Some of it."""
    found = await _unchanged(request, await queries.locked(db, _id(account_id)), ports)
    person = read_person(patched(attributes(*found), document))
    return _user(await service.change(db, client, ports, found, person), ports)


@router.delete("/Users/{account_id}")
async def delete_user(account_id: str, request: Request, client: Provisioner, db: Db, ports: Ports) -> Response:
    """A leaver."""
    found = await _unchanged(request, await queries.locked(db, _id(account_id)), ports)
    await service.delete(db, client, found)
    return Response(status_code=204)


@router.get("/ServiceProviderConfig")
async def configuration(_client: Provisioner, ports: Ports) -> Response:
    """What is supported."""
    return _answer(description.configuration(ports.base_url))


@router.get("/ResourceTypes")
async def resource_types(_client: Provisioner, ports: Ports) -> Response:
    """Users."""
    return _answer(description.resource_types(ports.base_url))


@router.get("/Schemas")
async def schemas(_client: Provisioner, ports: Ports) -> Response:
    """What is kept of a user."""
    return _answer(description.schemas(ports.base_url))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


async def _unchanged(request: Request, found: Found, ports: ProvisioningPorts) -> Found:
    """The account, unless the client speaks of another version of it."""
    wanted = _versions(request, "if-match")
    if wanted and "*" not in wanted and shown(*found, ports.base_url)["meta"]["version"] not in wanted:
        raise VersionMismatch
    return found


def _versions(request: Request, header: str) -> list[str]:
    return [one.strip() for line in request.headers.getlist(header) for one in line.split(",") if one.strip()]


def _note_reading(db: Db, client: Staff | Program) -> None:
    record(db, "audit.read", stream="provisioning", actor=client, data={"part": "staff"})


def _user(found: Found, ports: ProvisioningPorts, status: int = 200) -> JSONResponse:
    document = shown(*found, ports.base_url)
    meta = document["meta"]
    return _answer(document, status, {"Location": meta["location"], "ETag": meta["version"]})


def _answer(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(document, status, headers, SCIM_MEDIA_TYPE)
