"""Whether a phone's SIM or number changed lately: the port, and its form as a service after CAMARA's SIM Swap API."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

from app.outbound import OutboundClient, OutboundError
from security.secret import Secret

HOUR: Final = timedelta(hours=1)
LONGEST: Final = 2400
"""Hours that the service looks back at most."""
KNOWS_NOTHING: Final = (400, 404, 422)
"""Not so far back, no such phone, none of its operators' phones."""


class PhoneChangesUnavailable(Exception):
    """The source does not answer; it may be asked again."""


class PhoneChanges(Protocol):
    """A source that knows of changes. Asked by the worker only, just before a code would leave."""

    async def changed_within(self, phone: str, span: timedelta) -> bool | None:
        """Whether SIM or number of this phone (E.164) changed within `span`; None when the source does not know it.

        Raises `PhoneChangesUnavailable`.
        """
        ...


class SimSwapService:
    """POST {url}/check with {"phoneNumber", "maxAge"} in whole hours (CAMARA SIM Swap 2), by bearer token.

    It is asked whether, not when: the date itself is nobody's business here.
    """

    def __init__(self, url: str, token: Secret, outbound: OutboundClient) -> None:
        self._url, self._token, self._outbound = url.rstrip("/"), token, outbound

    async def changed_within(self, phone: str, span: timedelta) -> bool | None:
        """See `PhoneChanges`."""
        hours = min(-(-span // HOUR), LONGEST)
        headers = {"Authorization": f"Bearer {self._token.reveal().decode()}"}
        body = {"phoneNumber": phone, "maxAge": hours}
        try:
            answer = await self._outbound.request("POST", f"{self._url}/check", headers=headers, json=body)
            if answer.status in KNOWS_NOTHING:
                return None
            told = answer.json() if answer.status == 200 else None
        except OutboundError as fault:
            raise PhoneChangesUnavailable(type(fault).__name__) from None
        swapped = told.get("swapped") if isinstance(told, dict) else None
        if not isinstance(swapped, bool):
            raise PhoneChangesUnavailable(f"answered {answer.status}")
        return swapped
