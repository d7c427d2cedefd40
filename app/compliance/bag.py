"""Writes a compliance bag: BagIt (RFC 8493) around leaves, proofs and opened texts, signed by the export key.

Pure of database and clock: it is handed everything. The format is docs/formats/bag.md; the reader is verifier.py.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Final

from app.compliance import verifier
from app.compliance.bag_rows import OpenedText, message_rows, thread_rows
from security.encoding import canonical_json
from security.merkle import TreeHasher
from security.notes import Checkpoint, SigningKey

_DOS_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_README: Final = """\
This folder is evidence exported from Riserbo. Check it on any machine with Python 3.9 or later, without a network:

    python verify.py THIS_FOLDER --trust trust.json

trust.json is not in here on purpose: it holds the keys that you believe and the newest state of the log that you
have seen, and must have reached you another way. For the same reason do not run the verify.py of a folder that you
have cause to doubt: use the copy that you already have, or compare its SHA-256 with the published one.

data/leaves.jsonl       the log entries in scope, byte for byte
data/leaf-hashes.txt    the hash of every entry of the whole log, in order
data/checkpoint         the signed head of the log
data/scope.json         what was exported, for whom and why
data/messages.jsonl, data/thread.jsonl      one room only: the texts, with what opens their commitments
data/transcript.html, data/transcript.txt   the same texts for reading

A change, gap or addition anywhere makes the check fail. Handle as banking secrets.
"""


class BagIncomplete(Exception):
    """What was handed over does not make a bag; the message holds no personal data."""


@dataclass(frozen=True)
class WholeLog:
    """Every leaf, and no text."""


@dataclass(frozen=True)
class OneRoom:
    """The leaves that concern one room, and its texts."""

    id: str


@dataclass(frozen=True)
class BagContents:
    """Everything that goes into a bag.

    `leaves` are (index, exact bytes) by rising index: all of them, or at least those of the room's streams; the writer
    leaves out what came after the `export.created` leaf's list. `leaf_hashes` are those of the whole log, as many as
    the checkpoint's size. `requester` is the actor id of whoever asked, as in a leaf of the stream `export:<id>`.
    """

    scope: WholeLog | OneRoom
    origin: str
    export_id: str
    requester: str
    reason: str
    checkpoint: str
    leaves: Iterable[tuple[int, bytes]]
    leaf_hashes: Sequence[bytes]
    messages: Sequence[OpenedText] = ()
    thread: Sequence[OpenedText] = ()
    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tags:
    """What stands beside the payload of a bag: its name, the lines of `bag-info.txt`, what to do with it."""

    identifier: str
    readme: str
    info: Mapping[str, str] = field(default_factory=dict)


def write_bag(directory: Path, contents: BagContents, export_key: SigningKey) -> None:
    """Write the bag at `directory`, which must not exist; it appears whole or not at all.

    The same contents give the same bytes. Raises BagIncomplete; whether the log holds is the verifier's to say.
    """
    tags = Tags(contents.export_id, _README, contents.info)
    write_signed(directory, contents.origin, export_key, tags, lambda draft: _write_payload(draft, contents))


def write_signed(
    directory: Path, origin: str, export_key: SigningKey, tags: Tags, payload: Callable[[Path], None]
) -> None:
    """A bag around what `payload` writes below `data` of the folder that it gets, signed by the export key."""
    if directory.exists():
        raise BagIncomplete("there is something at the bag's place already")
    draft = Path(tempfile.mkdtemp(prefix=".bag-", dir=directory.parent))
    try:
        (draft / "data").mkdir()
        payload(draft)
        _write_tags(draft, tags)
        digest = _write_manifest(draft, verifier.TAGMANIFEST, verifier.TAGS)
        note = export_key.sign(verifier.tagmanifest_text(origin, digest))
        write_file(draft / verifier.SIGNATURE, note.encode())
        draft.rename(directory)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def pack(directory: Path, zip_path: Path) -> None:
    """Put the bag into an uncompressed zip; the same bag gives the same bytes, and the zip appears whole."""
    draft = zip_path.with_name(f".{zip_path.name}.part")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            for name in sorted(_names(directory)):
                entry = zipfile.ZipInfo(f"{directory.name}/{name}", _DOS_EPOCH)
                entry.create_system, entry.external_attr = 3, 0o100600 << 16
                entry.file_size = (directory / name).stat().st_size
                with (directory / name).open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target)
        draft.replace(zip_path)
    finally:
        draft.unlink(missing_ok=True)


def _write_payload(draft: Path, contents: BagContents) -> None:
    size = Checkpoint.parse(contents.checkpoint.partition("\n\n")[0] + "\n").size
    if len(contents.leaf_hashes) != size:
        raise BagIncomplete("there are not as many hashes as the checkpoint has leaves")
    write_file(draft / "data/checkpoint", contents.checkpoint.encode())
    write_lines(draft / "data/leaf-hashes.txt", (value.hex().encode() for value in contents.leaf_hashes))
    if isinstance(contents.scope, OneRoom):
        _write_room(draft, contents, contents.scope)
    else:
        _write_log(draft, contents, size)


def _write_log(draft: Path, contents: BagContents, size: int) -> None:
    export: list[verifier.Leaf] = []
    marker, stream = b'"export.created"', f"export:{contents.export_id}"

    def lines() -> Iterable[bytes]:
        for expected, (index, raw) in enumerate(contents.leaves):
            if index != expected or b"\n" in raw:
                raise BagIncomplete(f"leaf {expected} is not there, or has a line feed")
            if marker in raw and (leaf := verifier.parse_leaf(index, raw)).stream == stream:
                export.append(leaf)
            yield raw

    written = write_lines(draft / "data/leaves.jsonl", lines())
    if written != size:
        raise BagIncomplete(f"there are {written} leaves, and the checkpoint has {size}")
    _write_scope(draft, contents, _only(export), {"leaves": size})


def _write_room(draft: Path, contents: BagContents, room: OneRoom) -> None:
    given = {index: raw for index, raw in contents.leaves if index < len(contents.leaf_hashes)}
    leaves = [verifier.parse_leaf(index, raw) for index, raw in sorted(given.items())]
    own = f"export:{contents.export_id}"
    export = _only([leaf for leaf in leaves if leaf.stream == own and leaf.body["t"] == "export.created"])
    last = {stream: n for stream, n, _ in export.data["streams"]} | {own: export.body["n"]}
    leaves = [leaf for leaf in leaves if leaf.body["n"] <= last.get(leaf.stream, 0)]
    tree = TreeHasher(contents.leaf_hashes)
    write_lines(draft / "data/leaves.jsonl", (_proved(tree, leaf, given[leaf.at]) for leaf in leaves))
    messages = message_rows(f"room:{room.id}", contents.messages, leaves)
    thread = thread_rows(contents.thread, leaves)
    counts = {"leaves": len(leaves), "messages": len(messages), "thread": len(thread)}
    scope = _write_scope(draft, contents, export, counts)
    write_lines(draft / "data/messages.jsonl", map(canonical_json, messages))
    write_lines(draft / "data/thread.jsonl", map(canonical_json, thread))
    write_file(draft / "data/transcript.txt", verifier.render_text(scope, thread, messages).encode())
    write_file(draft / "data/transcript.html", verifier.render_html(scope, thread, messages).encode())


def _proved(tree: TreeHasher, leaf: verifier.Leaf, raw: bytes) -> bytes:
    return proved_leaf(leaf.at, raw, tree.inclusion(leaf.at, tree.size))


def proved_leaf(index: int, raw: bytes, path: Sequence[bytes]) -> bytes:
    """A line of `leaves.jsonl` where each leaf stands with its own audit path."""
    proof = [value.hex() for value in path]
    return canonical_json({"index": index, "leaf": base64.b64encode(raw).decode(), "proof": proof})


def _only(found: Sequence[verifier.Leaf]) -> verifier.Leaf:
    if len(found) != 1:
        raise BagIncomplete(f"there are {len(found)} leaves of this export's creation, and must be one")
    return found[0]


def _write_scope(
    draft: Path, contents: BagContents, export: verifier.Leaf, counts: Mapping[str, int]
) -> dict[str, Any]:
    room = contents.scope.id if isinstance(contents.scope, OneRoom) else None
    scope = {
        "version": 1,
        "scope": "log" if room is None else "room",
        "room": room,
        "export": contents.export_id,
        "leaf_index": export.at,
        "reason": contents.reason,
        "requester": contents.requester,
        "counts": dict(counts),
        "streams": export.data["streams"],
    }
    write_file(draft / "data/scope.json", canonical_json(scope) + b"\n")
    return scope


def _write_tags(draft: Path, tags: Tags) -> None:
    payload = sorted(name for name in _names(draft) if name.startswith("data/"))
    octets = sum((draft / name).stat().st_size for name in payload)
    info = {**tags.info, "External-Identifier": tags.identifier, "Payload-Oxum": f"{octets}.{len(payload)}"}
    for label, value in info.items():
        # A line feed in a value would be a further label of the attacker's choice.
        if not label.replace("-", "").isalnum() or not value.isprintable():
            raise BagIncomplete(f"a line of bag-info.txt cannot be written: {label!r}")
    write_file(draft / "bagit.txt", verifier.BAGIT)
    write_lines(draft / "bag-info.txt", (f"{label}: {info[label]}".encode() for label in sorted(info)))
    write_file(draft / "README.txt", tags.readme.encode())
    write_file(draft / "verify.py", Path(verifier.__file__).read_bytes())
    _write_manifest(draft, "manifest-sha256.txt", payload)


def _write_manifest(draft: Path, manifest: str, names: Iterable[str]) -> str:
    lines = []
    for name in sorted(names):
        with (draft / name).open("rb") as file:
            lines.append(f"{file_digest(file, 'sha256').hexdigest()}  {name}")
    text = "".join(f"{line}\n" for line in lines).encode()
    write_file(draft / manifest, text)
    return sha256(text).hexdigest()


def _names(directory: Path) -> list[str]:
    return [str(path.relative_to(directory).as_posix()) for path in directory.rglob("*") if path.is_file()]


def write_file(path: Path, content: bytes) -> None:
    """One file, whole."""
    path.write_bytes(content)


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Each line with its end; returns how many."""
    written = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            written += 1
    return written
