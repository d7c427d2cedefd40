"""A phone's own authenticator in Chromium's virtual form: one page has it, and another may have its passkeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page

OPTIONS = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class VirtualAuthenticator:
    """What answers `navigator.credentials` in one page."""

    session: CDPSession
    id: str

    async def passkeys(self) -> list[dict[str, Any]]:
        """The passkeys that it holds, with their private keys."""
        answer = await self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        found: list[dict[str, Any]] = answer["credentials"]
        return found

    async def take_over(self, passkeys: list[dict[str, Any]]) -> None:
        """Hold these too, as a phone's next browser window does, or another device of the same account."""
        for one in passkeys:
            await self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": one})

    async def forget(self) -> None:
        """Hold nothing any more."""
        await self.session.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})

    async def verifies(self, who: bool) -> None:
        """Whether the finger is the right one."""
        wanted = {"authenticatorId": self.id, "isUserVerified": who}
        await self.session.send("WebAuthn.setUserVerified", wanted)


async def authenticator_of(page: Page, passkeys: list[dict[str, Any]] | None = None) -> VirtualAuthenticator:
    """Give the page an authenticator, with these passkeys in it."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
    authenticator = VirtualAuthenticator(session, made["authenticatorId"])
    await authenticator.take_over(passkeys or [])
    return authenticator
