"""The servers' processes: which program, on which ground, and one snac2 with its folder and its accounts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

# snac's mentions know no port: each server needs an address of its own at the port that no address names.
PORT: Final = 80
BANKS_ADDRESS: Final = "127.0.0.2"
CUSTOMERS_ADDRESS: Final = "127.0.0.3"
ADDRESSES: Final = (BANKS_ADDRESS, CUSTOMERS_ADDRESS)
STARTING: Final = 10.0
SETTLING: Final = 30.0
BETWEEN_LOOKS: Final = 0.05
PASSWORD: Final = re.compile(r"password is (\S+)")
SETTINGS: Final = {
    "protocol": "http",
    "disable_sandbox": True,
    "num_threads": 4,
    "badlogin_retries": 1000,
    "queue_retry_minutes": 1,
}


class NoSnac(Exception):
    """Real social servers cannot run here; the message says why and what would help."""


def find_program(named: Path | None = None) -> Path:
    """The snac2 program: the one that is named, or the one on PATH. Raises `NoSnac`."""
    found = shutil.which(str(named) if named else "snac")
    if found is None:
        where = f"at {named}" if named else "on PATH"
        raise NoSnac(f"there is no snac {where}; install Debian's snac2 (trixie or bookworm-backports) or name it")
    return Path(found)


def require_ground() -> None:
    """Raise `NoSnac` unless port 80 of both addresses is free and may be bound."""
    for address in ADDRESSES:
        try:
            with socket.create_server((address, PORT)):
                pass
        except OSError as fault:
            why = (fault.strerror or "no").lower()
            raise NoSnac(f"two snac servers need port {PORT} of {' and '.join(ADDRESSES)}: {address}: {why}") from fault


@dataclass
class SnacServer:
    """One snac2 with its data in `folder`; `environment` is the process's whole one, None for ours."""

    program: Path
    address: str
    folder: Path
    environment: Mapping[str, str] | None = None
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """`http://127.0.0.2`."""
        return f"http://{self.address}"

    def prepare(self, people: Sequence[str]) -> None:
        """Make the folder and these accounts; names are letters, digits and underscores."""
        self._run("init", str(self.folder), answers=f"{self.address}\n{PORT}\n{self.address}\n\n\n")
        settings = self.folder / "server.json"
        settings.write_text(json.dumps(json.loads(settings.read_text("utf-8")) | SETTINGS), "utf-8")
        for name in people:
            self.add_account(name)

    def add_account(self, name: str) -> str:
        """Make an account, also while the server runs; gives its password."""
        said = PASSWORD.search(self._run("adduser", str(self.folder), name))
        if said is None:
            raise NoSnac(f"snac made no account for {name}")
        self.passwords[name] = said.group(1)
        return said.group(1)

    def start(self) -> None:
        """Run it and wait until it answers. Raises `NoSnac`: snac ends with 0 also when it cannot bind."""
        with (self.folder / "snac.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (a program that whoever runs the demo names)
                [self.program, "httpd", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        end = time.monotonic() + STARTING
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(BETWEEN_LOOKS)
        self.kill()
        raise NoSnac(f"snac did not come up at {self.url}; its log is {self.folder / 'snac.log'}")

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            answer = httpx2.get(f"{self.url}/api/v1/instance", trust_env=False, timeout=2.0)
        except httpx2.TransportError:
            return False
        return answer.status_code == 200

    def _run(self, *arguments: str, answers: str = "") -> str:
        done = subprocess.run(  # noqa: S603 (as above)
            [self.program, *arguments],
            input=answers,
            capture_output=True,
            text=True,
            timeout=SETTLING,
            check=False,
            env=self.environment,
        )
        if done.returncode != 0:
            raise NoSnac(f"snac {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        return done.stdout


@dataclass(frozen=True)
class SnacPair:
    """The bank's server and its customers', which know each other by federation only."""

    bank: SnacServer
    customers: SnacServer

    @property
    def http_hosts(self) -> dict[str, tuple[str, int]]:
        """What the outbound client must be told to reach them: they are not public addresses."""
        return {address: (address, PORT) for address in ADDRESSES}


@contextmanager
def snac_pair(
    program: Path,
    folder: Path,
    banks_people: Sequence[str],
    customers: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> Iterator[SnacPair]:
    """Two running servers with these accounts, gone at the end. Raises `NoSnac`."""
    require_ground()
    folder.mkdir(exist_ok=True)
    pair = SnacPair(
        SnacServer(program, BANKS_ADDRESS, folder / "banks", environment),
        SnacServer(program, CUSTOMERS_ADDRESS, folder / "customers", environment),
    )
    with ExitStack() as running:
        for server, people in ((pair.bank, banks_people), (pair.customers, customers)):
            server.prepare(people)
            running.callback(server.kill)  # all of it is thrown away, and a peaceful end takes seconds
            server.start()
        yield pair
