"""A value that cannot leak by accident: no printing, pickling, copying, hashing or early-exit comparison."""

import hmac
from typing import Final, NoReturn


class Secret:
    """Holds secret bytes; only `reveal` gives them out, so every use is visible in the code."""

    __slots__ = ("_value",)
    # A hash of the value, or a set that holds it, would compare in variable time.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: bytes) -> None:
        if not isinstance(value, bytes):
            # A str or a mutable buffer here is a mistake upstream; the message must not quote it.
            raise TypeError("a Secret is made of bytes")
        self._value: Final = value

    def reveal(self) -> bytes:
        """Return the secret bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret has no state to export")
