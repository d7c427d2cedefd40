"""A User as it crosses the wire (RFC 7643 section 4.1): read leniently, as the RFC asks, and shown as it is kept.

Names of attributes are read in any case; what we do not keep is ignored; what we keep must be clean and short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.agents.models import StaffAccount
from app.http.texts import CleanLine
from app.provisioning.errors import ScimRefused
from app.provisioning.models import ProvisionedAccount
from app.provisioning.rules import LONGEST, Person
from security.encoding import canonical_json

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
MOST_ROLES: Final = 50
KEPT: Final = ("userName", "externalId", "displayName", "nickName", "active", "name", "roles")
NAME_PARTS: Final = ("givenName", "familyName")
_TOP: Final = {name.lower(): name for name in KEPT}
_NAME: Final = {name.lower(): name for name in NAME_PARTS}


def boolean(value: object) -> object:
    """A truth value; some clients write it as text."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _nothing(value: object) -> object:
    return "" if value is None else value


def _roles(value: object) -> object:
    """The values of the roles, given as texts or as objects; one without a value says nothing."""
    if not isinstance(value, list) or len(value) > MOST_ROLES:
        return value
    found = [folded(one, {"value": "value"}).get("value", "") if isinstance(one, dict) else one for one in value]
    return tuple(one for one in found if one != "")


def _something(text: str) -> str:
    """Blank is nothing."""
    if not text:
        raise ValueError("blank")
    return text


Something = Annotated[CleanLine, AfterValidator(_something)]
Line = Annotated[CleanLine, Field(max_length=LONGEST), BeforeValidator(_nothing)]


class _Name(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    givenName: Line = ""  # noqa: N815 (the RFC's names)
    familyName: Line = ""  # noqa: N815


class _User(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    # As it is kept, and then measured: without case a name may be longer.
    userName: Annotated[Something, AfterValidator(str.casefold), Field(max_length=LONGEST)]  # noqa: N815
    externalId: Something | None = None  # noqa: N815
    displayName: Line = ""  # noqa: N815
    nickName: Line = ""  # noqa: N815
    active: Annotated[bool | None, BeforeValidator(boolean)] = None
    name: _Name | None = None
    roles: Annotated[tuple[CleanLine, ...] | None, BeforeValidator(_roles), Field(max_length=MOST_ROLES)] = None


def folded(document: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Only the named attributes, under their usual spelling; raises `ScimRefused` for one that is there twice."""
    found: dict[str, Any] = {}
    for given, value in document.items():
        name = names.get(given.lower())
        if name is not None:
            if name in found:
                raise ScimRefused(kind="invalidSyntax")
            found[name] = value
    return found


def read_person(document: Mapping[str, Any]) -> Person:
    """Who the document speaks of; raises `ScimRefused`, which names the attribute and never its value."""
    known = folded(document, _TOP)
    if isinstance(known.get("name"), dict):
        known["name"] = folded(known["name"], _NAME)
    try:
        user = _User.model_validate(known)
    except ValidationError as wrong:
        where = str(wrong.errors()[0]["loc"][0])
        raise ScimRefused(f"The value of {where} cannot be used.", kind="invalidValue") from None
    name = user.name or _Name()
    return Person(
        user_name=user.userName,
        external_id=user.externalId,
        display_name=user.displayName,
        given_name=name.givenName,
        family_name=name.familyName,
        nick_name=user.nickName,
        active=user.active,
        roles=user.roles,
    )


def attributes(account: StaffAccount, kept: ProvisionedAccount | None) -> dict[str, Any]:
    """What can be changed of an account, as a document."""
    return {
        "userName": account.login,
        **({"externalId": kept.external_id} if kept is not None and kept.external_id else {}),
        "displayName": account.display_name,
        "nickName": account.signature,
        "name": {"givenName": kept.given_name if kept else "", "familyName": kept.family_name if kept else ""},
        "active": account.active,
        **({"roles": [{"value": name} for name in json.loads(kept.roles)]} if kept is not None else {}),
    }


def shown(account: StaffAccount, kept: ProvisionedAccount | None, base_url: str) -> dict[str, Any]:
    """The resource. Its version is of its content, so that the same content always has the same one."""
    found = attributes(account, kept)
    named = {part: text for part, text in found.pop("name").items() if text}
    document = {
        "schemas": [USER],
        "id": str(account.id),
        **{name: value for name, value in found.items() if value not in ("", [])},
        **({"name": {**named, "formatted": " ".join(named.values())}} if named else {}),
    }
    changed_at = kept.changed_at if kept is not None else account.created_at
    document["meta"] = {
        "resourceType": "User",
        "created": account.created_at.isoformat().replace("+00:00", "Z"),
        "lastModified": changed_at.isoformat().replace("+00:00", "Z"),
        "location": f"{base_url}/Users/{account.id}",
        "version": f'W/"{sha256(canonical_json(document)).hexdigest()[:24]}"',
    }
    return document
