"""What this provisioning service says of itself (RFC 7644 section 4): configuration, resource types, schemas."""

from __future__ import annotations

from typing import Any, Final

from app.provisioning.documents import LIST, USER
from app.provisioning.filters import LARGEST_PAGE

CONFIG: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"


def configuration(base_url: str) -> dict[str, Any]:
    """What is supported."""
    return {
        "schemas": [CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": LARGEST_PAGE},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A registered program's access token with the scope scim, or the installation's own.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": _meta("ServiceProviderConfig", f"{base_url}/ServiceProviderConfig"),
    }


def resource_types(base_url: str) -> dict[str, Any]:
    """There is one."""
    return listed(
        [
            {
                "schemas": [TYPE],
                "id": "User",
                "name": "User",
                "endpoint": "/Users",
                "description": "A member of the bank's staff",
                "schema": USER,
                "meta": _meta("ResourceType", f"{base_url}/ResourceTypes/User"),
            }
        ]
    )


def schemas(base_url: str) -> dict[str, Any]:
    """The attributes that are kept; any other is ignored."""
    parts = [_attribute("givenName"), _attribute("familyName"), _attribute("formatted", mutability="readOnly")]
    kept = [
        _attribute("userName", required=True, uniqueness="server"),
        _attribute("displayName"),
        _attribute("nickName"),
        _attribute("name", kind="complex", subAttributes=parts),
        _attribute("active", kind="boolean"),
        _attribute("roles", kind="complex", multiValued=True, subAttributes=[_attribute("value")]),
    ]
    user = {
        "schemas": [SCHEMA],
        "id": USER,
        "name": "User",
        "description": "A member of the bank's staff",
        "attributes": kept,
        "meta": _meta("Schema", f"{base_url}/Schemas/{USER}"),
    }
    return listed([user])


def listed(resources: list[dict[str, Any]], *, total: int | None = None, start: int = 1) -> dict[str, Any]:
    """A ListResponse."""
    return {
        "schemas": [LIST],
        "totalResults": len(resources) if total is None else total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def _meta(kind: str, location: str) -> dict[str, str]:
    return {"resourceType": kind, "location": location}


def _attribute(name: str, *, kind: str = "string", **more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": name,
        "type": kind,
        "multiValued": False,
        "required": False,
        "mutability": "readWrite",
        "returned": "default",
    }
    if kind == "string":
        usual |= {"caseExact": False, "uniqueness": "none"}
    return usual | more
