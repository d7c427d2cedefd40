"""The composition root: builds services, ports and doors from settings; the only module that knows every feature."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app import key_files
from app.admin import create_admin_app
from app.agents.dependencies import install_staff_refusals
from app.agents.routes import router as agent_routes
from app.audit.sequencer import start_log
from app.audit.signer import Signer
from app.binding import wallet_routes
from app.binding.facts import facts_of_case
from app.binding.ports import BindingPorts
from app.binding.routes import router as binding_routes
from app.cases.routes import router as case_routes
from app.cases.rules import CaseClocks
from app.compliance.ports import CompliancePorts
from app.compliance.routes import router as compliance_routes
from app.conversations.committing import lane_of
from app.conversations.routes import router as conversation_routes
from app.database import create_engines, dispose
from app.handover.ports import HandoverPorts
from app.handover.routes import router as handover_routes
from app.http.access_log import AccessLog
from app.http.admission import Admission, TrafficLimits
from app.http.body_limits import BodyLimits
from app.http.framing import FramingLimits
from app.http.json_bodies import strict_json
from app.http.problems import DOCUMENTED, install_problem_handlers
from app.http.proxies import TrustedProxies
from app.http.request_ids import RequestIds
from app.http.server import Listener
from app.http.storage_faults import install_storage_faults
from app.outbound import OutboundClient
from app.outside_parts import Parts, outbound_from, parts_from
from app.policy.file import judged_policy
from app.policy.sense import ground_of
from app.services import Clock, Services, system_clock
from app.sessions.dependencies import STAFF_TOKEN, VISITOR_TOKEN
from app.settings import Settings
from app.staff_parts import Staffing, install_staffing, staffing_from
from app.token_parts import StaffTokens, install_tokens, staff_tokens
from app.vault import KeyFile, Vault
from app.wakeup_bridge import Bridge, bridge_for
from app.web.cross_origin import CrossSiteWrites
from app.web.entry_pages import router as entry_pages
from app.web.error_pages import error_words, render_error
from app.web.headers import SecurityHeaders
from app.web.own_pages import router as own_pages
from app.web.pages import PageSettings
from app.web.passkey_pages import router as passkey_pages
from app.web.public_pages import router as public_pages
from app.web.reports import router as report_routes
from app.web.room_pages import router as room_pages
from app.web.staff_pages import router as staff_pages
from app.web.statics import router as static_routes

__all__ = ["Parts", "outbound_from", "parts_from"]

VERSION: Final = "0.1.0"
DRAIN: Final = 5.0
"""Seconds that a stop gives to marks and leases; a database that is away must not hold it up for ever."""


class NotReady(Exception):
    """The installation must not start: each line says what is wrong and what to do."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = list(findings)


@dataclass
class Installation:
    """One running installation: its services, its ports, its keys' holders."""

    settings: Settings
    services: Services
    parts: Parts
    signer: Signer
    handover: HandoverPorts
    binding: BindingPorts
    compliance: CompliancePorts
    tokens: StaffTokens
    staffing: Staffing
    pages: PageSettings
    clocks: CaseClocks
    engines: list[AsyncEngine] = field(default_factory=list)
    bridge: Bridge | None = None

    async def close(self) -> None:
        """Commit what the lane holds and what the streams left to write, then give the databases back."""
        if self.bridge is not None:
            await self.bridge.stop()
        if self.services.delivery is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await self.services.delivery.drain()
        if self.services.lane is not None:
            await self.services.lane.stop()
        await dispose(*self.engines)


def check_ready(settings: Settings, parts: Parts) -> None:
    """Raise `NotReady` for weak or demo keys, stubs and plain HTTP outside the demo."""
    findings = []
    for name in key_files.needed(settings.keys):
        try:
            key_files.check_key_file(settings.keys / name, demo=parts.demo)
        except key_files.KeyFileRefused as refused:
            findings.append(str(refused))
    if not parts.demo:
        stubs = [one.name for one in parts.providers if one.is_stub]
        findings += [f"the identity provider {name} is a stub, for the demonstration only" for name in stubs]
        if not settings.https or not settings.staff_url.startswith("https://"):
            findings.append("public_url and staff_url must be https:// (the cookies need it)")
    if findings:
        raise NotReady(findings)


async def assemble(
    settings: Settings, *, outbound: OutboundClient, parts: Parts, clock: Clock = system_clock
) -> Installation:
    """A ready installation on migrated databases; raises `NotReady`."""
    check_ready(settings, parts)
    policy, wrong = judged_policy(settings.data, ground_of(parts.providers, parts.connectors))
    if wrong:
        raise NotReady(wrong)
    write, read = create_engines(settings.main_database)
    key_engine, key_reader = create_engines(settings.key_database)
    await dispose(key_reader)
    vault = Vault(KeyFile(settings.keys / key_files.KEK_FILE), key_engine, clock)
    services = Services(write, read, vault, outbound, clock, policy)
    services.lane = lane_of(services)
    services.lane.start()
    log_key = key_files.read_signing_key(settings.keys / key_files.LOG_KEY_FILE)
    export_key = key_files.read_signing_key(settings.keys / key_files.EXPORT_KEY_FILE)
    host = urlsplit(settings.public_url).netloc
    settings.exports.mkdir(mode=0o700, exist_ok=True)
    await start_log(services, settings.origin)
    return Installation(
        settings=settings,
        services=services,
        parts=parts,
        signer=Signer(log_key, settings.keys / key_files.SIGNER_MEMORY),
        handover=HandoverPorts(parts.connectors, settings.public_url, settings.bank, settings.phone, facts_of_case),
        binding=BindingPorts(
            bank=settings.bank,
            host=host,
            public_url=settings.public_url,
            connectors=parts.connectors,
            directory=parts.directory,
            senders=parts.senders,
            providers=parts.providers,
            language=settings.language,
            phone_changes=parts.phone_changes,
        ),
        compliance=CompliancePorts(
            folder=settings.exports,
            export_key=export_key,
            log_vkey=log_key.vkey(),
            trust_address=f"{settings.public_url}/trust.json",
        ),
        tokens=staff_tokens(settings, outbound),
        staffing=staffing_from(settings, outbound),
        pages=page_settings(settings, parts),
        clocks=CaseClocks(settings.first_answer, settings.resolution),
        engines=[write, read, key_engine],
        bridge=bridge_for(write, services.wakeups, clock),
    )


def page_settings(settings: Settings, parts: Parts) -> PageSettings:
    """What the pages say about the bank."""
    return PageSettings(
        bank=settings.bank,
        host=urlsplit(settings.public_url).netloc,
        phone=settings.phone,
        hours={"it": settings.hours_it, "en": settings.hours_en},
        privacy_contact=settings.privacy_contact,
        timezone=settings.timezone,
        demo=parts.demo,
        demo_start=parts.demo_start,
        connectors=tuple(parts.connectors),
    )


def create_public_app(house: Installation) -> FastAPI:
    """The public door: case link, customer pages, sign-in returns, genuine-reply check. No staff route exists here."""
    app = _door(house, "public", house.settings.public_url)
    for router in (entry_pages, room_pages, passkey_pages, own_pages, public_pages, wallet_routes.router):
        app.include_router(router)
    return app


def create_staff_app(house: Installation) -> FastAPI:
    """The staff door: API, console, compliance."""
    app = _door(house, "staff", house.settings.staff_url)
    # The room first: routes are tried in this order, and messages are what most requests are.
    for router in (
        conversation_routes,
        agent_routes,
        case_routes,
        handover_routes,
        binding_routes,
        compliance_routes,
    ):
        app.include_router(router, dependencies=[Depends(strict_json)], responses=DOCUMENTED)
    app.include_router(staff_pages)
    install_tokens(app, house.tokens)
    install_staffing(app, house.staffing)
    return app


def _door(house: Installation, name: str, url: str) -> FastAPI:
    """An application with the walls that every door has; the last one added stands outermost."""
    documented = house.settings.api_docs and name == "staff"
    app = FastAPI(
        title="Riserbo",
        version=VERSION,
        openapi_url="/api/v1/openapi.json" if documented else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"logs": False},
    )
    app.state.services = house.services
    app.state.public_url = house.settings.public_url
    app.state.handover_ports = house.handover
    app.state.binding_ports = house.binding
    app.state.compliance_ports = house.compliance
    app.state.page_settings = house.pages
    app.state.staff_door = name == "staff"
    app.include_router(static_routes)
    app.include_router(report_routes)
    answers = install_problem_handlers(app, render_error, error_words)
    install_storage_faults(app, answers)
    install_staff_refusals(app, answers)
    app.add_middleware(CrossSiteWrites, origins=[url], exempt=["/csp-report", wallet_routes.PREFIX])
    app.add_middleware(BodyLimits, overrides={wallet_routes.PREFIX: wallet_routes.MAX_BODY})
    app.add_middleware(SecurityHeaders, https=house.settings.https)
    app.add_middleware(AccessLog, door=name, counts=house.services.traffic)
    app.add_middleware(TrustedProxies, networks=house.settings.trusted_proxies)
    app.add_middleware(RequestIds)
    return app


def listeners(house: Installation) -> list[Listener]:
    """The three addresses of an installation: public door, staff door, administration."""
    settings, gate = house.settings, admission(house)
    doors = (
        _listener("public", create_public_app(house), settings.public_listen, settings.public_url),
        _listener("staff", create_staff_app(house), settings.staff_listen, settings.staff_url),
    )
    limits = FramingLimits(connections=settings.traffic.connections)
    return [
        *(replace(door, gate=gate, limits=limits) for door in doors),
        _listener("admin", create_admin_app(house.services), settings.admin_listen, f"http://{settings.admin_listen}"),
    ]


def admission(house: Installation) -> Admission:
    """One gate for both doors; administration has none, it must answer in any crowd."""
    return Admission(
        TrafficLimits(**house.settings.traffic.model_dump(exclude={"connections"})),
        tokens={"public": VISITOR_TOKEN, "staff": STAFF_TOKEN},
        proxies=house.settings.trusted_proxies,
        counts=house.services.traffic,
    )


def _listener(name: str, app: FastAPI, listen: str, url: str) -> Listener:
    host, _, port = listen.rpartition(":")
    return Listener(name=name, app=app, hosts=[urlsplit(url).netloc], host=host.strip("[]"), port=int(port))
