"""What proofs and bindings need from outside, built by `main`: networks, directory, senders, identity providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.binding.errors import MethodNotOffered
from app.binding.identity_provider import OfferedProvider
from app.binding.rules import CodeMethod, HandleMethod
from app.channels.ports import Connector
from app.directory.phone_changes import PhoneChanges
from app.directory.port import CustomerDirectory
from app.notifications.senders import Senders
from app.policy import Policy
from security.passkeys import RelyingParty


@dataclass(frozen=True)
class BindingPorts:
    """`host` is how texts name our address, `public_url` its base without a trailing slash.

    `language` is that of texts to people whose language nobody knows. `phone_changes` is the source that knows when a
    SIM or number changed, if there is one.
    """

    bank: str
    host: str
    public_url: str
    connectors: Sequence[Connector]
    directory: CustomerDirectory
    senders: Senders
    providers: Sequence[OfferedProvider] = ()
    language: str = "it"
    phone_changes: PhoneChanges | None = None

    @property
    def party(self) -> RelyingParty:
        """The public host as authenticators know it; a passkey of one host is of no use at another."""
        address = urlsplit(self.public_url)
        return RelyingParty(address.hostname or "", f"{address.scheme}://{address.netloc}", self.bank)

    def connector(self, name: str) -> Connector:
        """The network of this name; raises `MethodNotOffered`."""
        found = next((one for one in self.connectors if one.name == name), None)
        if found is None:
            raise MethodNotOffered
        return found

    def provider(self, name: str) -> OfferedProvider:
        """The identity provider of this name; raises `MethodNotOffered`."""
        found = next((one for one in self.providers if one.name == name), None)
        if found is None:
            raise MethodNotOffered
        return found

    def client_keys(self) -> list[Mapping[str, str]]:
        """The public keys by which identity providers know us, each once."""
        keys = {one.public_key["kid"]: one.public_key for one in self.providers if one.public_key is not None}
        return [keys[kid] for kid in sorted(keys)]

    def label_of(self, connector: str | None) -> str:
        """The network's display name, or its own if it has been switched off since."""
        return next((one.label for one in self.connectors if one.name == connector), connector or "")

    def handle_methods(self, policy: Policy, connector: Connector) -> tuple[HandleMethod, ...]:
        """How a handle can be proved at this network, the stronger way first."""
        ways = (HandleMethod.SIGN_IN, connector.sign_in), (HandleMethod.DIRECT_MESSAGE, connector.direct_messages)
        return tuple(
            method for method, part in ways if part is not None and policy.offers_handle(method, connector.name)
        )

    def code_methods(self, policy: Policy, brand: str | None = None) -> tuple[CodeMethod, ...]:
        """The typed codes that the bank has switched on, here; whether they work for a customer is never shown."""
        possible = {CodeMethod.TOTP}
        if self.senders.sms is not None:
            possible.add(CodeMethod.SMS)
        if self.senders.mail is not None:
            possible.add(CodeMethod.EMAIL)
        return tuple(method for method in CodeMethod if method in possible and policy.offers_method(method, brand))

    def sign_in_return(self, connector: str) -> str:
        """The exact redirect URI of this network, of no other (against mix-up, RFC 9700 section 4.4)."""
        return f"{self.public_url}/signin/{connector}/callback"

    def identity_return(self, provider: str) -> str:
        """The exact redirect URI of this identity provider, of no other."""
        return f"{self.public_url}/identity/{provider}/callback"
