"""The command line: reads arguments, calls what does the work, prints; 0 it holds, 1 it does not, 2 wrong use."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from app.commands.agents import PasswordFile, password_from, show_account
from app.commands.agents import verbs as agents
from app.commands.channels import verbs as channels
from app.commands.clients import verbs as clients
from app.commands.wrong_use import WrongUse

HOLDS: Final = 0
FAILS: Final = 1
WRONG_USE: Final = 2

Folder = Annotated[Path, typer.Option("--dir", help="The installation's folder.", file_okay=False)]
HERE: Final = Path()

commands = typer.Typer(
    name="riserbo",
    help="The private room behind a bank's public reply.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys = typer.Typer(name="keys", help="Key-encryption keys: rotation.", no_args_is_help=True, rich_markup_mode=None)
commands.add_typer(keys)
commands.add_typer(agents)
commands.add_typer(channels)
commands.add_typer(clients)


@commands.command()
def demo(
    *,
    headless: Annotated[bool, typer.Option("--headless", help="Play all parts, verify, say whether it held.")] = False,
    keep: Annotated[Path | None, typer.Option(help="With --headless: leave bag and trust.json here.")] = None,
    network: Annotated[str, typer.Option(help="With --headless: square, or mastodon on two snac servers.")] = "square",
    snac: Annotated[Path | None, typer.Option(help="With --network mastodon: the program, if not on PATH.")] = None,
    listen: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    write_first: Annotated[
        bool, typer.Option("--write-first", help="The Square takes no unsolicited messages.")
    ] = False,
) -> None:
    """Start a throw-away bank on loopback and print where to begin."""
    if keep is not None and not headless:
        raise WrongUse("--keep goes with --headless: only the headless story leaves a bag")
    if (network != "square" or snac is not None) and not headless:
        raise WrongUse("--network and --snac go with --headless: by hand the story is played on the Square")
    if write_first and headless:
        raise WrongUse("--write-first goes with the demo by hand")
    from app.demo.running import require_loopback, run_demo

    require_loopback(listen)
    if headless:
        from app.commands.playing import play_story

        raise typer.Exit(play_story(keep, network, snac))
    asyncio.run(run_demo(listen, write_first=write_first))


@commands.command()
def serve(
    folder: Folder = HERE, role: Annotated[str, typer.Option(help="all, doors, public, staff or worker.")] = "all"
) -> None:
    """Open the doors and do the background work, until a signal comes."""
    from app.commands import operating, serving

    if role not in set(serving.Part):
        raise WrongUse(f"there is no role {role}: {', '.join(serving.Part)}")
    serving.run(operating.settings_of(folder), serving.Part(role))


@commands.command()
def worker(folder: Folder = HERE) -> None:
    """Do the background work only: the same as `serve --role worker`."""
    serve(folder, "worker")


@commands.command()
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


@commands.command()
def guard(
    file: Annotated[str, typer.Argument(help="A file of texts, one a line; - is the standard input.")] = "-",
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 if any text is blocked.")] = False,
) -> None:
    """Check texts, one a line, as if they were to be published; one JSON object a line."""
    from app.guard.cli_lines import check_lines

    blocked = False
    source, own = (sys.stdin.fileno(), False) if file == "-" else (file, True)
    # a line ends where a person ended it: other line ends of Unicode belong to the text
    with open(source, encoding="utf-8", errors="replace", newline="\n", closefd=own) as lines:
        for answer in check_lines(lines):
            blocked = blocked or '"verdict": "block"' in answer
            print(answer, flush=True)
    raise typer.Exit(FAILS if blocked and fail_on_block else HOLDS)


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    *,
    bank: Annotated[str, typer.Option(prompt="The bank's name")],
    public_url: Annotated[str, typer.Option(prompt="Address of the public door (https://...)")],
    staff_url: Annotated[str, typer.Option(prompt="Address of the staff door (https://...)")],
    admin_login: Annotated[str, typer.Option(help="First administrator's login.")] = "admin",
    admin_name: Annotated[str, typer.Option(help="First administrator's name.")] = "Administrator",
    phone: Annotated[str, typer.Option(prompt="The bank's telephone, for who cannot prove anything")],
    hours_it: Annotated[str, typer.Option(help="When it answers, in Italian.")] = "lun-ven 8-20",
    hours_en: Annotated[str, typer.Option(help="When it answers, in English.")] = "Mon-Fri 8 am to 8 pm",
    privacy_contact: Annotated[str, typer.Option(prompt="Address for questions of privacy")],
    password_file: PasswordFile = None,
) -> None:
    """Make a persistent installation: settings, keys, schema, first administrator."""
    from app.commands import operating
    from app.initialising import NewBank, initialise

    given = (bank, public_url, staff_url, phone, hours_it, hours_en, privacy_contact, admin_login, admin_name)
    password, made = password_from(password_file)
    first = asyncio.run(initialise(folder, NewBank(*given), operating.operator(), password))
    typer.echo(f"An installation is in {folder}: its settings are in riserbo.toml, its trust file is trust.json.")
    show_account(first.login, password if made else None, first.uri)
    typer.echo(f"Next: `riserbo doctor --dir {folder}`, then `riserbo serve --dir {folder}`.")


@commands.command()
def doctor(
    folder: Folder = HERE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    policy: Annotated[bool, typer.Option("--policy", help="Only what the policy means, in words.")] = False,
) -> None:
    """Look at everything that must hold before a bank goes live; exit 1 if something does not."""
    from app import doctor
    from app.commands import operating

    settings = operating.settings_of(folder)
    findings = doctor.examine_policy(settings) if policy else asyncio.run(doctor.examine(settings))
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    typer.echo(doctor.as_json(findings) if as_json else doctor.as_table(findings, coloured=coloured))
    raise typer.Exit(FAILS if doctor.is_red(findings) else HOLDS)


@commands.command()
def export(
    folder: Folder = HERE,
    *,
    scope: Annotated[str, typer.Option(help="log, or room.")],
    room: Annotated[UUID | None, typer.Option(help="The room's id.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the bag.")],
    token_file: Annotated[str, typer.Option(help="A compliance officer's token; - is the standard input.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where the bag goes (a zip).")] = None,
    wait: Annotated[int, typer.Option(min=1, help="Seconds to wait for the bag.")] = 120,
    with_worker: Annotated[bool, typer.Option("--with-worker", help="Nobody serves: do the work here.")] = False,
) -> None:
    """Ask for a compliance bag as an officer (token in RISERBO_TOKEN, or --token-file), and fetch it."""
    from app.commands import exporting, operating

    settings = operating.settings_of(folder)
    token = (_text_of(token_file) if token_file else os.environ.get("RISERBO_TOKEN", "")).strip()
    if not token:
        raise WrongUse("an export needs an officer's token: set RISERBO_TOKEN, or name a file with --token-file")
    wish = exporting.Wish(scope, room, reason, out, timedelta(seconds=wait))

    async def run() -> Path:
        async with operating.opened(settings) as house:
            return await exporting.export(house, token, wish, with_worker=with_worker)

    typer.echo(asyncio.run(run()))


@commands.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def verify(context: typer.Context) -> None:
    """Check a bag offline: BAG --trust FILE [--json] [--update-trust]."""
    from app.compliance import verifier

    raise typer.Exit(verifier.main(context.args))


@commands.command()
def bench(
    *,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every figure here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report here, as Markdown.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute: whether it runs, not how fast.")] = False,
    postgres: Annotated[str, typer.Option(help="URL of a server where databases may be made; else SQLite alone.")] = "",
    pgbench: Annotated[str, typer.Option(help="The program; else the one on the PATH.")] = "",
    part: Annotated[list[str] | None, typer.Option(help="lane, sizes, reads or workers; else all.")] = None,
    store: Annotated[list[str] | None, typer.Option(help="sqlite or postgres; else both.")] = None,
) -> None:
    """Measure this version on this machine against the same rows without it, in throw-away installations."""
    from app.commands import benchmark

    wish = benchmark.Wish(quick, part or [], store or [], postgres, pgbench, json_file, markdown)
    typer.echo(benchmark.bench(wish))


@keys.command("rotate")
def keys_rotate(folder: Folder = HERE) -> None:
    """Add a key-encryption key, make it current, wrap every data key anew; the service may run meanwhile."""
    from app.commands import key_rotation, operating

    async def run() -> str:
        async with operating.opened(operating.settings_of(folder)) as house:
            old, new = await key_rotation.rotate(house, operating.operator())
            count, _ = await key_rotation.rewrap(house, operating.operator())
            return f"version {old} -> {new}, {count} data keys wrapped anew"

    typer.echo(asyncio.run(run()))


@keys.command("rewrap")
def keys_rewrap(folder: Folder = HERE) -> None:
    """Wrap under the current version what is not; after a rotation that was interrupted."""
    from app.commands import key_rotation, operating

    async def run() -> str:
        async with operating.opened(operating.settings_of(folder)) as house:
            count, version = await key_rotation.rewrap(house, operating.operator())
            return f"{count} data keys wrapped anew under version {version}"

    typer.echo(asyncio.run(run()))


@keys.command("list")
def keys_list(folder: Folder = HERE) -> None:
    """The versions, how many data keys need each, and the public keys of log and exports."""
    from app.commands import key_rotation, operating
    from app.key_versions import versions

    settings = operating.settings_of(folder)
    for one in asyncio.run(versions(settings)):
        typer.echo(f"version {one.number:<4}{'current' if one.is_current else '       '}  {one.data_keys} data keys")
    for key in key_rotation.public_keys(settings):
        typer.echo(key)


@keys.command("client")
def keys_client(name: str, folder: Folder = HERE, *, request: bool = False) -> None:
    """A new key pair by which an identity provider knows us; prints the public half. --request: PKCS #10 for it."""
    from app.commands import key_rotation, operating

    make = key_rotation.certificate_request if request else key_rotation.new_client_key
    typer.echo(make(operating.settings_of(folder), name))


def _text_of(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")


def complain(text: str) -> None:
    """One line on the standard error."""
    typer.echo(f"riserbo: {' '.join(text.split())}", err=True)


def main() -> None:
    """Run the command line; what a person did wrong is said in a line, what we did wrong has its traceback."""
    os.umask(0o077)  # whatever this program writes is the bank's own
    try:
        commands()
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
