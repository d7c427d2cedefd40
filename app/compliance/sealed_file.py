"""A bag at rest: one file, sealed in chunks under the export's own key, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

from security.envelope import Place, open_chunks, seal_chunks
from security.keys import DataKey

CHUNK: Final = 64 * 1024


class Sealed(NamedTuple):
    """Size and SHA-256 (hexadecimal) of what was sealed, in the clear."""

    bytes: int
    digest: str


def path_of(folder: Path, export_id: UUID) -> Path:
    """Where the sealed bag of an export lies."""
    return folder / f"{export_id}.bag.sealed"


def seal_file(key: DataKey, export_id: UUID, source: Path, folder: Path) -> Sealed:
    """Seal `source` into `folder`; the draft lies beside the source, which must be on the same file system."""
    draft = source.with_name(f"{export_id}.bag.sealed.part")
    digest, size = sha256(), 0

    def plain(file: BinaryIO) -> Iterator[bytes]:
        nonlocal size
        for chunk in _chunks(file):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as opened, os.fdopen(handle, "wb") as target:
        for sealed in seal_chunks(key, _place(export_id), plain(opened)):
            target.write(sealed)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(path_of(folder, export_id))
    _sync_folder(folder)
    return Sealed(size, digest.hexdigest())


def open_file(key: DataKey, export_id: UUID, folder: Path) -> Iterator[bytes]:
    """The bag in chunks, in the clear; raises DecryptionFailed where the file was cut or changed."""
    with path_of(folder, export_id).open("rb") as file:
        yield from open_chunks(key, _place(export_id), _chunks(file))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(export_id: UUID) -> Place:
    return Place("exports", "bag", str(export_id))
