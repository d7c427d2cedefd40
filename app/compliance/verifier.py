"""Check a compliance bag offline, with nothing but this file, Python 3.9 or later and a trust file.

Usage: python verify.py BAG --trust trust.json [--json] [--update-trust]
Exit status: 0 all holds, 1 the evidence does not, 2 wrong use. The formats are described in docs/formats.
One file and the standard library only, on purpose: it is copied into every bag, and an auditor can read it whole.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import html
import io
import itertools
import json
import os
import re
import stat
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

MAX_FILES = 64
MAX_TOTAL = 16 << 30
MAX_RATIO = 200
MAX_SMALL = 1 << 20  # one line, or one file that is read whole
MAX_SHOWN = 50
ZERO = "0" * 64

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
TAGS = ("README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "verify.py")
TAGMANIFEST = "tagmanifest-sha256.txt"
SIGNATURE = TAGMANIFEST + ".sig"
LOG_FILES = ("data/checkpoint", "data/leaf-hashes.txt", "data/leaves.jsonl", "data/scope.json")
TRANSCRIPTS = ("data/transcript.html", "data/transcript.txt")
ROOM_FILES = ("data/messages.jsonl", "data/thread.jsonl", *TRANSCRIPTS)
RECEIPT_FILES = ("data/checkpoint", "data/leaves.jsonl", "data/messages.jsonl", "data/scope.json", *TRANSCRIPTS)
OPENINGS = frozenset({"room.opened", "room.reopened"})
KINDS = {"post.received": "public post", "reply.registered": "public reply", "note.added": "internal note"}
SEEN = frozenset({"message.sent", "message.held", "message.released"})
ENDINGS = frozenset({"message.expired", "message.erased", "content.erased"})


class EvidenceFails(Exception):
    """The bag does not prove what it says; `index` is the leaf at fault, where one can be named."""

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.index = index


class WrongUse(Exception):
    """The verifier was called with something it cannot work with."""


# --- Ed25519 (RFC 8032, section 5.1), verification only: no secret is handled, so constant time is not needed ---

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def point_add(a: Point, b: Point) -> Point:
    """Sum in extended coordinates (RFC 8032, section 5.1.4)."""
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_multiply(scalar: int, point: Point) -> Point:
    """`scalar` times `point`."""
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = point_add(total, point)
        point = point_add(point, point)
        scalar >>= 1
    return total


def point_encode(point: Point) -> bytes:
    """The 32 bytes of a point (RFC 8032, section 5.1.2)."""
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def point_decode(encoded: bytes) -> Point:
    """Decode a point; refuses other lengths, non-canonical forms, points off the curve and of small order."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if len(encoded) != 32 or y >= P:
        raise EvidenceFails("a curve point is not in canonical form")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        raise EvidenceFails("a curve point is not on the curve")
    if x & 1 != sign:
        x = P - x
    point = (x, y, 1, x * y % P)
    if point_encode(point_multiply(8, point)) == point_encode(IDENTITY):
        raise EvidenceFails("a curve point has small order")
    return point


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def check_ed25519(public: bytes, signature: bytes, message: bytes) -> None:
    """Raise EvidenceFails unless the key made `signature` over `message`; a signature has one valid form only."""
    if len(signature) != 64:
        raise EvidenceFails("a signature has the wrong length")
    key, nonce = point_decode(public), signature[:32]
    point_decode(nonce)
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        raise EvidenceFails("a signature is not in canonical form")
    k = int.from_bytes(hashlib.sha512(nonce + public + message).digest(), "little") % L
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    if point_encode(point_add(point_multiply(s, BASE), point_multiply(k, minus_key))) != nonce:
        raise EvidenceFails("a signature does not match")


# --- Merkle tree (RFC 6962, section 2.1) ---


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree that remembers only its complete subtrees, largest first."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def append(self, value: bytes) -> None:
        """Add the hash of the next leaf."""
        size = self.size
        while size & 1:
            value, size = node_hash(self.peaks.pop(), value), size >> 1
        self.peaks.append(value)
        self.size += 1

    def root(self) -> bytes:
        """The root at the present size."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def check_proof(value: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise EvidenceFails unless the audit path leads from leaf hash to root (RFC 9162, section 2.1.3.2)."""
    node, last = index, size - 1
    if not 0 <= index < size:
        raise EvidenceFails(f"leaf {index} is outside the signed log", index)
    for sibling in proof:
        if last == 0:
            raise EvidenceFails(f"the proof of leaf {index} is too long", index)
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if last or value != root:
        raise EvidenceFails(f"the proof of leaf {index} does not lead to the signed root", index)


# --- Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) ---


def unbase64(text: str) -> bytes:
    """Strict base64: the one canonical spelling of the bytes, nothing else."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise EvidenceFails("broken base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise EvidenceFails("base64 that is not canonical")
    return raw


def unhex(text: Any) -> bytes:
    """32 bytes from 64 lower-case hexadecimal digits."""
    if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{64}", text, re.ASCII):
        raise EvidenceFails("a hash is not 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


class Key(NamedTuple):
    """A verifying key: its name, its four-byte hint and the 32 bytes themselves."""

    name: str
    hint: bytes
    public: bytes


def parse_vkey(text: Any) -> Key:
    """Read `name+hint+base64`; raises EvidenceFails where hint, kind or point is wrong."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", text) if isinstance(text, str) else None
    if match is None:
        raise EvidenceFails("a key is not written as name+hint+base64")
    name, material = match.group(1), unbase64(match.group(3))
    hint = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    if len(material) != 33 or material[0] != 1 or hint.hex() != match.group(2):
        raise EvidenceFails("a key is not Ed25519, or its hint is wrong")
    point_decode(material[1:])
    return Key(name, hint, material[1:])


class Note(NamedTuple):
    """A note split into its text and its (name, hint, signature) lines."""

    text: str
    signatures: list[tuple[str, bytes, bytes]]


def parse_note(raw: bytes) -> Note:
    """Split a signed note without believing it yet."""
    note = raw.decode("utf-8")
    if any(ord(c) < 32 and c != "\n" for c in note) or not note.endswith("\n") or "\n\n" not in note:
        raise EvidenceFails("not a signed note")
    text, _, tail = note.rpartition("\n\n")
    signatures: list[tuple[str, bytes, bytes]] = []
    for line in tail[:-1].split("\n"):
        match = re.fullmatch(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)", line)
        material = unbase64(match.group(2)) if match else b""
        if match is None or len(material) < 5 or len(signatures) >= 100:
            raise EvidenceFails("a signature line of a note cannot be read")
        signatures.append((match.group(1), material[:4], material[4:]))
    return Note(text + "\n", signatures)


def open_note(raw: bytes, keys: Sequence[Key]) -> str:
    """The text of a note that a known key signed; lines of unknown keys (witnesses) prove nothing and are skipped."""
    note, proved = parse_note(raw), False
    for name, hint, signature in note.signatures:
        for key in keys:
            if (key.name, key.hint) == (name, hint):
                check_ed25519(key.public, signature, note.text.encode("utf-8"))
                proved = True
    if not proved:
        raise EvidenceFails("no key of the trust file has signed it")
    return note.text


class Checkpoint(NamedTuple):
    """A signed head of the log."""

    size: int
    root: bytes


def open_checkpoint(raw: bytes, origin: str, keys: Sequence[Key]) -> Checkpoint:
    """Read a checkpoint of the log `origin` signed by one of `keys`."""
    lines = open_note(raw, keys).split("\n")
    if len(lines) != 4 or lines[0] != origin:
        raise EvidenceFails("the checkpoint is not one of the log that the trust file names")
    if not re.fullmatch("0|[1-9][0-9]{0,17}", lines[1], re.ASCII) or len(unbase64(lines[2])) != 32:
        raise EvidenceFails("the checkpoint has no proper size and root")
    return Checkpoint(int(lines[1]), unbase64(lines[2]))


# --- Trust file ---


def parse_json(raw: bytes) -> Any:
    """JSON without duplicate names, floats or NaN: two readers must never see two different things."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise EvidenceFails("a name is given twice in one JSON object")
        return found

    def refused(_number: str) -> NoReturn:
        raise EvidenceFails("a number that is not an integer")

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=refused, parse_float=refused)
    except (ValueError, RecursionError):
        raise EvidenceFails("broken JSON") from None


def parse_object(raw: bytes, shape: dict[str, type], optional: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON object with exactly the named members of the named types; `optional` ones may be null."""
    found = parse_json(raw)
    if not isinstance(found, dict) or set(found) != set(shape):
        raise EvidenceFails("a JSON object has not exactly the members " + ", ".join(sorted(shape)))
    for name, kind in shape.items():
        if type(found[name]) is not kind and not (found[name] is None and name in optional):
            raise EvidenceFails(f"{name} is not of the type {kind.__name__}")
    return found


class Trust(NamedTuple):
    """What its holder believes: the log's name, its keys, the export keys, and the newest head ever seen."""

    origin: str
    log_keys: list[Key]
    export_keys: list[Key]
    newest: Checkpoint | None
    document: dict[str, Any]


def parse_trust(raw: bytes) -> Trust:
    """Read a trust file; its own newest checkpoint must be signed too."""
    shape = {"version": int, "origin": str, "log_keys": list, "export_keys": list, "newest_checkpoint": str}
    document = parse_object(raw, shape, optional=["newest_checkpoint"])
    log_keys = [parse_vkey(text) for text in document["log_keys"]]
    export_keys = [parse_vkey(text) for text in document["export_keys"]]
    if document["version"] != 1 or not document["origin"] or not log_keys or not export_keys:
        raise EvidenceFails("it needs version 1, an origin, log keys and export keys")
    if {key.public for key in log_keys} & {key.public for key in export_keys}:
        raise EvidenceFails("a key serves both the log and exports")
    note = document["newest_checkpoint"]
    newest = open_checkpoint(note.encode("utf-8"), document["origin"], log_keys) if note is not None else None
    return Trust(document["origin"], log_keys, export_keys, newest, document)


def load_trust(path: str, bag: str) -> Trust:
    """Read the trust file at `path`; refuses one that came with the bag, because that would prove only itself."""
    if Path(bag).resolve() in Path(path).resolve().parents:
        raise WrongUse("the trust file lies inside the bag: it must come from somewhere else")
    try:
        with Path(path).open("rb") as stream:
            return parse_trust(stream.read(MAX_SMALL))
    except OSError as error:
        raise WrongUse(f"the trust file cannot be read: {error.strerror}") from None
    except (EvidenceFails, ValueError) as error:
        raise WrongUse(f"the trust file is not usable: {error}") from None


def save_newest(path: str, trust: Trust, note: bytes) -> None:
    """Put a newer checkpoint in the trust file, all or nothing."""
    document = dict(trust.document, newest_checkpoint=note.decode("utf-8"))
    descriptor, temporary = tempfile.mkstemp(dir=Path(path).resolve().parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, indent=2) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    Path(temporary).replace(Path(path).resolve())


# --- Files of the bag: a folder or a zip, neither of which is ever unpacked ---


class Files:
    """The regular files of a bag by their path inside it."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def open(self, name: str) -> IO[bytes]:
        """A stream over one file."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """A small file, whole."""
        if name not in self.sizes:
            raise EvidenceFails(f"{name} is missing")
        with self.open(name) as stream:
            raw = stream.read(MAX_SMALL + 1)
        if len(raw) > MAX_SMALL:
            raise EvidenceFails(f"{name} is too large")
        return raw

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file without their ends; each must end in one line feed."""
        if name not in self.sizes:
            raise EvidenceFails(f"{name} is missing")
        with self.open(name) as stream:
            for number in itertools.count(1):
                line = stream.readline(MAX_SMALL + 1)
                if not line:
                    return
                if line[-1:] != b"\n" or len(line) > MAX_SMALL:
                    raise EvidenceFails(f"line {number} of {name} has no end")
                yield line[:-1]

    def digest(self, name: str) -> str:
        """SHA-256 of one file."""
        total = hashlib.sha256()
        with self.open(name) as stream:
            for block in iter(lambda: stream.read(1 << 16), b""):
                total.update(block)
        return total.hexdigest()

    def close(self) -> None:
        """Let go of what is open."""

    def check_limits(self) -> None:
        """Refuse what could only be meant to exhaust the reader."""
        if len(self.sizes) > MAX_FILES or sum(self.sizes.values()) > MAX_TOTAL:
            raise EvidenceFails("the bag has too many files or too many bytes")


class Folder(Files):
    """A bag as a folder."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        for prefix in ("", "data/"):
            self.scan(prefix)
        self.check_limits()

    def scan(self, prefix: str) -> None:
        """Note the regular files of one folder; nothing but them and `data` may be there."""
        folder = self.path / prefix
        if prefix and not folder.is_dir():
            return
        for path in itertools.islice(folder.iterdir(), MAX_FILES + 2):
            name, found = prefix + path.name, path.lstat()
            if stat.S_ISREG(found.st_mode):
                self.sizes[name] = found.st_size
            elif name != "data" or not stat.S_ISDIR(found.st_mode):
                raise EvidenceFails(f"{name} is neither a file nor the data folder")

    def open(self, name: str) -> IO[bytes]:
        """Open without following a link that took the file's place meanwhile."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.path / name, flags), "rb")


class Zip(Files):
    """A bag as a zip, with or without one top folder (RFC 8493, section 4)."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.archive = zipfile.ZipFile(path)
        infos = self.archive.infolist()
        if len(infos) > MAX_FILES or sum(info.compress_size for info in infos) > Path(path).stat().st_size:
            raise EvidenceFails("the zip has too many entries, or entries that share their bytes")
        names = [self.entry_name(info) for info in infos]
        tops = [name[: -len("bagit.txt")] for name in names if name.split("/")[-1] == "bagit.txt"]
        self.top = tops[0] if len(tops) == 1 and tops[0].count("/") <= 1 else ""
        for info in infos:
            self.note(info, info.filename)
        self.check_limits()

    @staticmethod
    def entry_name(info: zipfile.ZipInfo) -> str:
        """The name of an entry, refused where unpacking it could reach outside or it is not a plain file."""
        name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
        parts = (name.removesuffix("/")).split("/")
        if info.orig_filename != name or re.search(r"[\\:\x00-\x1f]", name) or {"", ".", ".."} & set(parts):
            raise EvidenceFails("the zip has an entry with an unsafe name")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & 1:
            raise EvidenceFails("the zip has an entry that is a link, a device or encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise EvidenceFails("the zip has an entry in an unknown compression")
        if info.file_size > MAX_SMALL and info.file_size > MAX_RATIO * info.compress_size:
            raise EvidenceFails("the zip has an entry that grows beyond all measure")
        return name

    def note(self, info: zipfile.ZipInfo, name: str) -> None:
        """Add one entry under its name in the bag."""
        if not name.startswith(self.top):
            raise EvidenceFails("the zip has entries beside the bag")
        if name.endswith("/"):
            return
        if name[len(self.top) :] in self.sizes:
            raise EvidenceFails("the zip has two entries of one name")
        self.sizes[name[len(self.top) :]] = info.file_size

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()

    def open(self, name: str) -> IO[bytes]:
        """A stream over one entry; zipfile checks its CRC and its local name."""
        return io.BufferedReader(self.archive.open(self.top + name))  # type: ignore[type-var]


def open_files(path: str) -> Files:
    """The files of the bag at `path`."""
    if Path(path).is_dir():
        return Folder(path)
    return Zip(path)


# --- Leaves ---


class Leaf(NamedTuple):
    """One audit entry: where it stands in the log, what it says, and its hash."""

    at: int
    hash: bytes
    body: dict[str, Any]

    @property
    def stream(self) -> str:
        """The stream it belongs to."""
        return str(self.body["stream"])

    @property
    def data(self) -> dict[str, Any]:
        """What happened, in ids, codes and hashes."""
        data: dict[str, Any] = self.body["data"]
        return data


LEAF: dict[str, type] = {
    "v": int,
    "id": str,
    "t": str,
    "at": str,
    "actor": dict,
    "stream": str,
    "n": int,
    "prev": str,
    "data": dict,
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def parse_leaf(index: int, raw: bytes) -> Leaf:
    """Read the bytes of one leaf."""
    try:
        body = parse_object(raw, LEAF)
        unhex(body["prev"])
        actor = body["actor"]
        if body["v"] != 1 or not INSTANT.fullmatch(body["at"]) or not isinstance(actor.get("k"), str):
            raise EvidenceFails("version, time or actor is not as it must be")
    except (EvidenceFails, ValueError) as error:
        raise EvidenceFails(f"leaf {index} cannot be read: {error}", index) from None
    return Leaf(index, leaf_hash(raw), body)


def parse_room_leaf(line: bytes) -> tuple[Leaf, list[bytes]]:
    """One line of a room's leaves.jsonl: the leaf and its audit path."""
    row = parse_object(line, {"index": int, "leaf": str, "proof": list})
    try:
        return parse_leaf(row["index"], unbase64(row["leaf"])), [unhex(item) for item in row["proof"]]
    except EvidenceFails as error:
        raise EvidenceFails(str(error), row["index"]) from None


class Chains:
    """Follows `n` and `prev` of every stream; a hole, a repeat or a foreign predecessor is a break."""

    def __init__(self) -> None:
        self.heads: dict[str, Leaf] = {}
        self.breaks: list[tuple[int, int, str]] = []
        self.missing: list[str] = []

    def follow(self, leaf: Leaf) -> None:
        """Take the next leaf of its stream."""
        head, n, prev = self.heads.get(leaf.stream), leaf.body["n"], leaf.body["prev"]
        expected = (head.body["n"] + 1, head.hash.hex()) if head else (1, ZERO)
        if len(self.breaks) < MAX_SHOWN and n != expected[0]:
            text = f"leaf {leaf.at} has number {n} in stream {leaf.stream}, {expected[0]} was due"
            self.breaks.append((leaf.at, leaf.at, text))
            self.missing.append(prev)
        elif len(self.breaks) < MAX_SHOWN and prev != expected[1]:
            text = f"leaf {leaf.at} does not follow its predecessor in stream {leaf.stream}"
            self.breaks.append((head.at if head else leaf.at, leaf.at, text))
        self.heads[leaf.stream] = leaf

    def first_suspect(self) -> int | None:
        """The leaf most likely changed: the one its successor denies, unless that successor is denied itself."""
        denied = {older for older, newer, _ in self.breaks if older != newer}
        suspects = [newer if newer in denied else older for older, newer, _ in self.breaks]
        return min(suspects) if suspects else None


class HashList:
    """Leaf hashes on their way to the signed root, past the size of the newest head that the trust file remembers."""

    def __init__(self, newest: Checkpoint | None) -> None:
        self.tree, self.newest = Tree(), newest
        self.newest_root = self.tree.root() if newest and newest.size == 0 else None

    def append(self, value: bytes) -> None:
        """Take the next hash."""
        self.tree.append(value)
        if self.newest and self.tree.size == self.newest.size:
            self.newest_root = self.tree.root()

    def fork(self) -> HashList:
        """A second list that begins like this one."""
        other = HashList(self.newest)
        other.tree, other.newest_root = Tree(self.tree.size, self.tree.peaks), self.newest_root
        return other

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether all hashes so far are exactly the signed log."""
        return (self.tree.size, self.tree.root()) == checkpoint


# --- Texts ---

ROW: dict[str, type] = {
    "id": str,
    "stream": str,
    "sent_at": str,
    "sender": str,
    "sender_id": str,
    "text": str,
    "opening": str,
}
MESSAGE: dict[str, type] = {**ROW, "n": int, "data_class": str, "context": str}
OWN: dict[str, type] = {**ROW, "n": int, "context": str}
PUBLIC: dict[str, type] = {**ROW, "t": str, "context": str}


def join(*parts: bytes) -> bytes:
    """Each part after its length in eight bytes, so that no two lists give the same bytes."""
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def text_context(stream: str, identity: str) -> str:
    """What a commitment names besides the text: the place where it was written."""
    return json.dumps({"id": identity, "stream": stream}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def commitment(opening: bytes, context: str, text: str) -> str:
    """The commitment that a leaf carries as `pt`."""
    body = b"riserbo/v1/commit\x00" + join(context.encode("utf-8"), text.encode("utf-8"))
    return hmac.new(opening, body, hashlib.sha256).hexdigest()


def is_text(leaf: Leaf) -> bool:
    """Whether a leaf commits to a text that a room's bag must show."""
    if not isinstance(leaf.data.get("pt"), str):
        return False
    if leaf.stream.startswith("room:"):
        return bool(leaf.body["t"].startswith("message."))
    return leaf.stream.startswith("case:") and leaf.body["t"] in ("post.received", "reply.registered")


def sender_of(leaf: Leaf) -> tuple[str, str]:
    """Kind and id of who wrote the text."""
    actor = leaf.body["actor"]
    return str(leaf.data.get("sender", actor["k"])), str(actor.get("id", ""))


def check_row(row: dict[str, Any], about: Sequence[Leaf]) -> None:
    """One disclosed text against the leaves about it; raises EvidenceFails."""
    named = f"{row['id']} in {row['stream']}"
    commits = [leaf for leaf in about if isinstance(leaf.data.get("pt"), str)]
    if not commits:
        raise EvidenceFails("no leaf commits to text " + named)
    first = commits[-1]
    if row["context"] != text_context(row["stream"], row["id"]):
        raise EvidenceFails(f"the context of text {named} is not its own", first.at)
    if (row["text"] is None) != (row["opening"] is None):
        raise EvidenceFails(f"text {named} has only one of text and opening", first.at)
    if row["text"] is None and not any(leaf.body["t"] in ENDINGS for leaf in about):
        raise EvidenceFails(f"text {named} is withheld, and no leaf says that it ended", first.at)
    if row["text"] is not None:
        value = commitment(unhex(row["opening"]), row["context"], row["text"])
        if any(leaf.data["pt"] != value for leaf in commits):
            raise EvidenceFails(f"text {named} is not the one that was written", first.at)
    if (row["sender"], row["sender_id"]) not in [sender_of(leaf) for leaf in commits]:
        raise EvidenceFails(f"text {named} has another sender in the log", first.at)
    if row["sent_at"] not in [leaf.body["at"] for leaf in commits]:
        raise EvidenceFails(f"text {named} has another time in the log", first.at)
    if "t" in row and row["t"] not in [leaf.body["t"] for leaf in commits]:
        raise EvidenceFails(f"text {named} is of another kind in the log", first.at)
    if "n" in row:
        check_message_row(row, about, first.at)


def check_message_row(row: dict[str, Any], about: Sequence[Leaf], index: int) -> None:
    """Number and data class of a room message; one that was held and never released has no number."""
    for member, name in (("n", "number"), ("data_class", "class")):
        if member not in row:
            continue
        logged = [leaf.data[name] for leaf in about if name in leaf.data] or [None]
        if row[member] not in logged:
            raise EvidenceFails(f"message {row['id']} has another {name} in the log", index)


# --- Transcript: rendered again from the proved texts, so that what people read is what was proved ---


# Controls, format and direction marks, invisible fillers, and the backslash itself. A fixed list: what the Unicode
# tables of some Python version say would make one transcript right here and wrong there.
HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\\\\\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """The text with everything that could move, hide or turn other text round spelled out."""
    return HIDDEN.sub(lambda match: f"\\u{{{ord(match.group()):x}}}", text)


def render_heads(scope: dict[str, Any]) -> list[str]:
    """The lines above a transcript."""
    if scope["scope"] == "receipt":
        return [
            "Riserbo receipt, format 1 / ricevuta, formato 1",
            f"Receipt {visible(str(scope['receipt']))}, room {visible(str(scope['room']))}, level {scope['level']}",
            "What one session could see of its conversation / quanto una sessione vedeva della sua conversazione",
            "Times are UTC, as recorded in the log. Unprintable characters and backslashes appear as \\u{hex}.",
        ]
    return [
        "Riserbo transcript, format 1",
        f"Room {visible(str(scope['room']))}",
        "Export {}, reason {}, asked for by {}".format(
            *tuple(visible(str(scope[name])) for name in ("export", "reason", "requester"))
        ),
        "Times are UTC, as recorded in the log. Unprintable characters and backslashes appear as \\u{hex}.",
    ]


def render_title(row: dict[str, Any]) -> str:
    """The line above one text; a receipt says which side wrote, not which member of staff."""
    if "data_class" not in row and "n" in row:
        return visible(f"#{row['n']}  {row['sent_at']}  {row['sender']}")
    if "n" not in row:
        return visible(f"{row['sent_at']}  {KINDS.get(row['t'], row['t'])}  {row['stream']}  {row['id']}")
    number = "not released" if row["n"] is None else f"#{row['n']}"
    sender = f"{row['sender']} {row['sender_id']}"
    return visible(f"{number}  {row['sent_at']}  {sender}  [{row['data_class']}]  {row['id']}")


def render_lines(row: dict[str, Any]) -> list[str]:
    """The lines of one text."""
    return visible("(no longer readable)" if row["text"] is None else row["text"]).split("\n")


def render_parts(
    scope: dict[str, Any], thread: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]
) -> list[tuple[str, Sequence[dict[str, Any]]]]:
    """The parts of a transcript; a receipt has the conversation alone."""
    room = ("Private room", messages)
    return [room] if scope["scope"] == "receipt" else [("Public thread", thread), room]


def render_text(scope: dict[str, Any], thread: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]) -> str:
    """The transcript as plain text; quoted lines begin with a bar, so no text can pass for a heading or a formula."""
    lines = render_heads(scope)
    for heading, rows in render_parts(scope, thread, messages):
        lines += ["", heading, "-" * len(heading)]
        for row in rows:
            lines += ["", render_title(row)] + ["| " + line for line in render_lines(row)]
    return "\n".join(lines) + "\n"


def render_html(scope: dict[str, Any], thread: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]) -> str:
    """The transcript as one page that can load and run nothing."""
    heads = [html.escape(line) for line in render_heads(scope)]
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{heads[0]}</title>",
        "<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
        "h3{font-size:.8em;color:#444;margin-bottom:0}p{white-space:pre-wrap;overflow-wrap:anywhere;margin-top:0}</style>",
        f"</head><body><h1>{heads[0]}</h1>",
    ] + [f"<div>{line}</div>" for line in heads[1:]]
    for heading, rows in render_parts(scope, thread, messages):
        parts.append(f"<h2>{heading}</h2>")
        for row in rows:
            body = html.escape("\n".join(render_lines(row)))
            parts.append(f"<h3>{html.escape(render_title(row))}</h3>\n<p>{body}</p>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


# --- The checks ---

SCOPE: dict[str, type] = {
    "version": int,
    "scope": str,
    "room": str,
    "export": str,
    "leaf_index": int,
    "reason": str,
    "requester": str,
    "counts": dict,
    "streams": list,
}


RECEIPT: dict[str, type] = {
    "version": int,
    "scope": str,
    "receipt": str,
    "room": str,
    "level": int,
    "leaf_index": int,
    "messages": int,
}


def receipt_digest(leaves: Sequence[bytes]) -> str:
    """What the leaf of a receipt says of the messages in it: SHA-256 over the hashes of their leaves, in log order."""
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def tagmanifest_text(origin: str, digest: str) -> str:
    """What an export key signs."""
    return f"{origin}/export\ntagmanifest-sha256 {digest}\n"


class Verification:
    """All checks over one bag, in order; each adds one line to the report, and problems name what fails."""

    def __init__(self, path: str, trust: Trust) -> None:
        self.path, self.trust = path, trust
        self.files = Files()
        self.scope: dict[str, Any] = {}
        self.note = b""
        self.checkpoint: Checkpoint | None = None
        self.chains = Chains()
        self.leaves: dict[int, Leaf] = {}
        self.export: Leaf | None = None
        self.requesters: set[str] = set()
        self.checks: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.bad: list[int] = []

    def problem(self, reason: str, index: int | None = None) -> None:
        """Note something that does not hold."""
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(reason)
        if index is not None:
            self.bad.append(index)

    def step(self, name: str, check: Callable[[], str]) -> bool:
        """Run one check; whatever a hostile bag provokes inside becomes a failed check."""
        before = len(self.problems)
        try:
            detail = check()
        except EvidenceFails as error:
            self.problem(str(error), error.index)
        except Exception as error:  # noqa: BLE001 - a bag that makes the checker stumble has not been proved
            self.problem(f"{name} cannot be checked: malformed ({type(error).__name__})")
        holds = len(self.problems) == before
        self.checks.append({"name": name, "ok": holds, "detail": detail if holds else self.problems[-1]})
        return holds

    def run(self) -> None:
        """Every check that can still say something."""
        try:
            self.run_checks()
        finally:
            self.files.close()

    def run_checks(self) -> None:
        """The order of the checks, and what makes one of them pointless."""
        if not self.step("files", self.check_files):
            return
        self.step("manifests", self.check_manifests)
        self.step("signature", self.check_signature)
        signed = self.step("checkpoint", self.check_checkpoint)
        if not self.step("scope", self.check_scope) or not signed:
            self.step("leaves", self.compare_leaves)
            return
        if self.scope["scope"] == "receipt":
            self.run_receipt()
            return
        room = self.scope["scope"] == "room"
        holds = self.step("leaves", self.check_room_leaves if room else self.check_log_leaves)
        holds &= self.step("streams", self.check_streams)
        if not self.step("export", self.check_export) or not room:
            return
        if self.step("complete", self.check_complete) and holds:
            # Over leaves that do not hold, a text at fault would only hide the leaf at fault.
            self.step("texts", self.check_texts)
            self.step("transcript", self.check_transcript)

    def run_receipt(self) -> None:
        """A receipt: some leaves of one room, each by its own path, and the leaf that says which."""
        if self.step("leaves", self.check_receipt_leaves) and self.step("receipt", self.check_receipt):
            self.step("texts", self.check_receipt_texts)
            self.step("transcript", self.check_transcript)

    @property
    def ok(self) -> bool:
        """Whether all checks ran and held."""
        return not self.problems and bool(self.checks)

    # files, manifests, signature

    def check_files(self) -> str:
        """The bag is a folder or a zip, and has the files a bag has, and no others."""
        self.files = open_files(self.path)
        found = set(self.files.sizes)
        needed = {*TAGS, TAGMANIFEST, SIGNATURE, *self.payload_names(found)}
        for name in sorted(needed - found):
            self.problem(f"{name} is missing")
        for name in sorted(found - needed):
            self.problem(f"{name} does not belong in a bag")
        if self.files.read("bagit.txt") != BAGIT:
            self.problem("bagit.txt does not say BagIt 1.0")
        return f"{len(found)} files"

    @staticmethod
    def payload_names(found: set[str]) -> set[str]:
        """The files that a bag of this kind has under `data`: a receipt has texts, no list of hashes and no thread."""
        if "data/messages.jsonl" in found and not found & {"data/leaf-hashes.txt", "data/thread.jsonl"}:
            return set(RECEIPT_FILES)
        return set(LOG_FILES) | (set(ROOM_FILES) if found & set(ROOM_FILES) else set())

    def check_manifests(self) -> str:
        """Every file has the digest that its manifest gives (RFC 8493)."""
        payload = sorted(name for name in self.files.sizes if name.startswith("data/"))
        self.check_manifest("manifest-sha256.txt", payload)
        self.check_manifest(TAGMANIFEST, list(TAGS))
        octets = sum(self.files.sizes[name] for name in payload)
        oxum = b"Payload-Oxum: %d.%d" % (octets, len(payload))
        if oxum not in self.files.read("bag-info.txt").split(b"\n"):
            self.problem("bag-info.txt counts other payload")
        return f"{len(payload)} payload files, {octets} bytes"

    def check_manifest(self, manifest: str, names: Sequence[str]) -> None:
        """One manifest against exactly the files `names`."""
        given: dict[str, str] = {}
        for line in self.files.lines(manifest):
            match = re.fullmatch("([0-9a-f]{64})  ([A-Za-z0-9./-]+)", line.decode("utf-8"), re.ASCII)
            if match is None or match.group(2) in given:
                raise EvidenceFails(f"{manifest} has a line that cannot be read, or one twice")
            given[match.group(2)] = match.group(1)
        if sorted(given) != sorted(names):
            self.problem(f"{manifest} lists other files than there are")
        for name in sorted(set(given) & set(names)):
            if self.files.digest(name) != given[name]:
                self.problem(f"{name} is not the file that {manifest} describes")

    def check_signature(self) -> str:
        """An export key has signed the tag manifest; one line only, so that nothing can hang on to the file."""
        raw = self.files.read(SIGNATURE)
        if open_note(raw, self.trust.export_keys) != tagmanifest_text(
            self.trust.origin, self.files.digest(TAGMANIFEST)
        ):
            raise EvidenceFails("the export signature is over another tag manifest")
        signatures = parse_note(raw).signatures
        if len(signatures) != 1:
            raise EvidenceFails("the export signature has more than one line")
        return "tag manifest signed by " + signatures[0][0]

    # checkpoint and scope

    def check_checkpoint(self) -> str:
        """The log's key has signed the head, and it is no older than the newest that the trust file has seen.

        A receipt is kept for years: it may be older, since it proves what was said, not that the log still says so.
        """
        self.note = self.files.read("data/checkpoint")
        self.checkpoint = open_checkpoint(self.note, self.trust.origin, self.trust.log_keys)
        newest = self.trust.newest
        if newest and self.checkpoint.size == newest.size and self.checkpoint.root != newest.root:
            raise EvidenceFails(f"two heads of {newest.size} leaves were signed: history was rewritten")
        if newest and self.checkpoint.size < newest.size and not self.is_receipt:
            raise EvidenceFails(
                f"the log ends at {self.checkpoint.size} leaves, but {newest.size} were signed before",
                self.checkpoint.size,
            )
        return f"{self.checkpoint.size} leaves, root {self.checkpoint.root.hex()}"

    @property
    def is_receipt(self) -> bool:
        """Whether the files are those of a receipt."""
        return self.payload_names(set(self.files.sizes)) == set(RECEIPT_FILES)

    def check_scope(self) -> str:
        """scope.json says what the bag is about, and the files fit it."""
        if self.is_receipt:
            scope = parse_object(self.files.read("data/scope.json"), RECEIPT)
            if (scope["version"], scope["scope"]) != (1, "receipt"):
                raise EvidenceFails("scope.json has an unknown version or scope")
            self.scope = scope
            return f"receipt {scope['receipt']} of room {scope['room']}"
        scope = parse_object(self.files.read("data/scope.json"), SCOPE, optional=["room"])
        has_texts = "data/messages.jsonl" in self.files.sizes
        if scope["version"] != 1 or scope["scope"] not in ("log", "room"):
            raise EvidenceFails("scope.json has an unknown version or scope")
        if {scope["scope"] == "room"} != {has_texts, scope["room"] is not None}:
            raise EvidenceFails("the files do not fit the scope")
        self.scope = scope
        return "whole log" if scope["scope"] == "log" else "room " + scope["room"]

    # leaves

    def compare_leaves(self) -> str:
        """Without a usable head or scope: at least say where leaves and hashes part."""
        if self.is_receipt:
            return f"{len(self.read_room_leaves())} leaves can be read, and nothing says under which head"
        if set(self.files.sizes) & set(ROOM_FILES):
            self.read_room_leaves()
            for index, line in enumerate(self.files.lines("data/leaf-hashes.txt")):
                if index in self.leaves and self.leaves[index].hash.hex().encode() != line:
                    raise EvidenceFails(f"leaf {index} is not the one that was hashed", index)
        else:
            pairs = itertools.zip_longest(
                self.files.lines("data/leaves.jsonl"), self.files.lines("data/leaf-hashes.txt")
            )
            for index, (leaf, line) in enumerate(pairs):
                if leaf is None or leaf_hash(leaf).hex().encode() != line:
                    raise EvidenceFails(f"leaf {index} is not the one that was hashed", index)
        return "leaves and hashes agree"

    def check_log_leaves(self) -> str:
        """Whole log: every leaf is the one under the signed root; line N holds leaf N."""
        assert self.checkpoint is not None
        hashes, part = HashList(self.trust.newest), None
        pairs = itertools.zip_longest(self.files.lines("data/leaves.jsonl"), self.files.lines("data/leaf-hashes.txt"))
        leaves = hashes
        unread: list[EvidenceFails] = []
        for index, (raw, line) in enumerate(pairs):
            value = leaf_hash(raw) if raw is not None else None
            if part is None and (value is None or line is None or value.hex().encode() != line):
                part, leaves = index, hashes.fork()
            if line is not None:
                hashes.append(bytes.fromhex(line.decode("ascii")) if re.fullmatch(b"[0-9a-f]{64}", line) else b"")
            if value is not None and part is not None:
                leaves.append(value)
            if raw is not None:
                self.take_log_leaf(index, raw, unread)
        self.judge_log(hashes, leaves, part, unread)
        self.check_newest(leaves)
        return f"{self.checkpoint.size} leaves lead to the signed root"

    def take_log_leaf(self, index: int, raw: bytes, unread: list[EvidenceFails]) -> None:
        """Read one leaf of the whole log into its stream; remember the export's own."""
        try:
            leaf = parse_leaf(index, raw)
        except EvidenceFails as error:
            if len(unread) < MAX_SHOWN:
                unread.append(error)
            return
        self.follow(leaf)

    def follow(self, leaf: Leaf) -> None:
        """Put a leaf into its stream; remember the export's own, and who acted on that export."""
        self.chains.follow(leaf)
        if leaf.stream == "export:" + self.scope["export"]:
            self.requesters.add(sender_of(leaf)[1])
        if leaf.at == self.scope["leaf_index"]:
            self.export = leaf

    def judge_log(self, hashes: HashList, leaves: HashList, part: int | None, unread: list[EvidenceFails]) -> None:
        """Name the first leaf at fault: exactly where the hashes are the signed ones, else by what the rest shows."""
        assert self.checkpoint is not None
        size, given = self.checkpoint.size, leaves.tree.size
        if leaves.matches(self.checkpoint):
            if part is not None:
                self.problem(f"line {part} of leaf-hashes.txt is not the hash of its leaf", part)
            for error in unread:
                self.problem(str(error), error.index)
        elif hashes.matches(self.checkpoint):
            self.problem(f"leaf {part} is not the one in the signed log", part)
        else:
            candidates = [part, self.chains.first_suspect(), size if given > size else None]
            candidates += [error.index for error in unread]
            known = [index for index in candidates if index is not None]
            if not known and given < size:
                known = [given]
            index = min(known) if known else None
            where = "" if index is None else f", the first sign of it is leaf {index}"
            text = f"{given} leaves do not lead to the root that was signed for {size}"
            self.problem(text + where, index)

    def check_newest(self, hashes: HashList) -> None:
        """The head that the trust file remembers must be a beginning of this log."""
        newest = self.trust.newest
        if newest and hashes.newest_root != newest.root:
            self.problem(f"the first {newest.size} leaves are not those signed before: history was rewritten")

    def read_room_leaves(self) -> list[tuple[Leaf, list[bytes]]]:
        """The leaves of a room's bag with their proofs; a line that cannot be read is a problem, and passed over."""
        found: list[tuple[Leaf, list[bytes]]] = []
        for number, line in enumerate(self.files.lines("data/leaves.jsonl"), 1):
            try:
                leaf, proof = parse_room_leaf(line)
                if found and leaf.at <= found[-1][0].at:
                    raise EvidenceFails(f"leaf {leaf.at} is out of order", leaf.at)
            except EvidenceFails as error:
                self.problem(f"line {number} of leaves.jsonl: {error}", error.index)
                continue
            found.append((leaf, proof))
            self.leaves[leaf.at] = leaf
        return found

    def check_room_leaves(self) -> str:
        """Room: each leaf is proved by its path and by the list of all hashes; the list leads to the signed root."""
        assert self.checkpoint is not None
        hashes, found = HashList(self.trust.newest), self.read_room_leaves()
        for leaf, _ in found:
            self.follow(leaf)
        for index, line in enumerate(self.files.lines("data/leaf-hashes.txt")):
            value = unhex(line.decode("ascii"))
            hashes.append(value)
            if index in self.leaves and self.leaves[index].hash != value:
                self.problem(f"leaf {index} is not the one that was hashed", index)
        if not hashes.matches(self.checkpoint):
            self.problem(f"the {hashes.tree.size} hashes do not lead to the signed root")
        self.check_proofs(found, self.checkpoint)
        self.check_newest(hashes)
        return f"{len(found)} leaves proved, {hashes.tree.size} hashes lead to the signed root"

    # receipts

    def check_receipt_leaves(self) -> str:
        """Each leaf by its own path; only messages of the one room and the receipt's own leaf, by rising index."""
        assert self.checkpoint is not None
        found, room, own = self.read_room_leaves(), "room:" + self.scope["room"], "receipt:" + self.scope["receipt"]
        for leaf, proof in found:
            check_proof(leaf.hash, leaf.at, self.checkpoint.size, proof, self.checkpoint.root)
            if leaf.stream == own and leaf.at == self.scope["leaf_index"]:
                self.export = leaf
            elif leaf.stream != room or leaf.body["t"] not in SEEN:
                raise EvidenceFails(f"leaf {leaf.at} does not belong in a receipt of this room", leaf.at)
        return f"{len(found)} leaves proved under the signed head"

    def check_receipt(self) -> str:
        """The log itself says that this receipt was made, of which room, at which level, and of which messages."""
        own = self.export
        if own is None or own.body["t"] != "receipt.created":
            raise EvidenceFails("the receipt's own leaf is not there", self.checked_index(self.scope["leaf_index"]))
        shown = [leaf.hash for at, leaf in sorted(self.leaves.items()) if at != own.at]
        said = {name: own.data.get(name) for name in ("room", "level", "messages", "digest")}
        given = {name: self.scope[name] for name in ("room", "level", "messages")} | {"digest": receipt_digest(shown)}
        if said != given:
            raise EvidenceFails("the log has another receipt than this one", own.at)
        if any(at > own.at for at in self.leaves):
            raise EvidenceFails("a message is later than the receipt", own.at)
        return f"leaf {own.at} names this receipt"

    def check_receipt_texts(self) -> str:
        """Every text is the one its leaf commits to; every message that a leaf is about is there, and was sent."""
        about: dict[tuple[str, Any], list[Leaf]] = {}
        for leaf in self.leaves.values():
            if leaf is not self.export:
                about.setdefault((leaf.stream, leaf.data.get("id")), []).append(leaf)
        messages = self.read_rows("data/messages.jsonl", OWN)
        places = [(row["stream"], row["id"]) for row in messages]
        if len(set(places)) != len(places) or set(places) != set(about) or len(places) != self.scope["messages"]:
            raise EvidenceFails("the messages are not those that the leaves are about")
        for row in messages:
            if row["text"] is None or row["n"] is None:
                raise EvidenceFails(f"message {row['id']} has no text or no number")
            check_row(row, about[row["stream"], row["id"]])
        if [row["n"] for row in messages] != sorted({row["n"] for row in messages}):
            raise EvidenceFails("messages.jsonl is not in the order of its numbers")
        return f"{len(messages)} messages match their commitments"

    def check_proofs(self, found: list[tuple[Leaf, list[bytes]]], checkpoint: Checkpoint) -> None:
        """Every leaf by its own path. Where all paths fail, they are of another tree, and the streams tell more."""
        failed: list[EvidenceFails] = []
        for leaf, proof in found:
            try:
                check_proof(leaf.hash, leaf.at, checkpoint.size, proof, checkpoint.root)
            except EvidenceFails as error:
                failed.append(error)
        suspect = self.chains.first_suspect() if len(failed) == len(found) else None
        for failure in failed:
            self.problem(str(failure), failure.index if suspect is None else suspect)

    def index_of(self, value: str) -> int | None:
        """Where a hash stands in the log."""
        for index, line in enumerate(self.files.lines("data/leaf-hashes.txt")):
            if line == value.encode():
                return index
        return None

    def check_streams(self) -> str:
        """Every stream is numbered from 1 without a hole, each leaf naming its predecessor's hash."""
        room = self.scope["scope"] == "room"
        named = False
        for value in self.chains.missing if room else ():
            index = self.index_of(value)
            if index is not None and index not in self.leaves:
                self.problem(f"leaf {index} is missing", index)
                named = True
        for _, newer, text in self.chains.breaks:
            self.problem(text, None if self.bad or named else newer)
        return f"{len(self.chains.heads)} streams without a hole"

    # the export's own leaf

    def check_export(self) -> str:
        """The log itself says what was exported, for whom and why, and scope.json repeats it truly."""
        export, scope = self.export, self.scope
        if export is None:
            raise EvidenceFails("the export's own leaf is not in the bag", self.checked_index(scope["leaf_index"]))
        body = export.body
        if body["t"] != "export.created" or body["stream"] != "export:" + scope["export"]:
            raise EvidenceFails(f"leaf {export.at} is not the export's own", export.at)
        if (export.data.get("scope"), export.data.get("streams")) != (scope["scope"], scope["streams"]):
            raise EvidenceFails("scope.json has another scope or other streams than the log", export.at)
        if scope["room"] is not None and export.data.get("of") != scope["room"]:
            raise EvidenceFails("scope.json has another room than the log", export.at)
        if scope["requester"] not in self.requesters:
            raise EvidenceFails("scope.json has another requester than the log", export.at)
        for entry in scope["streams"]:
            if not (isinstance(entry, list) and [type(item) for item in entry] == [str, int, str]):
                raise EvidenceFails("the list of streams cannot be read", export.at)
            unhex(entry[2])
        if scope["scope"] == "log":
            self.check_log_streams(export)
        return f"leaf {export.at} names this {scope['scope']} and who asked for it"

    @staticmethod
    def checked_index(index: int) -> int | None:
        """An index from an unproved file, if it can be one."""
        return index if index >= 0 else None

    def check_log_streams(self, export: Leaf) -> None:
        """Whole log: the heads that the export's leaf names stand before it."""
        due = {(stream, n): value for stream, n, value in self.scope["streams"]}
        for index, raw in enumerate(self.files.lines("data/leaves.jsonl")):
            if not due or index >= export.at:
                break
            leaf = parse_leaf(index, raw)
            if due.get((leaf.stream, leaf.body["n"])) == leaf.hash.hex():
                del due[leaf.stream, leaf.body["n"]]
        for stream, n in due:
            self.problem(f"leaf {n} of stream {stream}, which the export names, is not there")
        if self.scope["counts"] != {"leaves": self.checkpoint.size if self.checkpoint else 0}:
            self.problem("scope.json counts other leaves")

    def check_complete(self) -> str:
        """Room: the bag has exactly the streams that the export's leaf names, up to exactly the leaves it names."""
        export = self.export
        assert export is not None
        named = {stream: (n, value) for stream, n, value in self.scope["streams"]}
        room = "room:" + self.scope["room"]
        if len(named) != len(self.scope["streams"]) or room not in named or export.stream in named:
            raise EvidenceFails("the list of streams is not one of this room", export.at)
        for stream in sorted(self.linked_streams(room) - set(named)):
            self.problem(f"stream {stream} belongs to the room and is not in the scope", export.at)
        for stream, (n, value) in sorted(named.items()):
            head = self.chains.heads.get(stream)
            if head is None or (head.body["n"], head.hash.hex()) != (n, value):
                index = self.index_of(value)
                self.problem(f"stream {stream} does not end with its leaf number {n}", index)
        for stream, head in sorted(self.chains.heads.items()):
            if stream not in named and head is not export:
                self.problem(f"leaf {head.at} is of stream {stream}, which is not in the scope", head.at)
        return f"{len(named)} streams, each up to the leaf that the export names"

    def linked_streams(self, room: str) -> set[str]:
        """The cases and the binding that the room's own leaves name."""
        opened = [leaf for leaf in self.leaves.values() if leaf.stream == room and leaf.body["t"] in OPENINGS]
        kinds = ("case", "binding")
        return {f"{kind}:{leaf.data[kind]}" for leaf in opened for kind in kinds if kind in leaf.data}

    # texts

    def read_rows(self, name: str, shape: dict[str, type]) -> list[dict[str, Any]]:
        """The rows of one file of texts."""
        return [parse_object(line, shape, optional=["n", "text", "opening"]) for line in self.files.lines(name)]

    def check_texts(self) -> str:
        """Every text is the one its leaf commits to, and every text that a leaf commits to is there."""
        about: dict[tuple[str, Any], list[Leaf]] = {}
        for leaf in self.leaves.values():
            if isinstance(leaf.data.get("id"), str):
                about.setdefault((leaf.stream, leaf.data["id"]), []).append(leaf)
        due = {(leaf.stream, leaf.data.get("id")): leaf.at for leaf in self.leaves.values() if is_text(leaf)}
        messages = self.read_rows("data/messages.jsonl", MESSAGE)
        thread = self.read_rows("data/thread.jsonl", PUBLIC)
        seen = set()
        for rows, prefix in ((messages, "room:" + self.scope["room"]), (thread, "case:")):
            for row in rows:
                place = (row["stream"], row["id"])
                if place in seen or not row["stream"].startswith(prefix):
                    raise EvidenceFails(f"text {row['id']} is there twice or in the wrong file")
                seen.add(place)
                check_row(row, about.get(place, []))
        for (stream, identity), index in sorted(due.items(), key=lambda item: item[1]):
            if (stream, identity) not in seen:
                self.problem(f"the text of leaf {index} is missing", index)
        self.check_order(messages, thread)
        return f"{len(messages)} messages and {len(thread)} public texts match their commitments"

    def check_order(self, messages: Sequence[dict[str, Any]], thread: Sequence[dict[str, Any]]) -> None:
        """Messages by rising number, public texts in the order of the log; the counts are true."""
        numbers = [row["n"] for row in messages if row["n"] is not None]
        if numbers != sorted(set(numbers)):
            self.problem("messages.jsonl is not in the order of its numbers")
        order = {(leaf.stream, leaf.data.get("id"), leaf.body["at"]): index for index, leaf in self.leaves.items()}
        places = [order.get((row["stream"], row["id"], row["sent_at"]), -1) for row in thread]
        if places != sorted(places):
            self.problem("thread.jsonl is not in the order of the log")
        counts = {"leaves": len(self.leaves), "messages": len(messages), "thread": len(thread)}
        if self.scope["counts"] != counts:
            self.problem("scope.json counts other leaves or texts")

    def check_transcript(self) -> str:
        """What people read is exactly what was proved."""
        receipt = self.scope["scope"] == "receipt"
        thread = [] if receipt else self.read_rows("data/thread.jsonl", PUBLIC)
        messages = self.read_rows("data/messages.jsonl", OWN if receipt else MESSAGE)
        for name, render in (("data/transcript.txt", render_text), ("data/transcript.html", render_html)):
            expected = hashlib.sha256(render(self.scope, thread, messages).encode("utf-8")).hexdigest()
            if self.files.digest(name) != expected:
                self.problem(f"{name} does not show the proved texts")
        return "both transcripts show the proved texts"


# --- Command line ---


def plain(text: str) -> str:
    """Text from a hostile bag, safe for a terminal."""
    return text.encode("ascii", "backslashreplace").decode("ascii").translate(dict.fromkeys((*range(32), 127), "?"))


def report_of(done: Verification) -> dict[str, Any]:
    """The result as one object."""
    return {
        "ok": done.ok,
        "bag": done.path,
        "checks": done.checks,
        "first_bad_index": min(done.bad) if done.bad and not done.ok else None,
        "problems": done.problems,
    }


def print_report(report: dict[str, Any]) -> None:
    """The result for people, one line a check."""
    for check in report["checks"]:
        print(plain(f"{'ok' if check['ok'] else 'FAIL':<4}  {check['name']:<10}  {check['detail']}"))
    for problem in report["problems"]:
        print(plain("problem: " + problem))
    if report["first_bad_index"] is not None:
        print(f"first bad index: {report['first_bad_index']}")
    print("the evidence holds" if report["ok"] else "THE EVIDENCE DOES NOT HOLD")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="verify", description="Check a compliance bag offline.")
    parser.add_argument("bag", help="folder or zip")
    parser.add_argument("--trust", required=True, help="trust.json: keys and newest checkpoint; never from the bag")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--update-trust", action="store_true", help="if all holds, remember the bag's checkpoint")
    return parser.parse_args(argv)


def check_bag(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line asks."""
    if not Path(arguments.bag).exists():
        raise WrongUse("there is no bag at this path")
    trust = load_trust(arguments.trust, arguments.bag)
    done = Verification(arguments.bag, trust)
    done.run()
    # A receipt does not prove that its head continues the one that is remembered, so it never takes its place.
    newer = (
        done.checkpoint and not done.is_receipt and (trust.newest is None or done.checkpoint.size > trust.newest.size)
    )
    if done.ok and newer and arguments.update_trust:
        try:
            save_newest(arguments.trust, trust, done.note)
        except OSError as error:
            raise WrongUse(f"the trust file cannot be written: {error.strerror}") from None
    return report_of(done)


def main(argv: Sequence[str]) -> int:
    """Verify as the command line says and return the exit status: 0 holds, 1 does not, 2 wrong use."""
    try:
        arguments = parse_arguments(argv)
    except SystemExit as ending:
        return 2 if ending.code else 0
    try:
        report = check_bag(arguments)
    except WrongUse as error:
        report = {"ok": False, "bag": arguments.bag, "checks": [], "first_bad_index": None, "problems": [str(error)]}
        print(json.dumps(report) if arguments.json else plain(f"wrong use: {error}"))
        return 2
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
