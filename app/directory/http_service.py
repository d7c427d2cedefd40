"""The directory as an HTTP service of the bank: POST {"kind", "identifier"} → 200 with the record, 404 when unknown."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.directory.port import (
    CustomerRecord,
    DirectoryUnavailable,
    IdentifierKind,
    canonical,
    changed_from,
    email_from,
    normalise,
    phone_from,
)
from app.outbound import OutboundClient, OutboundError
from security.secret import Secret


class _Answer(BaseModel):
    """The record as the service sends it. No value is made up: two customers without a number would be one."""

    model_config = ConfigDict(strict=True, str_strip_whitespace=True)

    customer_number: Annotated[str, Field(min_length=1, max_length=100)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    phone: str | None = None
    email: str | None = None
    language: Annotated[str, Field(min_length=2, max_length=20)] = "it"
    city: str | None = None
    phone_changed_at: str | None = None


class HttpDirectory:
    """Asks the bank's own service; the identifier travels in the body, never in an address."""

    def __init__(self, url: str, token: Secret, outbound: OutboundClient) -> None:
        self._url, self._token, self._outbound = url, token, outbound

    async def find(self, identifier: str, kind: IdentifierKind | None = None) -> CustomerRecord | None:
        """See `CustomerDirectory`."""
        asked, spelling = normalise(identifier) if kind is None else (kind.value, canonical(identifier, kind))
        if not spelling:
            return None
        headers = {"Authorization": f"Bearer {self._token.reveal().decode()}"}
        body = {"kind": asked, "identifier": spelling}
        try:
            answer = await self._outbound.request("POST", self._url, headers=headers, json=body)
        except OutboundError as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise DirectoryUnavailable(f"answered {answer.status}")
        try:
            found = _Answer.model_validate(answer.json())
        except (ValidationError, OutboundError, RecursionError) as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        return CustomerRecord(
            customer_number=found.customer_number.upper(),
            name=found.name,
            phone=phone_from(found.phone),
            email=email_from(found.email),
            language=found.language,
            city=found.city,
            phone_changed_at=changed_from(found.phone_changed_at),
        )
