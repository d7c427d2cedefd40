"""What an installation talks to, built from its settings: networks, providers, senders, directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app import key_files
from app.binding.identity_provider import HttpIdentityProvider, OfferedProvider
from app.binding.openid_provider import OpenIdProvider
from app.channels.atproto import atproto_connector
from app.channels.mastodon import mastodon_connector
from app.channels.ports import Connector
from app.directory.csv_file import CsvDirectory
from app.directory.http_service import HttpDirectory
from app.directory.phone_changes import PhoneChanges, SimSwapService
from app.directory.port import CustomerDirectory, IdentifierKind
from app.notifications.senders import HttpSmsGateway, Senders, SmtpMail, SmtpServer
from app.oauth.client import OAuthClient
from app.oauth.server import AuthorizationServer
from app.outbound import OutboundClient
from app.permissions import Level
from app.settings import IdentityProviderSettings, Settings
from app.wallets import offered_wallet


@dataclass(frozen=True)
class Parts:
    """What comes from outside: networks, providers, senders, directory. The demo brings its own."""

    connectors: Sequence[Connector]
    providers: Sequence[OfferedProvider]
    senders: Senders
    directory: CustomerDirectory
    phone_changes: PhoneChanges | None = None
    demo: bool = False
    demo_start: str = ""


def outbound_from(settings: Settings) -> OutboundClient:
    """HTTPS to public addresses, and to the bank's own services at the addresses that the settings pin."""
    return OutboundClient(hosts=settings.pinned_hosts)


def parts_from(settings: Settings, outbound: OutboundClient) -> Parts:
    """The parts that the settings name."""
    return Parts(
        _connectors(settings, outbound),
        _providers(settings, outbound),
        _senders(settings, outbound),
        _directory(settings, outbound),
        _phone_changes(settings, outbound),
    )


def _connectors(settings: Settings, outbound: OutboundClient) -> list[Connector]:
    return [*_mastodon(settings, outbound), *_atproto(settings, outbound)]


def _atproto(settings: Settings, outbound: OutboundClient) -> list[Connector]:
    return [
        atproto_connector(
            name=one.name,
            label=one.label,
            handle=one.handle,
            bank=settings.bank,
            public_url=settings.public_url,
            key=key_files.read_client_key(settings.path(one.key_file)),
            outbound=outbound,
            directory=one.directory,
            resolver=one.resolver,
            profile_url=one.profile_url,
        )
        for one in settings.atproto
    ]


def _mastodon(settings: Settings, outbound: OutboundClient) -> list[Connector]:
    return [
        mastodon_connector(
            name=one.name,
            base_url=one.url,
            account=one.account,
            token=settings.secret(one.token_file),
            label=one.label,
            outbound=outbound,
            profile_url=one.profile_url,
            sign_in=one.sign_in,
            direct_messages=one.direct_messages,
        )
        for one in settings.mastodon
    ]


def _providers(settings: Settings, outbound: OutboundClient) -> list[OfferedProvider]:
    return [_provider(settings, one, outbound) for one in settings.identity_providers]


def _provider(settings: Settings, one: IdentityProviderSettings, outbound: OutboundClient) -> OfferedProvider:
    levels = {acr: Level(level) for acr, level in one.relay_resistant.items()}
    if one.kind == "wallet":
        return offered_wallet(settings, one, outbound)
    secret = settings.secret(one.secret_file) if one.secret_file else None
    if one.kind == "http" and secret is not None:
        kyc = HttpIdentityProvider(one.name, one.url.rstrip("/"), one.client_id, secret, outbound)
        return OfferedProvider(one.name, one.label, kyc, levels, approval=one.approval)
    key = key_files.read_client_key(settings.path(one.key_file)) if one.key_file else None
    openid = OpenIdProvider(
        name=one.name,
        client=OAuthClient(AuthorizationServer(one.url, outbound), one.client_id, key=key, secret=secret),
        acrs=levels,
        claim=one.claim,
        kind=IdentifierKind(one.named_by),
        scope=one.scope,
        from_userinfo=one.userinfo,
        tells_when=one.tells_when,
        prompt=one.prompt,
    )
    offered = OfferedProvider(one.name, one.label, openid, levels, approval=one.approval)
    return replace(offered, look=openid.look, public_key=key.public_jwk() if key else None)


def _senders(settings: Settings, outbound: OutboundClient) -> Senders:
    sms = mail = None
    if settings.sms is not None:
        sms = HttpSmsGateway(settings.sms.url, settings.secret(settings.sms.token_file), outbound)
    if settings.mail is not None:
        password = settings.secret(settings.mail.password_file) if settings.mail.password_file else None
        server = SmtpServer(
            settings.mail.host,
            settings.mail.port,
            settings.mail.sender,
            settings.mail.username,
            password,
            settings.mail.start_tls,
        )
        mail = SmtpMail(server)
    return Senders(sms, mail)


def _phone_changes(settings: Settings, outbound: OutboundClient) -> PhoneChanges | None:
    wanted = settings.sim_swap
    return SimSwapService(wanted.url, settings.secret(wanted.token_file), outbound) if wanted else None


def _directory(settings: Settings, outbound: OutboundClient) -> CustomerDirectory:
    wanted = settings.directory
    if wanted.url is not None and wanted.token_file is not None:
        return HttpDirectory(wanted.url, settings.secret(wanted.token_file), outbound)
    return CsvDirectory(settings.data / (wanted.csv or "customers.csv"))
