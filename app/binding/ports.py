"""What proofs and bindings need from outside, built by `main`: networks, directory, senders, identity providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.binding.errors import MethodNotOffered
from app.binding.identity_provider import OfferedProvider
from app.binding.rules import CodeMethod, HandleMethod
from app.channels.ports import Connector
from app.directory.port import CustomerDirectory
from app.notifications.senders import Senders


@dataclass(frozen=True)
class BindingPorts:
    """`host` is how texts name our address, `public_url` its base without a trailing slash.

    `language` is that of texts to people whose language nobody knows. `codes` are the typed codes that the bank's
    policy accepts: a bank that follows ASVS level 3 takes neither SMS nor e-mail, and still sends its notices by them.
    """

    bank: str
    host: str
    public_url: str
    connectors: Sequence[Connector]
    directory: CustomerDirectory
    senders: Senders
    providers: Sequence[OfferedProvider] = ()
    language: str = "it"
    codes: Collection[str] = tuple(CodeMethod)

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

    def handle_methods(self, connector: Connector) -> tuple[HandleMethod, ...]:
        """How a handle can be proved at this network, the stronger way first."""
        ways = (HandleMethod.SIGN_IN, connector.sign_in), (HandleMethod.DIRECT_MESSAGE, connector.direct_messages)
        return tuple(method for method, part in ways if part is not None)

    def code_methods(self) -> tuple[CodeMethod, ...]:
        """The typed codes that the bank has switched on; whether they work for a customer is never shown."""
        possible = {CodeMethod.TOTP}
        if self.senders.sms is not None:
            possible.add(CodeMethod.SMS)
        if self.senders.mail is not None:
            possible.add(CodeMethod.EMAIL)
        return tuple(method for method in CodeMethod if method in possible and method in self.codes)

    def sign_in_return(self, connector: str) -> str:
        """The exact redirect URI of this network, of no other (against mix-up, RFC 9700 section 4.4)."""
        return f"{self.public_url}/signin/{connector}/callback"

    def identity_return(self, provider: str) -> str:
        """The exact redirect URI of this identity provider, of no other."""
        return f"{self.public_url}/identity/{provider}/callback"
