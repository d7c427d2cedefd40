"""What a wallet asks of us and tells us, without a cookie: it fetches the request of a redirect and posts its answer.

An address leads to a redirect that waits for its browser, or to nothing; who posts gets the same answer either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from app.binding import flows, posted_answers
from app.binding.errors import RequestGone
from app.binding.ports import BindingPorts
from app.binding.rules import IDENTITY
from app.binding.wallet import WalletProvider, WalletRequest
from app.database import reading, transaction
from app.errors import BadRequest
from app.services import Services
from security.tokens import new_token

LONGEST_ERROR: Final = 60
UNKNOWN: Final = "wallet.answer_to_nothing"


async def request_for_wallet(services: Services, ports: BindingPorts, *, provider: str, state: str) -> str:
    """The signed request of a redirect that is under way; the same as often as it is asked. Raises `RequestGone`."""
    wallet = _wallet(ports, provider)
    now = services.clock()
    async with reading(services) as db:
        flow = await flows.waiting(db, kind=IDENTITY, provider=provider, state=state, now=now)
        if flow is None:
            raise RequestGone
        kept = await flows.secrets_of(services, flow)
    asked = WalletRequest(state, kept["nonce"], kept["memo"], flow.created_at, flow.expires_at)
    return wallet.request_object(asked)


async def keep_answer(
    services: Services, ports: BindingPorts, *, provider: str, state: str, fields: Mapping[str, str]
) -> str:
    """Keep what a wallet posted, unread, and give the address that it must open in the browser it was called from.

    Nothing is believed here, so nothing can be learned here: who asks with an address of nothing gets one as well.
    """
    _wallet(ports, provider)
    now, posted = services.clock(), _posted(fields)
    async with transaction(services) as db:
        flow = await flows.waiting(db, kind=IDENTITY, provider=provider, state=state, now=now)
        if flow is None:
            services.traffic[UNKNOWN] += 1
        code = await posted_answers.keep(db, flow, posted) if flow is not None else new_token()
    return f"{ports.identity_return(provider)}?{urlencode({'state': state, 'code': code})}"


def _wallet(ports: BindingPorts, provider: str) -> WalletProvider:
    found = next((one.port for one in ports.providers if one.name == provider), None)
    if not isinstance(found, WalletProvider):
        raise RequestGone
    return found


def _posted(fields: Mapping[str, str]) -> Mapping[str, str]:
    """The encrypted answer, or the word of a wallet that gives none (OpenID4VP sections 8.2, 8.5)."""
    if fields.get("response"):
        return {"response": fields["response"]}
    if fields.get("error"):
        return {"error": fields["error"][:LONGEST_ERROR]}
    raise BadRequest
