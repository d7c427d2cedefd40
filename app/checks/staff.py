"""How staff comes in, and who makes and ends its accounts."""

from __future__ import annotations

from datetime import datetime

from app.checks.finding import Colour, Finding, judged
from app.main import outbound_from
from app.oauth.errors import OAuthRefused
from app.outbound import OutboundError
from app.settings import Settings
from app.staff_parts import sign_on_ports

PART = "staff sign-in"


async def sign_in(settings: Settings, now: datetime) -> list[Finding]:
    """The bank's own sign-in answers with keys, and there is a way in when it does not."""
    ports, wanted = sign_on_ports(settings, outbound_from(settings)), settings.staff_sign_on
    if ports is None or wanted is None:
        return [Finding(PART, Colour.GREEN, "by password and code, here")]
    try:
        await ports.client.server.checked(lambda keys: keys, now)
    except OAuthRefused as refused:
        found = [Finding(PART, Colour.RED, f"{ports.issuer} cannot be used ({refused.reason})")]
    except OutboundError as fault:
        found = [Finding(PART, Colour.RED, f"{ports.issuer} cannot be reached ({type(fault).__name__})")]
    else:
        found = [Finding(PART, Colour.GREEN, ports.issuer)]
    if not wanted.sensitive_acrs:
        found.append(Finding(PART, Colour.YELLOW, "no sensitive_acrs: any recent sign-in makes exports"))
    bad = "no break_glass: while the provider is away nobody comes in"
    return [
        *found,
        judged("break-glass", wanted.break_glass, "sealed, and can be opened", bad, otherwise=Colour.YELLOW),
    ]


def provisioning(settings: Settings) -> list[Finding]:
    """What a provisioning client can give."""
    if settings.scim is None:
        return []
    given = sorted({*settings.scim.roles.values()} | ({settings.scim.default_role or ""} - {""}))
    risky = "administrator" in given
    text = f"gives {', '.join(given) or 'no role'}"
    why = f"{text}: whoever holds the provisioning client can become administrator"
    return [judged("provisioning", not risky, text, why, otherwise=Colour.YELLOW)]
