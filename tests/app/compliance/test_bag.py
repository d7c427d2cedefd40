"""A bag is whole or absent, the same each time, readable by other programs, and no text in it can break out of it."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import stat
import subprocess
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.compliance import verifier
from app.compliance.bag import BagContents, BagIncomplete, OneRoom, pack, write_bag
from security.merkle import root_of
from security.notes import Checkpoint, VerifyingKey, open_note
from tests.support.evidence_samples import (
    EXPORT_KEY,
    LOG_KEY,
    NASTY,
    ORIGIN,
    Bags,
    check,
    log_contents,
    make_bags,
    room_contents,
    story,
    trust_file,
)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Bags:
    return make_bags(tmp_path_factory.mktemp("bags"))


def files_of(bag: Path) -> dict[str, bytes]:
    return {str(path.relative_to(bag)): path.read_bytes() for path in sorted(bag.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("contents", [room_contents, log_contents])
def test_the_same_contents_give_the_same_bytes(tmp_path: Path, contents: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_bag(tmp_path / name / "bag", contents(story()), EXPORT_KEY)
        pack(tmp_path / name / "bag", tmp_path / name / "bag.zip")
    assert files_of(tmp_path / "one/bag") == files_of(tmp_path / "two/bag")
    assert (tmp_path / "one/bag.zip").read_bytes() == (tmp_path / "two/bag.zip").read_bytes()


def test_the_files_are_those_of_the_format(bags: Bags) -> None:
    tags = {*verifier.TAGS, verifier.TAGMANIFEST, verifier.SIGNATURE}
    assert set(files_of(bags.whole)) == tags | set(verifier.LOG_FILES)
    assert set(files_of(bags.room)) == tags | set(verifier.LOG_FILES) | set(verifier.ROOM_FILES)
    assert (bags.room / "verify.py").read_bytes() == Path(verifier.__file__).read_bytes()


@pytest.mark.parametrize("name", ["room", "whole"])
@pytest.mark.parametrize("manifest", ["manifest-sha256.txt", "tagmanifest-sha256.txt"])
def test_the_manifests_pass_sha256sum(bags: Bags, name: str, manifest: str) -> None:
    command = ["sha256sum", "--strict", "--check", manifest]
    done = subprocess.run(command, cwd=getattr(bags, name), capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_both_signatures_open_with_another_implementation(bags: Bags) -> None:
    note = (bags.whole / "data/checkpoint").read_text("utf-8")
    checkpoint = Checkpoint.parse(open_note(note, [LOG_KEY.verifying_key()]))
    leaves = (bags.whole / "data/leaves.jsonl").read_bytes().split(b"\n")[:-1]
    assert leaves == bags.log.leaves
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 27, root_of(bags.log.hashes))
    parsed = verifier.parse_note((bags.whole / verifier.SIGNATURE).read_bytes())
    ((name, _, signature),) = parsed.signatures
    assert name == f"{ORIGIN}/export"
    public: Ed25519PublicKey = VerifyingKey.parse(EXPORT_KEY.vkey()).public
    public.verify(signature, parsed.text.encode())


def test_a_whole_log_has_no_text_and_no_opening(bags: Bags) -> None:
    content = b"".join(data for name, data in files_of(bags.whole).items() if name not in ("verify.py", "README.txt"))
    for text in bags.log.texts.values():
        assert text.text is not None
        assert text.opening is not None
        assert text.text.encode() not in content
        assert text.opening.hex().encode() not in content


def test_what_came_after_the_exports_own_leaf_is_not_in_a_rooms_bag(bags: Bags) -> None:
    content = b"".join(files_of(bags.room).values())
    assert b"m-late" not in content
    rows = [json.loads(line) for line in (bags.room / "data/messages.jsonl").read_bytes().splitlines()]
    assert [(row["id"], row["n"]) for row in rows] == [("m-1", 1), ("m-3", 2), ("m-2", 3), ("m-4", None), ("m-5", None)]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_hostile_text_stays_text_in_the_page(bags: Bags) -> None:
    page = _Page()
    page.feed((bags.room / "data/transcript.html").read_text("utf-8"))
    assert page.tags == {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "div", "p"}
    assert "<script>alert(1)</script>" in page.words


def test_a_hostile_text_can_pass_neither_for_a_heading_nor_for_a_formula(bags: Bags) -> None:
    lines = (bags.room / "data/transcript.txt").read_text("utf-8").split("\n")
    assert not [line for line in lines if line[:1] in ("=", "+", "@", "\t")]
    first, second, third = NASTY.split("\n")
    assert [f"| {first}", f"| {second}"] == [line for line in lines if line[2:] in (first, second)]
    assert third not in "\n".join(lines)
    assert "| <script>alert(1)</script>\\u{202e}\\u{9}\\u{5c} fine \U0001f9fe" in lines


def test_a_refused_bag_leaves_nothing_behind(tmp_path: Path) -> None:
    log = story()
    good = room_contents(log)
    broken: list[BagContents] = [
        dataclasses.replace(good, leaf_hashes=log.hashes[:-1]),
        dataclasses.replace(good, leaves=list(enumerate(log.leaves[:5]))),
        dataclasses.replace(good, info={"Contact-Name": "x\nPayload-Oxum: 0.0"}),
        dataclasses.replace(good, info={"Contact Name": "x"}),
        log_contents(log, leaves=list(enumerate(log.leaves))[1:]),
        log_contents(log, leaves=list(enumerate(log.leaves))[:-1]),
        log_contents(log, export_id="unknown"),
        log_contents(log, leaves=[(index, leaf + b"\n") for index, leaf in enumerate(log.leaves)]),
    ]
    for contents in broken:
        with pytest.raises(BagIncomplete):
            write_bag(tmp_path / "bag", contents, EXPORT_KEY)
        assert list(tmp_path.iterdir()) == []


def test_a_bag_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagIncomplete):
        write_bag(tmp_path / "bag", room_contents(story()), EXPORT_KEY)
    assert list((tmp_path / "bag").iterdir()) == []


def test_an_empty_room_makes_a_bag_that_verifies(tmp_path: Path) -> None:
    log = story()
    log.leaves, log.heads, log.texts = [], {}, {}
    log.add("room.opened", "room:r", key="k")
    log.add("export.created", "export:e", ("agent", "o"), scope="room", of="r", streams=log.listed(["room:r"]))
    contents = room_contents(log, scope=OneRoom("r"), export_id="e", requester="o", messages=(), thread=())
    write_bag(tmp_path / "bag", contents, EXPORT_KEY)
    assert check(tmp_path / "bag", trust_file(tmp_path / "t.json", log.note(0))).problems == []


# --- zip ---


@pytest.fixture
def packed(bags: Bags, tmp_path: Path) -> Path:
    pack(bags.room, tmp_path / "bag.zip")
    return tmp_path / "bag.zip"


def rezip(target: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(target, "w", how) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return target


def entries_of(bag: Path, top: str = "bag/") -> list[tuple[zipfile.ZipInfo | str, bytes]]:
    return [(top + name, data) for name, data in files_of(bag).items()]


def test_a_packed_bag_verifies_and_so_does_one_zipped_again_by_hand(bags: Bags, packed: Path, tmp_path: Path) -> None:
    again = rezip(tmp_path / "again.zip", [("x/", b""), *entries_of(bags.room, "x/")], zipfile.ZIP_DEFLATED)
    flat = rezip(tmp_path / "flat.zip", entries_of(bags.room, ""))
    for archive in (packed, again, flat):
        assert check(archive, bags.trust).problems == []
        assert verifier.main([str(archive), "--trust", str(bags.trust)]) == 0


def _entry(name: str, mode: int = stat.S_IFREG, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type, info.create_system = (mode | 0o600) << 16, method, 3
    return info


@pytest.mark.parametrize(
    "extra",
    [
        _entry("../evil"),
        _entry("/etc/evil"),
        _entry("bag/../../evil"),
        _entry("bag\\evil"),
        _entry("C:evil"),
        _entry("bag//evil"),
        _entry("bag/./evil"),
        _entry("bag/evil"),
        _entry("bag/data/deep/evil"),
        _entry("elsewhere/evil"),
        _entry("bag/data/link", stat.S_IFLNK),
        _entry("bag/data/pipe", stat.S_IFIFO),
        _entry("bag/data/checkpoint2", method=zipfile.ZIP_LZMA),
        _entry("bag/trust.json"),
    ],
    ids=lambda info: info.filename,
)
def test_a_zip_with_a_tricky_entry_fails(bags: Bags, tmp_path: Path, extra: zipfile.ZipInfo) -> None:
    archive = rezip(tmp_path / "t.zip", [*entries_of(bags.room), (extra, b"../../../etc/passwd")])
    done = check(archive, bags.trust)
    assert [step["name"] for step in done.checks] == ["files"] or "does not belong" in done.problems[0]
    assert verifier.main([str(archive), "--trust", str(bags.trust)]) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_two_entries_of_one_name_fails(bags: Bags, tmp_path: Path) -> None:
    archive = rezip(tmp_path / "t.zip", [*entries_of(bags.room), ("bag/data/messages.jsonl", b"")])
    assert not check(archive, bags.trust).ok


def test_a_zip_that_would_fill_the_disk_is_refused_before_it_is_read(bags: Bags, tmp_path: Path) -> None:
    bomb = bytes(64 << 20)
    entries: list[tuple[zipfile.ZipInfo | str, bytes]] = [
        (name, bomb if name == "bag/data/leaves.jsonl" else data) for name, data in entries_of(bags.whole)
    ]
    archive = rezip(tmp_path / "t.zip", entries, zipfile.ZIP_DEFLATED)
    done = check(archive, bags.trust)
    assert done.problems == ["the zip has an entry that grows beyond all measure"]
    many = rezip(tmp_path / "many.zip", [(f"bag/{n}", b"") for n in range(65)])
    assert [step["name"] for step in check(many, bags.trust).checks] == ["files"]


def test_an_encrypted_or_broken_zip_fails_without_a_traceback(bags: Bags, packed: Path) -> None:
    raw = packed.read_bytes()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        place = archive.start_dir + 8
    variants = [
        raw[:place] + bytes([raw[place] | 1]) + raw[place + 1 :],
        raw[: len(raw) // 2],
        raw[:100] + bytes(50) + raw[150:],
        b"",
        b"PK\x05\x06" + bytes(18),
        b"hello",
    ]
    for variant in variants:
        packed.write_bytes(variant)
        assert verifier.main([str(packed), "--trust", str(bags.trust), "--json"]) == 1


# --- folder ---


def test_links_and_foreign_things_in_a_folder_fail(bags: Bags, tmp_path: Path) -> None:
    for number, spoil in enumerate((_link, _folder_link, _folder, _hidden)):
        bag = Path(shutil.copytree(bags.room, tmp_path / str(number)))
        spoil(bag)
        assert not check(bag, bags.trust).ok


def _link(bag: Path) -> None:
    target = bag.parent / "messages"
    (bag / "data/messages.jsonl").rename(target)
    (bag / "data/messages.jsonl").symlink_to(target)


def _folder_link(bag: Path) -> None:
    target = bag.parent / "data-elsewhere"
    (bag / "data").rename(target)
    (bag / "data").symlink_to(target)


def _folder(bag: Path) -> None:
    (bag / "data/more").mkdir()


def _hidden(bag: Path) -> None:
    (bag / ".hidden").write_text("x")
