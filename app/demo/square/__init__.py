"""The Square: a demo social network with posts, threads, direct messages, a bot API and an OAuth 2 sign-in.

A small site of its own, in memory, on its own host; the rest of the code reaches it over HTTP like any other network.
"""

from __future__ import annotations

from app.demo.square.app import create_square_app
from app.demo.square.models import Accepts, Bot, ClientApp, Person, SeedPost, SquareSeed

__all__ = ["Accepts", "Bot", "ClientApp", "Person", "SeedPost", "SquareSeed", "create_square_app"]
