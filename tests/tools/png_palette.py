"""Makes a screenshot small: a PNG of true colours becomes one with a palette of its 256 most used (W3C PNG, section 9)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def shrink(picture: Path) -> None:
    """Write the picture anew in its place; colours that are hardly used become the nearest that are."""
    width, height, channels, pixels = _read(picture.read_bytes())
    rows = list(_rows(pixels, width * channels, channels))
    triples = [[bytes(row[at : at + 3]) for at in range(0, len(row), channels)] for row in rows]
    used = Counter(triple for line in triples for triple in line)
    palette = [colour for colour, _ in used.most_common(COLOURS)]
    index = {colour: number for number, colour in enumerate(palette)}
    for colour in used:
        if colour not in index:
            index[colour] = min(range(len(palette)), key=lambda number, c=colour: _distance(palette[number], c))
    body = b"".join(b"\0" + bytes(index[triple] for triple in line) for line in triples)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(body, 9)),
        (b"IEND", b""),
    ]
    picture.write_bytes(SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _read(data: bytes) -> tuple[int, int, int, bytes]:
    assert data.startswith(SIGNATURE)
    at, compressed, width, height, channels = len(SIGNATURE), b"", 0, 0, 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            assert (depth, interlaced) == (8, 0)
            channels = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            compressed += content
        at += length + 12
    return width, height, channels, zlib.decompress(compressed)


def _rows(pixels: bytes, stride: int, step: int) -> Iterator[bytearray]:
    before = bytearray(stride)
    for start in range(0, len(pixels), stride + 1):
        row = bytearray(pixels[start + 1 : start + 1 + stride])
        _unfilter(pixels[start], row, before, step)
        yield row
        before = row


def _unfilter(kind: int, row: bytearray, before: bytearray, step: int) -> None:
    for at in range(len(row) if kind else 0):
        left, up = row[at - step] if at >= step else 0, before[at]
        corner = before[at - step] if at >= step else 0
        guess = (0, left, up, (left + up) >> 1, _paeth(left, up, corner))[kind]
        row[at] = (row[at] + guess) & 255


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
