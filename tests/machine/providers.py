"""Who identifies customers in the machine: two OpenID providers and a wallet, set up as a bank does it, by its files.

Settings and policy are read by the real code, so what counts as relay-resistant is what the policy lists, nothing else.
The providers stand where the outbound client stands. They bind a code to the request that it answers and take it once,
and they know nobody's honesty.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from app import key_files
from app.binding.identity_provider import OfferedProvider
from app.channels.ports import Connector
from app.outbound import OutboundClient, OutboundResponse
from app.outside_parts import parts_from
from app.policy import Policy
from app.policy.file import POLICY_FILE, judged_policy
from app.policy.sense import ground_of
from app.policy.template import TEMPLATE
from app.settings import SETTINGS_FILE, Settings, load_settings
from security.jwts import SigningKey
from security.tokens import new_token
from tests.app.binding.wallets import access_certificate
from tests.support.certificates import Authority, pem, root
from tests.support.house import START
from tests.support.scripted_openid import answer, read
from tests.support.wallet import PidIssuer, WalletApp

OPENID: Final = ("id", "push")
STRONG, HIGH, WEAK = "strong", "high", "weak"
LISTED_PUSH: Final = f"{{ {STRONG} = 3 }}"
"""What a bank might write for `push` by mistake."""
_SETTINGS: Final = """
bank = "Banca Esempio"
origin = "bancaesempio.example/log"
public_url = "https://chat.bancaesempio.example"
staff_url = "https://desk.bancaesempio.example"
phone = "800 000 000"
hours_it = "sempre"
hours_en = "always"
privacy_contact = "privacy@bancaesempio.example"

[[identity_providers]]
name = "id"
kind = "oidc"
label = "Identity"
url = "https://id.example"
client_id = "riserbo"
key_file = "id.json"
claim = "customer_number"
named_by = "number"
relay_resistant = {{ strong = 3, high = 4 }}

[[identity_providers]]
name = "push"
kind = "oidc"
label = "Push"
url = "https://push.example"
client_id = "riserbo"
key_file = "push.json"
claim = "customer_number"
named_by = "number"
approval = "push"
relay_resistant = {listed_push}

[[identity_providers]]
name = "wallet"
kind = "wallet"
label = "Wallet"
url = "openid4vp://"
client_id = "x509_san_dns:chat.bancaesempio.example"
key_file = "wallet.json"
certificate_file = "wallet.pem"
vct = "urn:eudi:pid:it:1"
claim = "personal_administrative_number"
named_by = "fiscal_code"
status = "none"
relay_resistant = {{ "urn:eudi:pid:it:1" = 4 }}

[[identity_providers.issuers]]
issuer = "https://pid.example"
roots_file = "roots.pem"
"""


@dataclass(frozen=True)
class Request:
    """An authorization request as it stands in an address bar: whoever opens it is asked to approve it."""

    site: str
    address: str

    def part(self, name: str) -> str:
        """One part of the query."""
        return parse_qs(urlsplit(self.address).query)[name][0]


@dataclass(frozen=True)
class Callback:
    """What comes back of it: an address of ours, to be opened by any browser."""

    site: str
    state: str
    code: str
    issuer: str | None = None


@dataclass(frozen=True)
class _Grant:
    """What stands behind a code: the request that it answers, and who signed in how and when."""

    asked: Mapping[str, Any]
    number: str
    acr: str
    signed_in: datetime


@dataclass
class Login:
    """One OpenID provider. Where it does not check PKCE, as old ones do not, the nonce alone must do."""

    name: str
    checks_pkce: bool
    clock: Callable[[], datetime]
    key: SigningKey = field(default_factory=SigningKey.new)
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: dict[str, _Grant] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"https://{self.name}.example"

    def approve(self, request: Request, number: str, acr: str, signed_in: datetime | None = None) -> Callback:
        """The customer with this number approves; `signed_in` is before now where a session was left open."""
        asked, code = self.asked[request.part("request_uri")], new_token()
        self.grants[code] = _Grant(asked, number, acr, signed_in or self.clock())
        return Callback(self.name, asked["state"], code, self.issuer)

    def answer(self, path: str, form: Mapping[str, str]) -> OutboundResponse:
        """What it says to us."""
        match path:
            case "/.well-known/openid-configuration":
                return answer(self._metadata())
            case "/jwks":
                return answer({"keys": [self.key.public_jwk()]})
            case "/par":
                address = f"urn:request:{new_token()}"
                self.asked[address] = read(form["request"])
                return answer({"request_uri": address, "expires_in": 60}, 201)
            case _:
                return self._tokens(form)

    def _metadata(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        places["pushed_authorization_request_endpoint"] = "/par"
        return {
            "issuer": self.issuer,
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": True,
            **{name: self.issuer + path for name, path in places.items()},
        }

    def _tokens(self, form: Mapping[str, str]) -> OutboundResponse:
        grant = self.grants.pop(form["code"], None)
        if grant is None or (self.checks_pkce and challenge_of(form["code_verifier"]) != grant.asked["code_challenge"]):
            return answer({"error": "invalid_grant"}, 400)
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": grant.asked["client_id"],
            "sub": grant.number,
            "customer_number": grant.number,
            "iat": now,
            "exp": now + 300,
            "auth_time": int(grant.signed_in.timestamp()),
            "nonce": grant.asked["nonce"],
            "acr": grant.acr,
        }
        token = self.key.sign(claims, typ="JWT")
        return answer({"access_token": "a", "token_type": "Bearer", "id_token": token})


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Town:
    """Both OpenID providers, where the outbound client would find them."""

    logins: Mapping[str, Login]

    async def request(
        self, _method: str, url: str, *, data: Mapping[str, str] | None = None, **_more: Any
    ) -> OutboundResponse:
        """See `OutboundClient.request`."""
        parts = urlsplit(url)
        return self.logins[(parts.hostname or "").removesuffix(".example")].answer(parts.path, data or {})


@dataclass(frozen=True)
class Papers:
    """A bank's settings with their files, and those outside who have keys of their own."""

    settings: Settings
    issuer: PidIssuer
    access: Authority

    def open(self, connectors: Sequence[Connector], clock: Callable[[], datetime]) -> Offered:
        """Providers and policy as `riserbo serve` reads them; raises AssertionError where it would not start."""
        town = Town({name: Login(name, name != "id", clock) for name in OPENID})
        providers = parts_from(self.settings, cast(OutboundClient, town)).providers
        policy, wrong = judged_policy(self.settings.data, ground_of(providers, connectors))
        assert not wrong, wrong
        return Offered(town.logins, tuple(providers), policy)

    def credential(self, wallet: WalletApp, number: str, now: datetime) -> str:
        """A credential of now, so that a story may last longer than certificates do."""
        middle, public = self.issuer.authority.below(now), self.issuer.key.get_op_key("verify")
        self.issuer.chain = [middle.certify(public, now, uris=[self.issuer.url]), middle.certificate]
        return self.issuer.issue(wallet.key, now, number)


@dataclass(frozen=True)
class Offered:
    """What the bank's files came to."""

    logins: Mapping[str, Login]
    providers: tuple[OfferedProvider, ...]
    policy: Policy


def make_papers(folder: Path, listed_push: str = "{}") -> Papers:
    """Write the files of a bank into a folder; `listed_push` are the acr that it believes of a push."""
    folder.mkdir(parents=True)
    for name in ("id", "push", "wallet"):
        key_files.make_client_key_file(folder / f"{name}.json")
    issuer, access = PidIssuer(START), root(START, "access")
    leaf = access_certificate(access, key_files.read_client_key(folder / "wallet.json"), START)
    (folder / "wallet.pem").write_bytes(pem(leaf))
    (folder / "roots.pem").write_bytes(pem(issuer.authority.certificate))
    (folder / SETTINGS_FILE).write_text(_SETTINGS.format(listed_push=listed_push), "utf-8")
    (folder / POLICY_FILE).write_text(TEMPLATE, "utf-8")
    return Papers(load_settings(folder), issuer, access)
