"""Whether a credential has been withdrawn: the issuer's own list, fetched and remembered for some minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from app.outbound import OutboundClient, OutboundFailed
from security.errors import TokenRefused
from security.sd_jwt import TrustedIssuer
from security.status_lists import TYP, VALID, StatusList, read_reference, verify_status_list

REMEMBERED: Final = timedelta(minutes=5)
MOST_LISTS: Final = 16


class StatusLists:
    """Token Status Lists by HTTPS. Whoever cannot be asked, or believed, vouches for nobody."""

    def __init__(self, outbound: OutboundClient) -> None:
        self._outbound = outbound
        self._known: dict[tuple[str, str], tuple[datetime, StatusList]] = {}

    async def is_withdrawn(self, issuer: TrustedIssuer, status: object, now: datetime) -> bool:
        """See `CredentialStatus`; suspended counts as withdrawn, and so does every number but 0."""
        try:
            reference = read_reference(status)
            listed = await self._list(issuer, reference.uri, now)
            return listed.at(reference.index) != VALID
        except TokenRefused as refused:
            raise OutboundFailed(f"status list: {refused.reason}") from None

    async def _list(self, issuer: TrustedIssuer, uri: str, now: datetime) -> StatusList:
        key = issuer.issuer, uri
        known = self._known.get(key)
        if known is not None and known[0] <= now < known[0] + REMEMBERED:
            return known[1]
        answer = await self._outbound.request("GET", uri, headers={"accept": f"application/{TYP}"})
        if answer.status != 200:
            raise OutboundFailed(f"status list: answered {answer.status}")
        listed = verify_status_list(answer.body.decode("ascii", "replace").strip(), uri, issuer, now)
        if len(self._known) >= MOST_LISTS:
            self._known.pop(min(self._known, key=lambda one: self._known[one][0]))
        self._known[key] = now, listed
        return listed
