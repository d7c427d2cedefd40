"""The verbs `riserbo clients …`: programs that may use the staff API with tokens of their own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

verbs = typer.Typer(
    name="clients", help="Programs that use the staff API.", no_args_is_help=True, rich_markup_mode=None
)
Folder = Annotated[Path, typer.Option("--dir", help="The installation's folder.", file_okay=False)]
KeyFile = Annotated[str, typer.Option("--keys", help="A file with its public JWK or key set; - is the standard input.")]
ClientId = Annotated[str, typer.Argument(help="The program's client_id.")]
HERE: Final = Path()


@verbs.callback()
def clients() -> None:
    """Programs that use the staff API."""


@verbs.command("add")
def add(
    folder: Folder = HERE,
    *,
    client_id: Annotated[str, typer.Option("--id", help="Its client_id: lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Option(help="What colleagues read where it has acted.")],
    scope: Annotated[list[str], typer.Option(help="What it may at most; repeat the option for more.")],
    keys: KeyFile = "",
    signature: Annotated[
        str, typer.Option(help="What the public sees under a reply of it; else the bank's name.")
    ] = "",
    issuer: Annotated[str, typer.Option(help="It gets its tokens from this [[token_issuers]], and has no keys.")] = "",
    require_dpop: Annotated[bool, typer.Option("--require-dpop", help="Only tokens bound to a key.")] = False,
) -> None:
    """Register a program with its public keys and scopes."""
    from app.clients.service import NewClient
    from app.commands import machine_clients, operating

    settings = operating.settings_of(folder)
    found = machine_clients.public_keys(_text_of(keys)) if keys else []
    new = NewClient(client_id, name, signature or settings.bank, scope, found, issuer, require_dpop)
    typer.echo(asyncio.run(machine_clients.add(settings, operating.operator(), new)))


@verbs.command("list")
def list_(folder: Folder = HERE) -> None:
    """All programs, ended ones too."""
    from app.commands import machine_clients, operating

    lines = asyncio.run(machine_clients.listed(operating.settings_of(folder), operating.operator()))
    typer.echo("\n".join(lines) or "there are no programs")


@verbs.command("rotate")
def rotate(
    client_id: ClientId,
    folder: Folder = HERE,
    *,
    keys: KeyFile,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the old keys are good still.")] = 24,
) -> None:
    """Give a program new keys; with an overlap of 0 the old ones, and its tokens, end at once."""
    from app.commands import machine_clients, operating

    found = machine_clients.public_keys(_text_of(keys))
    settings = operating.settings_of(folder)
    asyncio.run(machine_clients.rotate(settings, operating.operator(), client_id, found, overlap_hours))
    typer.echo(f"{client_id} has new keys")


@verbs.command("disable")
def disable(
    client_id: ClientId,
    folder: Folder = HERE,
    *,
    reason: Annotated[str, typer.Option(help="A word for the log; no names.")] = "ended",
    issuer: Annotated[str, typer.Option(help="The [[token_issuers]] that it was registered with.")] = "",
) -> None:
    """End a program with every token and stream of it, at once."""
    from app.commands import machine_clients, operating

    settings = operating.settings_of(folder)
    asyncio.run(machine_clients.disable(settings, operating.operator(), client_id, reason, issuer))
    typer.echo(f"{client_id} is ended")


@verbs.command("signing-key")
def signing_key(folder: Folder = HERE) -> None:
    """Sign our tokens with a new key; the old one stays in the key set for a day. No restart is needed."""
    from app.commands import key_rotation, operating

    old, new = asyncio.run(key_rotation.rotate_tokens(operating.settings_of(folder), operating.operator()))
    typer.echo(f"token key {old} -> {new}")


def _text_of(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
