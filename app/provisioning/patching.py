"""PATCH (RFC 7644 section 3.5.2) on the document of an account; what comes out is checked like one that is put.

Attributes of the schema that we do not keep are passed over, as they are when a whole resource is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.provisioning.documents import KEPT, NAME_PARTS, USER, boolean, folded
from app.provisioning.errors import ScimRefused

PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_OPERATIONS: Final = 100
LONGEST_PATH: Final = 500
MOST_VALUES: Final = 100
READ_ONLY: Final = ("id", "meta", "groups")
_OPERATION: Final = {name: name for name in ("op", "path", "value")}
_PATH: Final = re.compile(r"([A-Za-z][\w$-]*)(?:\[([^\[\]]*)\])?(?:\.([A-Za-z][\w$-]*))?", re.ASCII)
_IS_VALUE: Final = re.compile(r'\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*', re.ASCII | re.IGNORECASE)
_NAMES: Final = {name.lower(): name for name in KEPT + READ_ONLY}
_PARTS: Final = {name.lower(): name for name in NAME_PARTS}


class _Target(NamedTuple):
    attribute: str
    selector: str | None
    part: str | None


def patched(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The document after all operations, or `ScimRefused` and none of them."""
    operations = folded(body, {"operations": "Operations"}).get("Operations")
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST_OPERATIONS:
        raise ScimRefused(kind="invalidSyntax")
    document = {name: _copied(value) for name, value in current.items()}
    for one in operations:
        if not isinstance(one, dict):
            raise ScimRefused(kind="invalidSyntax")
        _operate(document, folded(one, _OPERATION))
    return document


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _operate(document: dict[str, Any], operation: Mapping[str, Any]) -> None:
    op = operation.get("op")
    verb = op.lower() if isinstance(op, str) else ""
    if verb not in ("add", "replace", "remove"):
        raise ScimRefused(kind="invalidSyntax")
    path, value = operation.get("path"), operation.get("value")
    if path is not None:
        _apply(document, verb, _target(path), value, named=True)
        return
    if verb == "remove":
        raise ScimRefused(kind="noTarget")
    if not isinstance(value, dict):
        raise ScimRefused(kind="invalidValue")
    for key, inner in value.items():
        if ":" not in key or key.lower().startswith(f"{USER.lower()}:"):
            _apply(document, verb, _target(key), inner, named=False)


def _target(path: object) -> _Target | None:
    """What a path names; None for an attribute of another schema."""
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        raise ScimRefused(kind="invalidPath")
    text = path.strip()
    if text.lower().startswith("urn:"):
        if not text.lower().startswith(f"{USER.lower()}:"):
            return None
        text = text[len(USER) + 1 :]
    found = _PATH.fullmatch(text)
    if found is None:
        raise ScimRefused(kind="invalidPath")
    attribute, selector, part = found.groups()
    return _Target(_NAMES.get(attribute.lower(), ""), selector, part)


def _apply(document: dict[str, Any], verb: str, target: _Target | None, value: Any, *, named: bool) -> None:
    if target is None or not target.attribute:
        return
    if target.attribute in READ_ONLY:
        if named:
            raise ScimRefused(kind="mutability")
        return
    if target.attribute == "roles":
        document["roles"] = _roles(document.get("roles") or [], verb, target, value)
    elif target.selector is not None:
        raise ScimRefused(kind="invalidPath")
    elif target.attribute == "name":
        _rename(document, verb, target.part, value)
    elif target.part is not None:
        raise ScimRefused(kind="invalidPath")
    elif verb == "remove":
        if target.attribute in ("userName", "active"):
            raise ScimRefused(kind="mutability")
        document.pop(target.attribute, None)
    else:
        document[target.attribute] = boolean(value) if target.attribute == "active" else value


def _rename(document: dict[str, Any], verb: str, part: str | None, value: Any) -> None:
    name = dict(document.get("name") or {})
    if part is None:
        if verb == "remove":
            name = {}
        elif isinstance(value, dict):
            name |= folded(value, _PARTS)
        else:
            raise ScimRefused(kind="invalidValue")
    elif part.lower() in _PARTS:
        name[_PARTS[part.lower()]] = "" if verb == "remove" else value
    document["name"] = name


def _roles(roles: list[Any], verb: str, target: _Target, value: Any) -> list[Any]:
    if target.part is not None and target.part.lower() != "value":
        return roles
    given = value if isinstance(value, list) else [value]
    if len(given) > MOST_VALUES:
        raise ScimRefused(kind="invalidValue")
    others = _not_selected(roles, target.selector)
    if verb == "remove":
        return others
    if verb == "replace":
        return others + given
    return roles + [one for one in given if one not in roles]


def _not_selected(roles: list[Any], selector: str | None) -> list[Any]:
    """The roles that the path does not name. A selector that we cannot read names all: replaced is then the whole."""
    if selector is None:
        return []
    found = _IS_VALUE.fullmatch(selector)
    if found is None:
        return []
    try:
        name = json.loads(found.group(1))
    except ValueError:
        raise ScimRefused(kind="invalidPath") from None
    return [one for one in roles if one != {"value": name}]
