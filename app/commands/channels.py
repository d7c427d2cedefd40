"""The verbs `riserbo channels …`: what a network needs before the bank can use it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

verbs = typer.Typer(name="channels", help="Accounts at social networks.", no_args_is_help=True, rich_markup_mode=None)


@verbs.callback()
def channels() -> None:
    """Accounts at social networks."""


@verbs.command("mastodon-token")
def mastodon_token(
    folder: Annotated[Path, typer.Option("--dir", help="The installation's folder.", file_okay=False)] = Path(),
    *,
    name: Annotated[str, typer.Option(help="Which [[mastodon]] of the settings.")] = "mastodon",
) -> None:
    """Make the token of the bank's Mastodon account and store it in the file that the settings name."""
    from app.commands import mastodon_token as making
    from app.commands import operating

    settings = operating.settings_of(folder)
    entry = making.entry_of(settings, name)
    begun = asyncio.run(making.begin(settings, entry))
    typer.echo(f"Sign in as {entry.account} here, and copy the code that is shown:\n\n  {begun.address}\n")
    code = typer.prompt("Code", hide_input=True)
    typer.echo(f"The token is in {asyncio.run(making.finish(settings, entry, begun, code))}.")
