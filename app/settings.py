"""Settings, read once: `riserbo.toml`, overridden by `RISERBO_…` variables. Secrets are named as files."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from app.network_settings import AtprotoSettings, MastodonSettings, Part
from security.secret import Secret

SETTINGS_FILE: Final = "riserbo.toml"
Acr = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=200)]
"""One word, for requests list them with spaces; never "", which is what a provider says that says nothing."""
WALLET_SCHEMES: Final = ("openid4vp://", "haip-vp://", "eudi-openid4vp://")


class SmsGatewaySettings(Part):
    """A provider-neutral SMS gateway: POST {"to", "text"} with a bearer token."""

    url: str
    token_file: Path


class SimSwapSettings(Part):
    """Who knows when a SIM changed: a service after CAMARA's SIM Swap API, asked at {url}/check with a bearer token."""

    url: str
    token_file: Path


class MailSettings(Part):
    """The bank's mail relay."""

    host: str
    port: int = 587
    sender: str
    username: str | None = None
    password_file: Path | None = None
    start_tls: bool = True


class DirectorySettings(Part):
    """Where customers are looked up: a CSV file, or the bank's HTTP service; exactly one."""

    csv: Path | None = None
    url: str | None = None
    token_file: Path | None = None


class WalletIssuerSettings(Part):
    """Who may issue what a wallet shows: known by the roots of its certificates, or by its keys."""

    issuer: str
    roots_file: Path | None = None
    jwks_file: Path | None = None

    @model_validator(mode="after")
    def _is_known_by_one_thing(self) -> Self:
        if (self.roots_file is None) == (self.jwks_file is None):
            raise ValueError("an issuer is known by roots_file or by jwks_file, one of them")
        return self


class IdentityProviderSettings(Part):
    """A provider that identifies customers by redirect. `relay_resistant` maps its acr values to 3 or 4.

    `kind` is `oidc` for OpenID Connect, where `url` is the issuer and we are known by `key_file` or `secret_file`;
    `http` is the small form of a KYC service; `wallet` is for EUDI wallets, where `url` opens them, we are known by
    `key_file` and `certificate_file`, and the acr is `vct`. `claim` names the customer, as what `named_by` says.
    `approval` is where the person agrees: in the browser that came, or on another device.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    label: str
    kind: Literal["http", "oidc", "wallet"] = "http"
    url: str
    client_id: str
    secret_file: Path | None = None
    key_file: Path | None = None
    relay_resistant: dict[Acr, Annotated[int, Field(ge=3, le=4)]] = {}
    approval: Literal["browser", "push", "qr"] = "browser"
    scope: Annotated[str, Field(pattern=r"^openid( [\x21-\x7e]+)*$")] = "openid"
    claim: Annotated[str, Field(min_length=1, max_length=200)] = "sub"
    named_by: Literal["number", "fiscal_code", "subject"] = "subject"
    userinfo: bool = False
    tells_when: bool = True
    prompt: str = "login"
    certificate_file: Path | None = None
    vct: str = ""
    issuers: list[WalletIssuerSettings] = []
    status: Literal["list", "none"] = "list"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        opens = ("https://", *WALLET_SCHEMES) if self.kind == "wallet" else "https://"
        if not self.url.startswith(opens):
            raise ValueError(
                "a provider's address begins with https://, a wallet's also with openid4vp:// or haip-vp://"
            )
        if self.kind == "http" and (self.secret_file is None or self.key_file is not None):
            raise ValueError("a provider of kind http knows us by secret_file")
        if (self.secret_file is None) == (self.key_file is None):
            raise ValueError("a provider knows us by key_file or by secret_file, one of them")
        return self

    @model_validator(mode="after")
    def _is_a_whole_wallet(self) -> Self:
        whole = self.key_file and self.certificate_file and self.vct and self.issuers
        if self.kind == "wallet" and not whole:
            raise ValueError("a wallet needs key_file, certificate_file, vct and issuers")
        if self.kind == "wallet" and (self.claim == "sub" or self.named_by == "subject"):
            raise ValueError("a wallet names a customer by a claim of the credential: claim, and named_by what it is")
        return self


class TokenIssuerSettings(Part):
    """The bank's own authorization server, whose access tokens (RFC 9068) the staff API takes."""

    issuer: str
    jwks_url: str
    audience: str = ""
    algorithms: Annotated[list[Literal["ES256", "PS256", "RS256"]], Field(min_length=1)] = ["ES256", "PS256"]
    subject_claim: Annotated[str, Field(min_length=1, max_length=100)] = "sub"
    scope_prefix: Annotated[str, Field(max_length=100)] = ""
    longest_minutes: Annotated[int, Field(ge=1, le=480)] = 60

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an address like https://login.bank.example")
        return value


class TokenSettings(Part):
    """How tokens come to the staff API: `dpop` accepted, or required; `nonces` that each proof must carry."""

    dpop: Literal["accepted", "required"] = "accepted"
    nonces: bool = False


StaffRole = Literal["agent", "supervisor", "compliance", "administrator"]


class ScimSettings(Part):
    """Staff accounts by SCIM. `roles` maps the client's own names; `token_file` keeps the hash of its token."""

    roles: dict[str, StaffRole] = {}
    default_role: StaffRole | None = None
    token_file: Path | None = None


class StaffSignOnSettings(Part):
    """The bank's own sign-in for the console, by OpenID Connect; with it, passwords of our own are sealed.

    `account_claim` names the account as what `named_by` says, until it is linked with the provider's subject. `roles`
    maps the values of `roles_claim`; without it the account's role stands. `sensitive_acrs` are what exports need.
    """

    label: Annotated[str, Field(min_length=1, max_length=60)]
    issuer: str
    client_id: str
    secret_file: Path | None = None
    key_file: Path | None = None
    scope: Annotated[str, Field(pattern=r"^openid( [\x21-\x7e]+)*$")] = "openid"
    account_claim: Annotated[str, Field(min_length=1, max_length=100)] = "preferred_username"
    named_by: Literal["login", "external_id"] = "login"
    roles_claim: Annotated[str, Field(min_length=1, max_length=100)] = "groups"
    roles: dict[str, StaffRole] = {}
    create_accounts: bool = False
    acrs: list[Acr] = []
    sensitive_acrs: list[Acr] = []
    sensitive_minutes: Annotated[int, Field(ge=1, le=720)] = 15
    break_glass: bool = False
    break_glass_mail: str = ""

    @field_validator("issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an address like https://login.bank.example")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.secret_file is None) == (self.key_file is None):
            raise ValueError("the provider knows us by key_file or by secret_file, one of them")
        if self.create_accounts and not self.roles:
            raise ValueError("create_accounts needs roles: somebody new has no role of their own")
        if self.break_glass and not self.break_glass_mail:
            raise ValueError("break_glass needs break_glass_mail: who hears of each use")
        return self


class TrafficSettings(Part):
    """What one process takes: budgets a second and at once, requests under way, open streams."""

    staff_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 50
    staff_burst: Annotated[int, Field(ge=1)] = 400
    staff_streams: Annotated[int, Field(ge=1)] = 200
    customer_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5
    customer_burst: Annotated[int, Field(ge=1)] = 100
    customer_streams: Annotated[int, Field(ge=1)] = 10
    network_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100
    network_burst: Annotated[int, Field(ge=1)] = 1_000
    network_writes_per_minute: Annotated[int, Field(ge=1)] = 240
    under_way: Annotated[int, Field(ge=8)] = 256
    streams: Annotated[int, Field(ge=1)] = 10_000
    connections: Annotated[int, Field(ge=8)] = 12_000


class Settings(BaseSettings):
    """Everything an installation decides. Paths are relative to `data`, unless absolute."""

    model_config = SettingsConfigDict(env_prefix="RISERBO_", env_nested_delimiter="__", frozen=True, extra="forbid")

    data: Path
    bank: Annotated[str, Field(min_length=2, max_length=60)]
    origin: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(/[a-z0-9._-]+)*$", max_length=100)]
    public_url: str
    staff_url: str
    public_listen: str = "127.0.0.1:8600"
    staff_listen: str = "127.0.0.1:8601"
    admin_listen: str = "127.0.0.1:8602"
    database_url: str = ""
    key_database_url: str = ""
    phone: str
    hours_it: str
    hours_en: str
    privacy_contact: str
    timezone: str = "Europe/Rome"
    language: str = "it"
    first_answer_minutes: Annotated[int, Field(ge=1, le=527_040)] = 60
    resolution_hours: Annotated[int, Field(ge=1, le=8_784)] = 24
    poll_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 15.0
    api_docs: bool = False
    trusted_proxies: list[str] = []
    internal_hosts: dict[str, str] = {}
    directory: DirectorySettings = DirectorySettings()
    sms: SmsGatewaySettings | None = None
    mail: MailSettings | None = None
    sim_swap: SimSwapSettings | None = None
    identity_providers: list[IdentityProviderSettings] = []
    mastodon: list[MastodonSettings] = []
    atproto: list[AtprotoSettings] = []
    token_issuers: list[TokenIssuerSettings] = []
    tokens: TokenSettings = TokenSettings()
    scim: ScimSettings | None = None
    staff_sign_on: StaffSignOnSettings | None = None
    traffic: TrafficSettings = TrafficSettings()

    @model_validator(mode="after")
    def _break_glass_is_heard(self) -> Self:
        if self.staff_sign_on is not None and self.staff_sign_on.break_glass and self.mail is None:
            raise ValueError("break_glass needs [mail]: without it nobody would hear of its use")
        return self

    @model_validator(mode="after")
    def _clients_have_a_name(self) -> Self:
        parts = urlsplit(self.public_url)
        if self.atproto and (parts.scheme != "https" or parts.port is not None):
            raise ValueError("[[atproto]] needs a public_url by https and without a port: servers know the bank by it")
        return self

    @model_validator(mode="after")
    def _networks_are_told_apart(self) -> Self:
        names = [*(one.name for one in self.mastodon), *(one.name for one in self.atproto)]
        if len(set(names)) != len(names):
            raise ValueError("two connectors have one name: cases of the one would be answered by the other")
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            if not ip_network(network).prefixlen:
                raise ValueError("every address is no proxy: anybody could then say who is asking")
        return value

    @field_validator("token_issuers")
    @classmethod
    def _are_different(cls, value: list[TokenIssuerSettings]) -> list[TokenIssuerSettings]:
        if len({one.issuer for one in value}) != len(value):
            raise ValueError("an issuer is named twice")
        return value

    @field_validator("identity_providers")
    @classmethod
    def _are_told_apart(cls, value: list[IdentityProviderSettings]) -> list[IdentityProviderSettings]:
        if len({one.name for one in value}) != len(value):
            raise ValueError("a provider's name is used twice")
        return value

    @field_validator("internal_hosts")
    @classmethod
    def _are_pinned(cls, value: dict[str, str]) -> dict[str, str]:
        for pinned in value.values():
            address, _, port = pinned.rpartition(":")
            ip_address(address.strip("[]"))
            int(port)
        return value

    @field_validator("public_url", "staff_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("an address like https://bank.example, without a path")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (pydantic's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values given in code, then variables, then the file."""
        file = settings_cls.model_config.get("toml_file")
        sources = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls)) if file else sources

    @property
    def pinned_hosts(self) -> dict[str, tuple[str, int]]:
        """Names of the bank's own services, each with the one address and port that it may be reached at."""
        parts = {name: pinned.rpartition(":") for name, pinned in self.internal_hosts.items()}
        return {name: (address.strip("[]"), int(port)) for name, (address, _, port) in parts.items()}

    @property
    def main_database(self) -> str:
        """The main database's URL; an embedded one by default."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'riserbo.db'}"

    @property
    def key_database(self) -> str:
        """The key store's URL; a file of its own by default."""
        return self.key_database_url or f"sqlite+aiosqlite:///{self.data / 'keys.db'}"

    @property
    def keys(self) -> Path:
        """The folder of the key files."""
        return self.data / "keys"

    @property
    def exports(self) -> Path:
        """The folder of finished, sealed bags."""
        return self.data / "exports"

    @property
    def first_answer(self) -> timedelta:
        """The first answer's clock."""
        return timedelta(minutes=self.first_answer_minutes)

    @property
    def resolution(self) -> timedelta:
        """The resolution's clock."""
        return timedelta(hours=self.resolution_hours)

    @property
    def https(self) -> bool:
        """Whether the public door is reached by HTTPS."""
        return self.public_url.startswith("https://")

    def secret(self, file: Path) -> Secret:
        """A secret from its file, without the line end that editors add."""
        return Secret(self.path(file).read_bytes().strip())

    def path(self, file: Path) -> Path:
        """Where a file lies that the settings name."""
        return file if file.is_absolute() else self.data / file


def load_settings(folder: Path) -> Settings:
    """The settings of an installation; raises pydantic's ValidationError naming each wrong value."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=folder / SETTINGS_FILE)

    return FromFile(data=folder)
