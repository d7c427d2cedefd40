"""The headless story on the network that the command line asks for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from app.commands.wrong_use import WrongUse
from app.demo.headless import on_mastodon, on_square, play
from app.demo.snac.servers import NoSnac, find_program


class Network(StrEnum):
    """What the story can be played on."""

    SQUARE = "square"
    MASTODON = "mastodon"


def play_story(keep: Path | None, network: str, snac: Path | None) -> int:
    """Play it; gives the exit status. Raises `WrongUse`, also where the servers for it cannot run on this machine."""
    if network not in set(Network):
        raise WrongUse(f"there is no network {network}: {', '.join(Network)}")
    if snac is not None and network != Network.MASTODON:
        raise WrongUse("--snac goes with --network mastodon")
    if network == Network.SQUARE:
        return play(keep, on_square)
    try:
        return play(keep, on_mastodon(find_program(snac)))
    except NoSnac as fault:
        raise WrongUse(str(fault)) from None
