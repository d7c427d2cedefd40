"""Fixtures that every test may use: databases, browser, mail, and the rule that nothing leaves loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import network
from tests.support.databases import DatabaseUrls
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.smtp import Mailbox, running_smtp

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.chromium import Visit

pytest_plugins = ["tests.support.report"]
DATABASES = ("sqlite", "postgresql")
network.watch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests share one worker: two Chromiums at once on a small machine only slow each other down."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail the test that tried to reach another machine, also where it swallowed the refusal."""
    network.forget()
    yield
    tried = network.forget()
    if tried:
        pytest.fail("this test tried to leave the machine: " + "; ".join(tried))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the run (each xdist worker has its own)."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite`, then `postgresql`: a test that asks for databases runs on both."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_urls(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DatabaseUrls]:
    """Two empty databases of one kind, gone after the test."""
    if database_kind == "sqlite":
        yield DatabaseUrls(*(f"sqlite+aiosqlite:///{tmp_path / name}" for name in ("main.db", "keys.db")))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    names = [server.new_database(), server.new_database()]
    yield DatabaseUrls(*map(server.url, names))
    for name in names:
        server.drop_database(name)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server without TLS and its mails."""
    with running_smtp() as box:
        yield box


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A fresh Chromium."""
    from tests.support.chromium import running_chromium

    async with running_chromium() as running:
        yield running


@pytest.fixture
def open_visit(browser: Browser) -> Callable[..., Coroutine[Any, Any, Visit]]:
    """`await open_visit(width=360, locale="it-IT", javascript=False)`: one person's window, with its complaints."""
    from tests.support import chromium

    async def opened(**options: Any) -> Visit:
        return await chromium.open_visit(browser, **options)

    return opened
