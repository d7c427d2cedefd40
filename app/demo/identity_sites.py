"""Who identifies customers in the demonstration: a digital identity by OpenID Connect, and a KYC service's stub."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp

from app.binding.identity_provider import HttpIdentityProvider, OfferedProvider
from app.binding.openid_provider import OpenIdProvider
from app.demo import cast, eid, identity
from app.demo.addresses import Addresses
from app.directory.port import IdentifierKind
from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient
from app.permissions import Level
from app.services import Clock
from security.jwts import SigningKey
from security.secret import Secret

EID: Final = "demo-eid"
KYC: Final = "demo-id"
_CLIENT: Final = "bank"


@dataclass(frozen=True)
class IdentitySites:
    """Both sites, and the bank's side of each: known to the one by a key, to the other by a secret.

    Both are stubs to the bank, since neither looks at who is in front of it.
    """

    addresses: Addresses
    key: SigningKey = field(default_factory=SigningKey.new)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def hosts(self) -> dict[str, tuple[str, int]]:
        """What the outbound client must be told to reach them."""
        return {**self.addresses.mapped("eid"), **self.addresses.mapped("identity")}

    def offered(self, outbound: OutboundClient) -> tuple[OfferedProvider, ...]:
        """As the bank offers them to its customers."""
        server = AuthorizationServer(self.addresses.url("eid"), outbound)
        openid = OpenIdProvider(
            name=EID,
            client=OAuthClient(server, _CLIENT, key=self.key),
            acrs={eid.ACR: Level.L3},
            claim=eid.CLAIM,
            kind=IdentifierKind.FISCAL_CODE,
            scope=eid.SCOPE,
        )
        kyc = HttpIdentityProvider(KYC, self.addresses.url("identity"), _CLIENT, Secret(self.secret.encode()), outbound)
        return (
            OfferedProvider(
                name=EID,
                label="Demo eID",
                port=openid,
                relay_resistant={eid.ACR: Level.L3},
                is_stub=True,
                look=openid.look,
                public_key=self.key.public_jwk(),
            ),
            OfferedProvider(
                name=KYC, label="Demo KYC", port=kyc, relay_resistant={identity.ACR: Level.L3}, is_stub=True
            ),
        )

    def apps(self, clock: Clock) -> dict[str, ASGIApp]:
        """The two sites."""
        eid_app = eid.create_eid_app(
            [eid.Citizen(one.fiscal_code, one.name) for one in cast.TOWN],
            eid.Registration(_CLIENT, cast.BANK_NAME, self._back(EID), dict(self.key.public_jwk())),
            issuer=self.addresses.url("eid"),
            clock=clock,
        )
        kyc_app = identity.create_identity_app(
            [identity.IdentityPerson(one.customer_number, one.name) for one in cast.CUSTOMERS],
            client_id=_CLIENT,
            client_secret=self.secret,
            redirect_uris=[self._back(KYC)],
            issuer=self.addresses.url("identity"),
            clock=clock,
        )
        return {"eid": eid_app, "identity": kyc_app}

    def _back(self, provider: str) -> str:
        return f"{self.addresses.url('bank')}/identity/{provider}/callback"
