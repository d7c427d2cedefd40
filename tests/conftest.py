"""Fixtures that every test may use: databases, houses, browser, mail, and the rule that nothing leaves loopback."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import settings

from tests.support import network
from tests.support.databases import DatabaseUrls, make_tables
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.smtp import Mailbox, running_smtp

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.chromium import Visit
    from tests.support.house import House
    from tests.support.openid import OpenIdTown
    from tests.support.warm_serving import Mother

pytest_plugins = ["tests.support.report", "tests.support.sharing"]
DATABASES = ("sqlite", "postgresql")
network.watch()
# a slow moment of a loaded machine is no failure: what must be fast is measured elsewhere
settings.register_profile("riserbo", settings(deadline=None))
settings.load_profile("riserbo")


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail the test that tried to reach another machine, also where it swallowed the refusal."""
    network.forget()
    yield
    tried = network.forget()
    if tried:
        pytest.fail("this test tried to leave the machine: " + "; ".join(tried))


@pytest.fixture(autouse=True)
def logging_stays_here() -> Iterator[None]:
    """A test that sets up the process's logging leaves none of it, nor a closed stream, to the next."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**configuration)
    root.handlers[:] = handlers
    root.setLevel(level)


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


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two database files with every table, to copy."""
    folder = tmp_path_factory.mktemp("tables")
    paths = folder / "main.db", folder / "keys.db"
    make_tables(DatabaseUrls(*(f"sqlite+aiosqlite:///{path}" for path in paths)))
    return paths


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: PostgresServer) -> tuple[str, str]:
    """The same as names of databases."""
    names = postgres_server.new_database(), postgres_server.new_database()
    make_tables(DatabaseUrls(*map(postgres_server.url, names)))
    return names


@pytest.fixture
def schema_urls(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DatabaseUrls]:
    """Two databases of one kind with every table and trigger and no row, gone after the test."""
    if database_kind == "sqlite":
        prepared: tuple[Path, Path] = request.getfixturevalue("sqlite_with_tables")
        copies = [shutil.copyfile(path, tmp_path / path.name) for path in prepared]
        yield DatabaseUrls(*(f"sqlite+aiosqlite:///{copy}" for copy in copies))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    templates: tuple[str, str] = request.getfixturevalue("postgres_with_tables")
    names = [server.new_database(template) for template in templates]
    yield DatabaseUrls(*map(server.url, names))
    for name in names:
        server.drop_database(name)


@pytest.fixture
async def house(
    database_kind: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[House]:
    """Services, staff and an empty desk: a whole house a test."""
    from tests.support.house import blueprint, open_house

    server: PostgresServer | None = None
    if database_kind == "postgresql":
        server = request.getfixturevalue("postgres_server")
    plan = await blueprint(database_kind, tmp_path_factory.mktemp("blueprint"), server)
    async with open_house(plan, tmp_path, server) as opened:
        yield opened


@pytest.fixture(scope="session")
def mother() -> Iterator[Mother]:
    """Forks servers that have their imports already."""
    from tests.support.warm_serving import Mother

    running = Mother()
    yield running
    running.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server without TLS and its mails."""
    with running_smtp() as box:
        yield box


@pytest.fixture(scope="session")
def openid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdTown]:
    """Real OpenID Providers, for the run."""
    from tests.support.openid import running_providers

    with running_providers(tmp_path_factory.mktemp("openid")) as town:
        yield town


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
