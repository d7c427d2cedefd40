"""Forged answers of wallets, by every part of them: who posts, what for, what is shown, and whether it still stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, Final, cast

from app.binding.identity_provider import IdentityAnswer, IdentityResult, OfferedProvider, Posted
from app.binding.ports import BindingPorts
from app.binding.wallet import LONGEST_IDENTIFIER, CredentialStatus, WalletProvider
from app.binding.wallet_answers import _posted, keep_answer, request_for_wallet
from app.binding.wallet_status import REMEMBERED, StatusLists
from app.directory.port import IdentifierKind
from app.outbound import OutboundClient, OutboundResponse
from security.encrypted_answers import AnswerKey
from security.jwts import SigningKey
from security.sd_jwt import TrustedIssuer
from security.tokens import token_hash
from tests.security.forged_answers import encrypted
from tests.security.forged_jwts import AT, NOW
from tests.security.forged_presentations import (
    CODE,
    ISSUER,
    NONCE,
    NUMBER,
    US,
    VCT,
    bound,
    digest,
    disclosure,
    selection,
    trusted,
)
from tests.security.forged_status_lists import URI, squeezed, status_list
from tests.security.forgery import Forgery, Fruitless
from tests.support.paper_services import on_paper

KEY: Final = AnswerKey.new()
STATE: Final = "the-name-of-this-request"
MEMO: Final = {"answer_key": json.dumps(KEY.private_jwk()), "wallet_state": STATE}
NAME: Final = "it-wallet"
WEEK: Final = 7 * 86_400


class Says:
    """Whoever knows what has been withdrawn."""

    def __init__(self, *, withdrawn: bool) -> None:
        self.withdrawn = withdrawn

    async def is_withdrawn(self, issuer: TrustedIssuer, status: object, now: datetime) -> bool:
        """See `CredentialStatus`."""
        return self.withdrawn


OUR_KEY: Final = SigningKey.new()


def wallet(status: CredentialStatus | None = None) -> WalletProvider:
    """The bank's question to wallets."""
    kind = IdentifierKind.FISCAL_CODE
    return WalletProvider(
        NAME,
        "openid4vp://",
        "https://chat.bank.example",
        US,
        SigningKey.new(),
        (),
        trusted(),
        VCT,
        NUMBER,
        kind,
        status,
    )


@cache
def shown(*disclosures: str, **claims: Any) -> str:
    """A right presentation, but for these claims."""
    return bound(selection(*disclosures, **claims))


def answered(status: CredentialStatus | None = None, code: str = "c", **changes: Any) -> IdentityResult:
    """A wallet's answer comes back, with these changes; None takes a part away."""
    right = {"state": STATE, "vp_token": {"pid": [shown(CODE)]}}
    said = {name: value for name, value in (right | changes).items() if value is not None}
    return posted({"response": encrypted(said, KEY)}, status, code)


def posted(fields: Mapping[str, str] | None, status: CredentialStatus | None = None, code: str = "c") -> IdentityResult:
    """The browser comes back, and this had been posted behind its back."""
    kept = Posted(token_hash("c"), fields) if fields is not None else None
    begun = NOW - timedelta(minutes=3)
    came = IdentityAnswer(code, "", "https://chat.bank.example/back", NONCE, None, begun, NOW, MEMO, kept)
    return asyncio.run(wallet(status).finish(came))


def presented(text: object, status: CredentialStatus | None = None) -> IdentityResult:
    """The one presentation that is asked for, or what is in its place."""
    return answered(status, vp_token={"pid": text})


def _identified_by(value: object) -> IdentityResult:
    told = disclosure("salt-1", NUMBER, value)
    return presented([shown(told, issued="", _sd=_only(told))])


@cache
def _only(told: str) -> tuple[str, ...]:
    return (digest(told),)


def _standing(*, exp: int = AT + WEEK, status: object = "as usual", withdrawn: bool = True) -> IdentityResult:
    changes: dict[str, Any] = {"exp": exp} if status == "as usual" else {"exp": exp, "status": status}
    return presented([bound(selection(CODE, **changes))], Says(withdrawn=withdrawn))


@dataclass
class Lists:
    """An issuer's web server: what it answers, one after the other, the last one again and again."""

    answers: Sequence[str]
    status: int = 200
    asked: list[str] = field(default_factory=list)

    async def request(self, _method: str, url: str, **_content: Any) -> OutboundResponse:
        """See `OutboundClient.request`."""
        self.asked.append(url)
        text = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return OutboundResponse(self.status, {}, text.encode())


def listed(index: int, answers: Sequence[str], *moments: datetime, status: int = 200) -> bool:
    """Ask about a credential at these moments; what counts is the last one."""
    lists = StatusLists(cast(OutboundClient, Lists(answers, status)))
    reference = {"status_list": {"idx": index, "uri": URI}}

    async def ask() -> bool:
        return [await lists.is_withdrawn(trusted()[ISSUER], reference, now) for now in moments][-1]

    if asyncio.run(ask()):
        raise Fruitless("withdrawn")
    return False


@cache
def _lists() -> tuple[str, str]:
    """Where number 1 stands, and where it has been withdrawn since."""
    return status_list(), status_list(status_list={"bits": 1, "lst": squeezed(b"\xff\xff")})


def _ports() -> BindingPorts:
    """One wallet, and one who is none."""
    offered = [OfferedProvider(NAME, "", wallet(), {}), OfferedProvider("kyc", "", cast(Any, object()), {})]
    return cast(BindingPorts, SimpleNamespace(providers=offered, identity_return=lambda name: f"https://x/{name}"))


def asked_for(provider: str = NAME) -> str:
    """Fetch the request of a redirect that is not under way."""
    return on_paper(lambda services: request_for_wallet(services, _ports(), provider=provider, state="nothing"), NOW)


def sent(provider: str) -> str:
    """Post an answer under this provider's name."""
    fields = {"response": "x"}
    return on_paper(lambda services: keep_answer(services, _ports(), provider=provider, state="s", fields=fields), NOW)


FORGERIES: Final[dict[str, Forgery]] = {
    "nothing was posted": Forgery(lambda: posted(None), "nothing_posted"),
    "in a browser that the wallet did not come back to": Forgery(lambda: answered(code="guessed"), "wrong_response_code"),
    "a wallet that said no": Forgery(lambda: posted({"error": "access_denied"}), "wallet_said_no"),
    "to another request": Forgery(lambda: answered(state="another"), "wallet_other_request"),
    "to no request": Forgery(lambda: answered(state=None), "wallet_other_request"),
    "without presentations": Forgery(lambda: answered(vp_token=None), "wallet_no_presentation"),
    "with a presentation in place of the list of them": Forgery(
        lambda: answered(vp_token=shown(CODE)), "wallet_no_presentation"
    ),
    "with an answer to what nobody asked": Forgery(
        lambda: answered(vp_token={"pid": [shown(CODE)], "more": [shown(CODE)]}), "wallet_no_presentation"
    ),
    "with an answer to something else": Forgery(
        lambda: answered(vp_token={"more": [shown(CODE)]}), "wallet_no_presentation"
    ),
    "with a letter for a presentation": Forgery(lambda: presented("x"), "wallet_no_presentation"),
    "with two presentations": Forgery(lambda: presented([shown(CODE), shown(CODE)]), "wallet_no_presentation"),
    "with an empty list": Forgery(lambda: presented([]), "wallet_no_presentation"),
    "with a number for a presentation": Forgery(lambda: presented([7]), "wallet_no_presentation"),
    "of who keeps the number back": Forgery(lambda: presented([shown()]), "customer_not_named"),
    "of a number that is one": Forgery(lambda: _identified_by(7), "customer_not_named"),
    "of an empty number": Forgery(lambda: _identified_by(""), "customer_not_named"),
    "of a number without end": Forgery(lambda: _identified_by("x" * (LONGEST_IDENTIFIER + 1)), "customer_not_named"),
    "withdrawn": Forgery(lambda: _standing(), "wallet_withdrawn"),
    "withdrawn, though it ends today": Forgery(lambda: _standing(exp=AT + 3600), "wallet_withdrawn"),
    "that lives long, and says not where it could be withdrawn": Forgery(
        lambda: _standing(status=None, withdrawn=False), "wallet_without_status"
    ),
    "on the list": Forgery(lambda: listed(0, _lists(), NOW), "withdrawn"),
    "on the list since we looked": Forgery(lambda: listed(1, _lists(), NOW, NOW + REMEMBERED), "withdrawn"),
    "on the list of a clock that was set back": Forgery(
        lambda: listed(1, _lists(), NOW, NOW - timedelta(seconds=1)), "withdrawn"
    ),
    "on a list that is not there": Forgery(lambda: listed(1, _lists(), NOW, status=404), "status list: answered 404"),
    "a request that is not under way": Forgery(lambda: asked_for(), "request_gone"),
    "a request of nobody": Forgery(lambda: asked_for("nobody"), "request_gone"),
    "an answer to nobody": Forgery(lambda: sent("nobody"), "request_gone"),
    "an answer to one who is no wallet": Forgery(lambda: sent("kyc"), "request_gone"),
    "an answer that says nothing": Forgery(lambda: _posted({}), "bad_request"),
    "an answer in an empty field": Forgery(lambda: _posted({"response": "", "error": ""}), "bad_request"),
}  # fmt: skip
