"""The fault of a command line that cannot be run as it was given."""

from __future__ import annotations


class WrongUse(Exception):
    """Nothing was done; the message says what to type instead."""
