"""What an installation talks to: networks, directory, senders, identity providers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from app.binding.rules import best_level
from app.channels.ports import State
from app.checks.finding import Colour, Finding, Findings, judged
from app.directory.csv_file import dates_phones
from app.directory.port import CustomerDirectory, DirectoryUnavailable
from app.main import Parts, outbound_from
from app.outbound import OutboundError
from app.permissions import Level
from app.policy import Method, Policy
from app.settings import MailSettings, Settings
from app.token_parts import token_ports

# looked up to see whether the directory answers at all
NOBODY: Final = "riserbo-doctor-000"
COLOURS: Final = {State.RIGHT: Colour.GREEN, State.ODD: Colour.YELLOW, State.WRONG: Colour.RED}


def networks(parts: Parts) -> Findings:
    """Complaints can arrive, and handles be proved."""
    names = ", ".join(one.label for one in parts.connectors)
    yield judged("social networks", bool(names), names, "none is connected: no case arrives, no handle is proved")
    for one in parts.connectors:
        unproved = one.sign_in is None and one.direct_messages is None
        bad = "offers neither sign-in nor direct messages: its people can prove no handle"
        yield judged(f"network {one.name}", not unproved, "handles can be proved", bad)
        if one.direct_messages is not None and not one.accepts_unsolicited and one.incoming is None:
            mute = "codes wait for a message of the customer, and nothing tells of messages: none is ever sent"
            yield Finding(f"network {one.name}", Colour.RED, mute)


async def accounts(parts: Parts) -> list[Finding]:
    """The bank's accounts at the networks can do their work."""
    return [
        Finding(f"account at {one.name}", COLOURS[remark.state], remark.text)
        for one in parts.connectors
        if one.look is not None
        for remark in await one.look()
    ]


def providers(parts: Parts, policy: Policy) -> Findings:
    """Somebody other than a typed code proves customers; no stub does."""
    for one in parts.providers:
        yield judged(f"provider {one.name}", not one.is_stub, one.label, "is a stub: it checks nothing")
    strong = [one.label for one in parts.providers if best_level(policy, one.relay_resistant) >= Level.L3]
    bad = (
        f"only typed codes prove customers: no room reaches level {policy.needs.account:d}, which account data needs,"
        f" and {policy.tries.wrong_a_day} wrong codes a day close the way in for new pairs;"
        " add an identity provider with a relay-resistant acr"
    )
    yield judged("ways to prove", bool(strong), ", ".join(strong), bad, otherwise=Colour.YELLOW)
    for one in parts.providers:
        if best_level(policy, one.relay_resistant) < Level.L3:
            why = "its acr values are not listed as relay-resistant (origin-bound or same device), so it gives level 2"
            yield Finding(f"provider {one.name}", Colour.YELLOW, why)


async def reachable(parts: Parts, now: datetime) -> list[Finding]:
    """The identity providers answer, and how strongly the requests to them are protected."""
    return [
        Finding(f"provider {one.name}", COLOURS[remark.state], remark.text)
        for one in parts.providers
        if one.look is not None
        for remark in await one.look(now)
    ]


def senders(settings: Settings, parts: Parts) -> Findings:
    """Codes and notices can leave."""
    there = [name for name, sender in (("SMS", parts.senders.sms), ("e-mail", parts.senders.mail)) if sender]
    yield judged("senders", bool(there), " and ".join(there), "neither SMS nor e-mail: no code can be sent")
    if settings.mail is not None:
        safe = settings.mail.start_tls or _is_loopback(settings.mail)
        yield judged("mail relay", safe, "by TLS, or on this machine", "in the clear: set start_tls")


def phones(settings: Settings, parts: Parts, policy: Policy) -> Findings:
    """Somebody says when a phone changed, where codes go by SMS."""
    if parts.senders.sms is None or not policy.offers_method(Method.SMS, None) or not policy.phone.quiet:
        return
    sources = ["the operator (SIM swap)"] if parts.phone_changes is not None else []
    if settings.directory.url is not None:
        sources.append("the directory's phone_changed_at, where it sends one")
    elif dates_phones(settings.data / (settings.directory.csv or "customers.csv")):
        sources.append("the directory's phone_changed_at")
    bad = (
        "nothing says when a phone or its SIM changed: whoever takes a number over gets its codes at once;"
        " set [sim_swap], or add phone_changed_at to the directory"
    )
    yield judged("changed phones", bool(sources), " and ".join(sources), bad, otherwise=Colour.YELLOW)


def _is_loopback(mail: MailSettings) -> bool:
    try:
        return ip_address(mail.host).is_loopback
    except ValueError:
        return mail.host == "localhost"


async def token_issuers(settings: Settings) -> list[Finding]:
    """The bank's authorization servers publish keys that can be used."""
    found = []
    for issuer, trusted in token_ports(settings, outbound_from(settings)).issuers.items():
        try:
            await trusted.keys.verification_keys()
            found.append(Finding("token issuer", Colour.GREEN, issuer))
        except OutboundError:
            bad = f"{issuer}: no keys can be had at jwks_url; its tokens open nothing"
            found.append(Finding("token issuer", Colour.RED, bad))
    return found


async def directory(settings: Settings, customers: CustomerDirectory) -> list[Finding]:
    """Customers can be looked up."""
    try:
        await customers.find(NOBODY)
    except DirectoryUnavailable as fault:
        return [Finding("directory", Colour.RED, f"does not answer ({fault})")]
    if settings.directory.url is not None:
        return [Finding("directory", Colour.GREEN, settings.directory.url)]
    path = settings.data / (settings.directory.csv or "customers.csv")
    rows = len((await asyncio.to_thread(path.read_text, "utf-8-sig")).splitlines()) - 1
    bad = f"{path.name} holds nobody: no customer can be proved"
    return [judged("directory", rows > 0, f"{path.name}, {rows} lines", bad)]
