"""Settings, folders, key files and other secrets, as they lie on disk."""

from __future__ import annotations

import stat
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from app import key_files
from app.checks.finding import Colour, Finding, Findings, judged
from app.settings import Settings


def addresses(settings: Settings) -> Findings:
    """The doors are reached by TLS, under two names; administration stays inside."""
    for name, url in (("public_url", settings.public_url), ("staff_url", settings.staff_url)):
        yield judged(name, url.startswith("https://"), url, f"{url} is not https://: the cookies need it")
    public, staff = (urlsplit(url).hostname for url in (settings.public_url, settings.staff_url))
    apart = "two host names"
    together = "both doors have one host name: their cookies would cross; give the staff door a name of its own"
    yield judged("doors", public != staff, apart, together)
    for name, listen in (("staff_listen", settings.staff_listen), ("admin_listen", settings.admin_listen)):
        inside = f"{listen} can be reached from everywhere; listen on an inside address"
        yield judged(name, not _is_everywhere(listen), listen, inside, otherwise=Colour.YELLOW)
    shown = "the API's documentation page is shown on the staff door"
    yield judged("api_docs", not settings.api_docs, "not shown", shown, otherwise=Colour.YELLOW)


def _is_everywhere(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_unspecified or address.is_global


def folders(settings: Settings) -> Findings:
    """Nobody else on this machine looks into them."""
    for name, folder in (("data folder", settings.data), ("keys folder", settings.keys)):
        yield _private(name, folder)


def keys(settings: Settings) -> Findings:
    """The key files: private, strong, not the demo's, named as the log is, each for one purpose."""
    for name in key_files.needed(settings.keys):
        try:
            key_files.check_key_file(settings.keys / name, demo=False)
            yield Finding(name, Colour.GREEN, "private and strong")
        except key_files.KeyFileRefused as refused:
            yield Finding(name, Colour.RED, str(refused))
    yield _signing_keys(settings)


def _signing_keys(settings: Settings) -> Finding:
    part = "signing keys"
    try:
        log = key_files.read_signing_key(settings.keys / key_files.LOG_KEY_FILE)
        export = key_files.read_signing_key(settings.keys / key_files.EXPORT_KEY_FILE)
    except key_files.KeyFileRefused as refused:
        return Finding(part, Colour.RED, str(refused))
    if (log.name, export.name) != (settings.origin, f"{settings.origin}/export"):
        return Finding(part, Colour.RED, f"their names do not belong to the origin {settings.origin}")
    same = log.vkey().rpartition("+")[2] == export.vkey().rpartition("+")[2]
    return judged(part, not same, "one for the log, one for exports", "log and exports share one key")


def secrets(settings: Settings) -> Findings:
    """The files that settings name for tokens and passwords."""
    named: list[tuple[str, Path | None]] = [
        ("sms token", settings.sms.token_file if settings.sms else None),
        ("SIM-swap token", settings.sim_swap.token_file if settings.sim_swap else None),
        ("mail password", settings.mail.password_file if settings.mail else None),
        ("directory token", settings.directory.token_file),
        *((f"secret of {one.name}", one.secret_file) for one in settings.identity_providers),
        *((f"key of {one.name}", one.key_file) for one in settings.identity_providers),
        *((f"token of {one.name}", one.token_file) for one in settings.mastodon),
        *((f"key of {one.name}", one.key_file) for one in settings.atproto),
    ]
    for name, file in named:
        if file is not None:
            yield _private(name, settings.path(file))


def _private(name: str, path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        return Finding(name, Colour.RED, f"{path} cannot be looked at ({fault.strerror})")
    bad = f"{path} can be read by others (mode {mode:03o}); allow only its owner"
    return judged(name, not mode & 0o077, "only its owner", bad)
