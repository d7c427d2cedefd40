"""A small evidence log with a whole story in it, the bags made of it, and the hands that tamper with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.compliance import verifier
from app.compliance.bag import BagContents, OneRoom, WholeLog, write_bag
from app.compliance.bag_rows import OpenedText
from security.commitments import commit, opening
from security.encoding import canonical_json
from security.keys import DataKey
from security.merkle import leaf_hash, root_of
from security.notes import Checkpoint, SigningKey
from security.secret import Secret

ORIGIN = "riserbo.example/log"
LOG_KEY = SigningKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"log key of these tests, 32 bytes"))
EXPORT_KEY = SigningKey(f"{ORIGIN}/export", Ed25519PrivateKey.from_private_bytes(b"export key of these tests, 32 by"))
ATTACKER_KEY = SigningKey(f"{ORIGIN}/export", Ed25519PrivateKey.from_private_bytes(b"nobody believes in this key, 32b"))

CASE, ROOM, BINDING, ATTEMPT, EXPORT, LOG_EXPORT = (f"0198c0de-0000-7000-8000-{n:012d}" for n in range(1, 7))
AGENT, OFFICER, OTHER_ROOM = (f"0198c0de-0000-7000-8000-{n:012d}" for n in range(21, 24))
START = datetime(2026, 11, 21, 19, 0, 0, 123456, tzinfo=UTC)
NASTY = '=HYPERLINK("http://x")\n#1  2026-01-01T00:00:00Z  agent\n<script>alert(1)</script>\u202e\t\\ fine \U0001f9fe'


@dataclass
class SampleLog:
    """A log that grows leaf by leaf as the service's does, streams numbered and chained."""

    leaves: list[bytes] = field(default_factory=list)
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    texts: dict[tuple[str, str], OpenedText] = field(default_factory=dict)
    key: DataKey = field(
        default_factory=lambda: DataKey(UUID(int=7), Secret(bytes(range(32))), Secret(bytes(range(1, 33))))
    )

    def add(self, event: str, stream: str, actor: tuple[str, str] = ("system", "worker"), **data: Any) -> int:
        """Append one leaf and return its index."""
        n, prev = self.heads.get(stream, (0, bytes(32)))
        at = (START + timedelta(seconds=len(self.leaves))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        leaf = canonical_json(
            {
                "v": 1,
                "id": str(UUID(int=1000 + len(self.leaves))),
                "t": event,
                "at": at,
                "actor": {"k": actor[0], "id": actor[1]},
                "stream": stream,
                "n": n + 1,
                "prev": prev.hex(),
                "data": data,
            }
        )
        self.leaves.append(leaf)
        self.heads[stream] = (n + 1, leaf_hash(leaf))
        return len(self.leaves) - 1

    def write(self, event: str, stream: str, actor: tuple[str, str], identity: str, text: str, **data: Any) -> int:
        """Append a leaf that commits to a text, and remember what opens it."""
        secret = opening(self.key, identity)
        context = canonical_json({"stream": stream, "id": identity})
        value = commit(secret, context, text.encode())
        self.texts[stream, identity] = OpenedText(stream, identity, text, secret)
        sealed = {"ct": hashlib.sha256(text.encode()).hexdigest(), "key": str(self.key.id)}
        return self.add(event, stream, actor, id=identity, pt=value.hex(), **sealed, **data)

    @property
    def hashes(self) -> list[bytes]:
        return [leaf_hash(leaf) for leaf in self.leaves]

    def note(self, size: int | None = None, key: SigningKey = LOG_KEY) -> str:
        """The signed checkpoint at a size, by default now."""
        hashes = self.hashes[: len(self.leaves) if size is None else size]
        return key.sign(Checkpoint(ORIGIN, len(hashes), root_of(hashes)).text())

    def listed(self, streams: list[str]) -> list[list[Any]]:
        """The list of an `export.created` leaf."""
        return [[stream, self.heads[stream][0], self.heads[stream][1].hex()] for stream in sorted(streams)]


def story() -> SampleLog:
    """The story of Giulia, with a held message that is released, one that expires, another room, and two exports."""
    log = SampleLog()
    case, room, access = f"case:{CASE}", f"room:{ROOM}", f"room:{ROOM}:access"
    customer, agent, officer = ("customer", BINDING), ("agent", AGENT), ("agent", OFFICER)
    log.add("log.started", "log", origin=ORIGIN)
    log.add("case.opened", case, network="square")
    log.write("post.received", case, ("system", "worker"), "post-1", "Cara @bancaesempio, un bollo due volte?")
    log.add("case.claimed", case, agent, assignee=AGENT)
    log.write("note.added", case, agent, "note-1", "sembra un doppio addebito")
    log.write("reply.registered", case, agent, "reply-1", "Ciao Giulia, scrivici qui: … GB", verdict="allow")
    log.add("reply.posted", case, id="reply-1", external="99")
    log.add("attempt.started", f"attempt:{ATTEMPT}", ("visitor", ATTEMPT), case=CASE, kind="new")
    log.add("binding.created", f"binding:{BINDING}", ("visitor", ATTEMPT), level=2, attempt=ATTEMPT)
    log.add("room.opened", room, customer, binding=BINDING, case=CASE, key=str(log.key.id))
    _talk(log, room, access, customer, agent)
    log.add("room.opened", f"room:{OTHER_ROOM}", binding="x", case="y", key="z")
    log.add("log.heartbeat", "log", size=len(log.leaves))
    log.add("export.requested", f"export:{EXPORT}", officer, scope="room", of=ROOM)
    streams = [case, room, access, f"binding:{BINDING}", f"attempt:{ATTEMPT}"]
    log.add("export.created", f"export:{EXPORT}", scope="room", of=ROOM, streams=log.listed(streams))
    log.write(
        "message.sent", room, agent, "m-late", "dopo l'esportazione", number=5, sender="agent", **{"class": "case"}
    )
    log.add("export.requested", f"export:{LOG_EXPORT}", officer, scope="log", of="")
    log.add("export.created", f"export:{LOG_EXPORT}", officer, scope="log", of="", streams=log.listed(streams))
    log.add("log.heartbeat", "log", size=len(log.leaves))
    return log


def _talk(log: SampleLog, room: str, access: str, customer: tuple[str, str], agent: tuple[str, str]) -> None:
    said = {"class": "case", "sender": "customer"}
    answered = {"class": "account", "sender": "agent"}
    log.write("message.sent", room, customer, "m-1", "Buongiorno, è un errore?", number=1, **said)
    log.add("room.read", access, agent, to=1, purpose="case")
    log.write("message.held", room, agent, "m-2", "Il saldo è stato corretto.", needs=3, **answered)
    log.write("message.sent", room, customer, "m-3", NASTY, number=2, **said)
    log.write("message.held", room, agent, "m-4", "Non letto in tempo", needs=3, **answered)
    log.add("message.released", room, customer, id="m-2", number=3, level=3)
    log.add("message.expired", room, id="m-4")
    log.write("message.held", room, agent, "m-5", "Ancora trattenuto", needs=4, **answered)
    log.add("room.read", access, agent, to=3, purpose="case")


def room_contents(log: SampleLog, **changes: Any) -> BagContents:
    """What the service would hand over for the story's room."""
    texts = [text for text in log.texts.values() if text.id != "m-4"]
    texts.append(OpenedText(f"room:{ROOM}", "m-4", None, None))
    values: dict[str, Any] = {
        "scope": OneRoom(ROOM),
        "origin": ORIGIN,
        "export_id": EXPORT,
        "requester": OFFICER,
        "reason": "complaint-2026-17",
        "checkpoint": log.note(),
        "leaves": list(enumerate(log.leaves)),
        "leaf_hashes": log.hashes,
        "messages": [text for text in texts if text.stream.startswith("room:")],
        "thread": [text for text in texts if text.stream.startswith("case:")],
        "info": {"Source-Organization": "Banca Esempio"},
    }
    return BagContents(**{**values, **changes})


def log_contents(log: SampleLog, **changes: Any) -> BagContents:
    """What the service would hand over for the whole log."""
    values: dict[str, Any] = {"scope": WholeLog(), "export_id": LOG_EXPORT, "messages": (), "thread": ()}
    return room_contents(log, **{**values, **changes})


def trust_file(path: Path, newest: str | None = None, **changes: Any) -> Path:
    """A trust file that believes the keys of these tests."""
    document = {
        "version": 1,
        "origin": ORIGIN,
        "log_keys": [LOG_KEY.vkey()],
        "export_keys": [EXPORT_KEY.vkey()],
        "newest_checkpoint": newest,
    }
    path.write_text(json.dumps({**document, **changes}), "utf-8")
    return path


@dataclass(frozen=True)
class Bags:
    """One bag of each scope, written once, and the trust file to check them with."""

    log: SampleLog
    room: Path
    whole: Path
    trust: Path


def make_bags(folder: Path) -> Bags:
    """Write both bags of the story."""
    log = story()
    write_bag(folder / "room", room_contents(log), EXPORT_KEY)
    write_bag(folder / "whole", log_contents(log), EXPORT_KEY)
    return Bags(log, folder / "room", folder / "whole", trust_file(folder / "trust.json", log.note(12)))


def check(bag: Path, trust: Path) -> verifier.Verification:
    """Run the verifier in this process."""
    done = verifier.Verification(str(bag), verifier.load_trust(str(trust), str(bag)))
    done.run()
    return done


def reseal(bag: Path, key: SigningKey | None) -> None:
    """Recompute both manifests as somebody with write access would; sign them if the export key is theirs too."""
    payload = sorted(path for path in (bag / "data").iterdir())
    octets = sum(path.stat().st_size for path in payload)
    info = [line for line in (bag / "bag-info.txt").read_text().splitlines() if not line.startswith("Payload-Oxum")]
    (bag / "bag-info.txt").write_text("\n".join([*info, f"Payload-Oxum: {octets}.{len(payload)}"]) + "\n")
    _manifest(bag, "manifest-sha256.txt", [f"data/{path.name}" for path in payload])
    digest = _manifest(bag, verifier.TAGMANIFEST, list(verifier.TAGS))
    if key:
        (bag / verifier.SIGNATURE).write_text(key.sign(verifier.tagmanifest_text(ORIGIN, digest)), "utf-8")


def _manifest(bag: Path, manifest: str, names: list[str]) -> str:
    lines = [f"{hashlib.sha256((bag / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(names)]
    (bag / manifest).write_text("".join(lines))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def edit_lines(path: Path, change: Any) -> None:
    """Replace the lines of a file by what `change` makes of their list."""
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().split(b"\n")[:-1])))


def edit_rows(path: Path, change: Any) -> None:
    """As `edit_lines`, but over parsed rows."""
    edit_lines(path, lambda lines: [canonical_json(row) for row in change([json.loads(line) for line in lines])])
