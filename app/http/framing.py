"""What a request must look like before any application sees it (RFC 9112), and the limits on its head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from app.http.problems import METHODS

HeaderLines = list[tuple[bytes, bytes]]

# Visible ASCII without the number sign: a fragment is not sent.
_VISIBLE = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_UNWANTED = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class FramingLimits:
    """Times in seconds, sizes in bytes.

    `body_seconds` is for a short body, which is awaited before its request begins, and a wall behind `BodyLimits`,
    which answers first where a longer one drips. `stall_seconds` is how long a reader may take nothing of an answer,
    `stream_stall_seconds` nothing of a stream whose buffers are full. `framing_bytes` is what chunk sizes and
    extensions may add to a body.
    """

    header_seconds: float = 5.0
    idle_seconds: float = 5.0
    body_seconds: float = 12.0
    stall_seconds: float = 30.0
    stream_stall_seconds: float = 5.0
    header_bytes: int = 16 * 1024
    header_fields: int = 100
    target_bytes: int = 4 * 1024
    framing_bytes: int = 64 * 1024
    connections: int = 12_000


class FramingRefused(Exception):
    """The request is answered with `status` and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def check_line(method: str, target: bytes, version: str, limits: FramingLimits) -> None:
    """Method, target and version; raises FramingRefused.

    Only the origin form is taken: in the absolute form the target could name another host than Host does.
    """
    if version not in ("1.0", "1.1"):
        raise FramingRefused(505)
    if method not in METHODS:
        raise FramingRefused(501)
    if len(target) > limits.target_bytes:
        raise FramingRefused(414)
    if not _VISIBLE.fullmatch(target) or target.startswith(b"//"):
        raise FramingRefused(400)
    try:
        plain = unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise FramingRefused(400) from None
    if _UNWANTED.search(plain) or b"%00" in target:
        raise FramingRefused(400)


def check_fields(headers: HeaderLines, version: str, hosts: frozenset[bytes], limits: FramingLimits) -> None:
    """The header block as a whole: size, one known Host, one way of framing the body; raises FramingRefused."""
    size = sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)
    if len(headers) > limits.header_fields or size > limits.header_bytes:
        raise FramingRefused(431)
    if len([name for name, _ in headers if name == b"host"]) != 1:
        raise FramingRefused(400)
    if dict(headers)[b"host"].lower() not in hosts:
        raise FramingRefused(421)
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and not lengths[0].isdigit()) or (lengths and codings):
        raise FramingRefused(400)
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise FramingRefused(400)


def body_length(headers: HeaderLines) -> int | None:
    """Bytes of the body that a checked head announces; None where it comes in chunks."""
    fields = dict(headers)
    return None if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
