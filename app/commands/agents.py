"""The verbs `riserbo agents …`: staff accounts."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.wrong_use import WrongUse

verbs = typer.Typer(name="agents", help="Staff accounts.", no_args_is_help=True, rich_markup_mode=None)
Folder = Annotated[Path, typer.Option("--dir", help="The installation's folder.", file_okay=False)]
PasswordFile = Annotated[str | None, typer.Option(help="A file with the password; - is the standard input.")]
HERE: Final = Path()


@verbs.callback()
def agents() -> None:
    """Staff accounts."""


@verbs.command("add")
def add(
    folder: Folder = HERE,
    *,
    login: Annotated[str, typer.Option(prompt=True)],
    name: Annotated[str, typer.Option(prompt="Name, for colleagues")],
    signature: Annotated[str, typer.Option(help="What the public sees under a reply: initials or first name.")] = "",
    role: Annotated[str, typer.Option(prompt="Role (agent, supervisor, compliance, administrator)")],
    password_file: PasswordFile = None,
    elsewhere: Annotated[bool, typer.Option("--elsewhere", help="Signs in at the bank's own provider only.")] = False,
) -> None:
    """Add a staff account; what it signs in with is shown once."""
    from app.actors import Role
    from app.agents.service import NewStaff
    from app.commands import operating, staff_accounts

    if role not in set(Role) - {Role.MACHINE}:
        raise WrongUse(f"there is no role {role}: {', '.join(set(Role) - {Role.MACHINE})}")
    settings = operating.settings_of(folder)
    new = NewStaff(login, name, signature or name.split()[0], Role(role))
    if elsewhere:
        asyncio.run(staff_accounts.add_elsewhere(settings, operating.operator(), new))
        typer.echo(f"{login} may sign in at the bank's own provider")
        return
    password, made = password_from(password_file)

    async def run() -> str:
        async with operating.opened(settings) as house:
            return await staff_accounts.add(house, operating.operator(), new, password)

    show_account(login, password if made else None, asyncio.run(run()))


@verbs.command("list")
def list_(folder: Folder = HERE) -> None:
    """All accounts, leavers too."""
    from app.commands import operating, staff_accounts

    async def run() -> list[str]:
        async with operating.opened(operating.settings_of(folder)) as house:
            found = await staff_accounts.listed(house, operating.operator())
            return [f"{one.login:<24}{one.role:<15}{'active' if one.active else 'ended':<8}{one.id}" for one in found]

    typer.echo("\n".join(asyncio.run(run())))


@verbs.command("deactivate")
def deactivate(
    login: Annotated[str, typer.Argument()],
    folder: Folder = HERE,
    *,
    reason: Annotated[str, typer.Option(help="A word for the log; no names.")] = "left",
) -> None:
    """End an account with every session and token of it, at once."""
    from app.commands import operating, staff_accounts

    async def run() -> None:
        async with operating.opened(operating.settings_of(folder)) as house:
            await staff_accounts.deactivate(house, operating.operator(), login, reason)

    asyncio.run(run())
    typer.echo(f"{login} is ended")


@verbs.command("reset")
def reset(login: Annotated[str, typer.Argument()], folder: Folder = HERE) -> None:
    """Give an account a new password and a new authenticator, shown once; every session of it ends."""
    from app.commands import operating, staff_accounts

    async def run() -> tuple[str, str]:
        async with operating.opened(operating.settings_of(folder)) as house:
            return await staff_accounts.reset(house, operating.operator(), login)

    password, uri = asyncio.run(run())
    show_account(login, password, uri)


@verbs.command("break-glass")
def break_glass(
    login: Annotated[str, typer.Argument()],
    folder: Folder = HERE,
    *,
    reason: Annotated[str, typer.Option(help="A word for the log; no names.")] = "provider_down",
    hours: Annotated[int, typer.Option(min=1, max=24, help="How long it stays open.")] = 4,
    close: Annotated[bool, typer.Option("--close", help="Seal it again, with every session of it.")] = False,
) -> None:
    """Open a sealed account with a password for some hours; compliance hears of it and of each use."""
    from app.commands import operating, staff_accounts

    settings, lifetime = operating.settings_of(folder), None if close else timedelta(hours=hours)
    typer.echo(asyncio.run(staff_accounts.break_glass(settings, operating.operator(), login, lifetime, reason)))


@verbs.command("scim-token")
def scim_token(folder: Folder = HERE) -> None:
    """A new token for the provisioning client, shown once; the file that [scim] names keeps its hash."""
    from app import key_files
    from app.commands import operating

    settings = operating.settings_of(folder)
    if settings.scim is None or settings.scim.token_file is None:
        raise WrongUse("the settings name no token_file in [scim]")
    typer.echo(key_files.make_scim_token(settings.path(settings.scim.token_file)))
    typer.echo("shown once; the service reads it at its next start, and the old one ends then", err=True)


def password_from(file: str | None) -> tuple[str, bool]:
    """The password, and whether it was made here: from a file, typed twice, or made where nobody can type."""
    if file is not None:
        return (sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")).strip("\r\n"), False
    if sys.stdin.isatty():
        typed = str(typer.prompt("Password (empty: make one)", default="", hide_input=True, show_default=False))
        if typed:
            if typer.prompt("Once more", hide_input=True) != typed:
                raise WrongUse("the two passwords are not the same")
            return typed, False
    from app.agents.new_passwords import new_password

    return new_password(), True


def show_account(login: str, password: str | None, uri: str) -> None:
    """What is shown once, and kept nowhere in the clear."""
    typer.echo(f"\nAccount {login}. What follows is shown this once:")
    if password is not None:
        typer.echo(f"  password       {password}")
    typer.echo(f"  authenticator  {uri}\n")
