"""What strangers do, each from a network of his own: at somebody's link, and under a handle of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from tests.attacks.bank_in_process import BankInProcess, callback
from tests.support.bare_door import BareBrowser, Seen

INVENTED: Final = "A" * 43
WRONG: Final = ("00000000", "00000001", "12345678", "not a code", "99999999")


@dataclass
class Crowd:
    """Strangers at one bank; `answers` counts their acts by what came back."""

    bank: BankInProcess
    answers: Counter[int] = field(default_factory=Counter)
    number: int = 0

    def newcomer(self) -> tuple[str, BareBrowser]:
        """A handle and a browser that nobody had before, from another network."""
        self.number += 1
        address = f"{11 + self.number // 250}.{self.number % 250}.7.9"
        if self.number % 5 == 0:
            address = f"2001:db8:{self.number:x}::9"
        return f"stranger{self.number}", self.bank.browser(address)

    async def count(self, acts: AsyncGenerator[Seen], until: int) -> None:
        """Let them act, no further than this many acts in all."""
        async with aclosing(acts):
            async for seen in acts:
                self.answers[seen.status] += 1
                self.bank.clock.pass_by(seconds=1)
                if self.total >= until:
                    return

    @property
    def total(self) -> int:
        return self.answers.total()


async def at_the_link_of(crowd: Crowd, path: str, account: str) -> AsyncGenerator[Seen]:
    """Everything that can be done at a case link without the account that it is for."""
    name, browser = crowd.newcomer()
    yield await browser.get(path)
    yield await browser.post(f"{path}/start")
    asked = {"connector": "square", "account": account, "method": "direct_message"}
    yield await browser.post(f"{path}/handle", asked)
    await crowd.bank.work()
    for code in WRONG:
        yield await browser.post(f"{path}/handle/code", {"code": code})
    yield await browser.post(f"{path}/handle", {"resend": "1"})
    left = await browser.post(f"{path}/handle", asked | {"method": "sign_in"})
    yield left
    yield await browser.get(callback("/signin/square/callback", left, name))
    yield await browser.get(f"/signin/square/callback?{urlencode({'state': INVENTED, 'code': 'code-of-giulia'})}")
    yield await browser.get(f"/identity/kyc/callback?{urlencode({'state': INVENTED, 'code': 'C-1001 strong'})}")
    for step in ("customer", "customer/code", "confirm"):
        yield await browser.post(f"{path}/{step}", {"method": "sms", "identifier": "C-1001", "code": WRONG[0]})
    yield await browser.post(f"{path}/passkey/question")
    yield await browser.post(f"{path}/passkey", {"answer": '{"id":"AAAA"}'})
    yield await browser.post("/not-me", {"reference": "2345-6789-ABCD"})
    yield await browser.post("/room/unlock", {"method": "sms"})
    await crowd.bank.work()


async def under_an_own_handle(crowd: Crowd, victims: tuple[str, ...]) -> AsyncGenerator[Seen]:
    """Guessing at customers by every spelling and every typed code, from a handle and a case of one's own."""
    name, browser = crowd.newcomer()
    path = await crowd.bank.with_handle(name, browser)
    for method, identifier in zip(("sms", "sms", "email", "totp"), victims, strict=True):
        yield await crowd.bank.ask_code(browser, path, identifier, method)
        await crowd.bank.work()
        for code in WRONG:
            yield await browser.post(f"{path}/customer/code", {"code": code})
