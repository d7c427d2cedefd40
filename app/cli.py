"""The command line: reads arguments, calls what does the work, prints; 0 it holds, 1 it does not, 2 wrong use."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.wrong_use import WrongUse

HOLDS: Final = 0
FAILS: Final = 1
WRONG_USE: Final = 2

Folder = Annotated[Path, typer.Option("--dir", help="The installation's folder.", file_okay=False)]
HERE: Final = Path()

program = typer.Typer(
    name="riserbo",
    help="The private room behind a bank's public reply.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@program.command()
def demo(
    *,
    headless: Annotated[bool, typer.Option("--headless", help="Play all parts, verify, say whether it held.")] = False,
    keep: Annotated[Path | None, typer.Option(help="With --headless: leave bag and trust.json here.")] = None,
    listen: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
) -> None:
    """Start a throw-away bank on loopback and print where to begin."""
    if keep is not None and not headless:
        raise WrongUse("--keep goes with --headless: only the headless story leaves a bag")
    from app.demo.running import require_loopback, run_demo

    require_loopback(listen)
    if headless:
        from app.demo.headless import play

        raise typer.Exit(play(keep))
    asyncio.run(run_demo(listen))


@program.command()
def serve(
    folder: Folder = HERE, role: Annotated[str, typer.Option(help="all, public, staff or worker.")] = "all"
) -> None:
    """Open the doors and do the background work, until a signal comes."""
    from app.commands import operating, serving

    if role not in set(serving.Part):
        raise WrongUse(f"there is no role {role}: all, public, staff or worker")
    serving.run(operating.settings_of(folder), serving.Part(role))


@program.command()
def worker(folder: Folder = HERE) -> None:
    """Do the background work only: the same as `serve --role worker`."""
    serve(folder, "worker")


@program.command()
def migrate(
    folder: Folder = HERE,
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if there is something to do.")] = False,
    to: Annotated[str, typer.Option(help="A revision of the main database, or head.")] = "head",
    allow_loss: Annotated[bool, typer.Option("--allow-loss", help="Go back, though tables and rows go.")] = False,
    owner_url: Annotated[str, typer.Option(envvar="RISERBO_OWNER_URL", help="Main database, as its owner.")] = "",
    key_owner_url: Annotated[str, typer.Option(envvar="RISERBO_KEY_OWNER_URL", help="Key store, as its owner.")] = "",
) -> None:
    """Bring both databases to this version's schema."""
    from app import migrating
    from app.commands import operating

    settings = operating.settings_of(folder)
    before = asyncio.run(migrating.standings(settings))
    if not check:
        if to != "head" and not allow_loss:
            raise WrongUse("--to may drop tables with their rows; say so with --allow-loss")
        if bool(owner_url) != bool(key_owner_url):
            raise WrongUse("name the owner of both databases, or of none")
        owners = (owner_url, key_owner_url) if owner_url else None
        asyncio.run(migrating.migrate(settings, to=to, owner_urls=owners))
    after = before if check else asyncio.run(migrating.standings(settings))
    for old, new in zip(before, after, strict=True):
        moved = f"{old.revision or 'empty'} -> {new.revision or 'empty'}" if old != new else new.revision or "empty"
        typer.echo(f"{new.history:<6}{moved}{'' if new.is_current else f'   (newest: {new.newest})'}")
    raise typer.Exit(HOLDS if not check or all(standing.is_current for standing in after) else FAILS)


@program.command()
def guard(
    file: Annotated[str, typer.Argument(help="A file of texts, one a line; - is the standard input.")] = "-",
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 if any text is blocked.")] = False,
) -> None:
    """Check texts, one a line, as if they were to be published; one JSON object a line."""
    from app.guard.cli_lines import check_lines

    blocked = False
    with open(sys.stdin.fileno() if file == "-" else file, "rb", closefd=file != "-") as raw:
        # a line ends where a person ended it: other line ends of Unicode belong to the text
        for answer in check_lines(io.TextIOWrapper(raw, "utf-8", errors="replace", newline="\n")):
            blocked = blocked or '"verdict": "block"' in answer
            print(answer, flush=True)
    raise typer.Exit(FAILS if blocked and fail_on_block else HOLDS)


@program.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def verify(context: typer.Context) -> None:
    """Check a bag offline: BAG --trust FILE [--json] [--update-trust]."""
    from app.compliance import verifier

    raise typer.Exit(verifier.main(context.args))


def complain(text: str) -> None:
    """One line on the standard error."""
    typer.echo(f"riserbo: {' '.join(text.split())}", err=True)


def main() -> None:
    """Run the command line; what a person did wrong is said in a line, what we did wrong has its traceback."""
    try:
        program()
    except BrokenPipeError:
        # whoever read our output has seen enough
        sys.stderr.close()
        sys.exit(FAILS)
    except (WrongUse, OSError) as fault:
        complain(str(fault))
        sys.exit(WRONG_USE)
    except Exception as fault:
        from app.commands.faults import explained

        known = explained(fault)
        if known is None:
            raise
        status, lines = known
        for line in lines:
            complain(line)
        sys.exit(status)


if __name__ == "__main__":
    main()
