"""The directory as an HTTP service of the bank: POST {"identifier"} → 200 with the record, 404 when unknown."""

from __future__ import annotations

from app.directory.port import CustomerRecord, DirectoryUnavailable, normalise
from app.outbound import OutboundClient, OutboundError
from security.secret import Secret


class HttpDirectory:
    """Asks the bank's own service; the identifier travels in the body, never in an address."""

    def __init__(self, url: str, token: Secret, outbound: OutboundClient) -> None:
        self._url, self._token, self._outbound = url, token, outbound

    async def find(self, identifier: str) -> CustomerRecord | None:
        """See `CustomerDirectory`."""
        kind, canonical = normalise(identifier)
        headers = {"Authorization": f"Bearer {self._token.reveal().decode()}"}
        body = {"kind": kind, "identifier": canonical}
        try:
            answer = await self._outbound.request("POST", self._url, headers=headers, json=body)
        except OutboundError as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise DirectoryUnavailable(f"answered {answer.status}")
        try:
            document = answer.json()
            phone = document.get("phone")
            return CustomerRecord(
                customer_number=str(document["customer_number"]).upper(),
                name=str(document["name"]),
                phone=normalise(phone)[1] if phone else None,
                email=document.get("email"),
                language=str(document.get("language", "it")),
                city=document.get("city"),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise DirectoryUnavailable(type(fault).__name__) from None
