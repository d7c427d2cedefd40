"""The doctor's table: green for an installation that may go live, red for each thing that must not be so."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from app import doctor, key_files, migrating
from app.actors import Role
from app.binding.identity_provider import OfferedProvider
from app.binding.openid_provider import OpenIdProvider
from app.channels.ports import Connector, SignIn, Subject
from app.checks import databases, outside, triggers
from app.checks.finding import Colour, Finding
from app.commands import operating
from app.database import Base, create_engines
from app.directory.csv_file import CsvDirectory
from app.directory.phone_changes import PhoneChanges
from app.initialising import NewBank, initialise
from app.main import Parts, outbound_from, parts_from
from app.notifications.senders import Senders, SmsSender, SmtpMail, SmtpServer
from app.outbound import OutboundClient
from app.permissions import Level
from app.policy.file import POLICY_FILE
from app.settings import DirectorySettings, IdentityProviderSettings, MailSettings, Settings, load_settings
from tests.app.command_line import CommandLine
from tests.migrations.conftest import settings_for
from tests.support.databases import DatabaseUrls
from tests.support.postgres import APP, OWNER, PostgresServer
from tests.support.scripted_openid import ScriptedProvider, metadata

PASSWORD = "correct horse battery staple"
BANK = NewBank(
    bank="Banca Esempio",
    public_url="https://aiuto.bancaesempio.example",
    staff_url="https://staff.bancaesempio.example",
    phone="+39 02 000000",
    hours_it="lun-ven",
    hours_en="Mon-Fri",
    privacy_contact="privacy@bancaesempio.example",
    admin_login="ada",
    admin_name="Ada",
)
CUSTOMER = "C100,Giulia Bianchi,+393331234567,giulia@example.org,it,Torino\n"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bank"
    asyncio.run(initialise(folder, BANK, operating.operator(), PASSWORD))
    asyncio.run(_hire(folder))
    with (folder / "customers.csv").open("a") as file:
        file.write(CUSTOMER)
    return folder


async def _hire(folder: Path) -> None:
    from app.agents.service import NewStaff
    from app.commands import staff_accounts

    async with operating.opened(load_settings(folder)) as house:
        for role in (Role.COMPLIANCE, Role.SUPERVISOR):
            await staff_accounts.add(house, operating.operator(), NewStaff(role, role, "X", role), PASSWORD)


@pytest.fixture
def bank(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "bank"))


def _complete(settings: Settings) -> Parts:
    """Parts of a bank that has all it needs."""
    network = Connector(
        "square", "square", "s", "Square", "@bank", "https://square.example", sign_in=cast("SignIn", object())
    )
    provider = OfferedProvider("login", "Bank login", None, {"high": Level.L3})  # type: ignore[arg-type]
    mail = SmtpMail(SmtpServer("mail.example", 587, "bank@example"))
    return Parts((network,), (provider,), Senders(None, mail), CsvDirectory(settings.data / "customers.csv"))


def _of(findings: list[Finding], part: str) -> Finding:
    return next(one for one in findings if one.part == part)


def test_a_complete_installation_is_all_green(bank: Path) -> None:
    settings = load_settings(bank)
    before = {path: path.read_bytes() for path in bank.rglob("*.db")}
    findings = asyncio.run(doctor.examine(settings, _complete(settings)))
    assert [one for one in findings if one.colour is not Colour.GREEN] == []
    assert not doctor.is_red(findings)
    assert {path: path.read_bytes() for path in bank.rglob("*.db")} == before


def test_the_policy_is_explained_and_can_be_read_alone(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    riserbo = CommandLine(monkeypatch, capsys)
    told = riserbo("doctor", "--dir", bank, "--policy")
    assert told.status == 0
    assert "policy.toml, free of contradictions" in told.out
    assert "opens general, case, account;" in told.out
    assert "social networks" not in told.out
    (bank / POLICY_FILE).unlink()
    assert "the strict default" in riserbo("doctor", "--dir", bank, "--policy").out


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[methods]\nsms = 3\n", "methods.sms is 3"),
        ('[sessions]\nlevel_3 = { idle = "6 min", absolute = "1 h" }\n', "at most 5 min"),
        ("[methods]\nsms = true\n", "methods.sms"),
        ("[brands.nowhere]\nmethods = ['totp']\n", "no such connector"),
    ],
)
def test_a_policy_that_contradicts_itself_is_red_and_nothing_starts_with_it(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, word: str
) -> None:
    (bank / POLICY_FILE).write_text(text)
    riserbo = CommandLine(monkeypatch, capsys)
    alone = riserbo("doctor", "--dir", bank, "--policy", "--json")
    assert alone.status == 1
    told = json.loads(alone.out)
    assert {one["colour"] for one in told["findings"]} == {"red"}
    assert word in told["findings"][0]["text"]
    findings = asyncio.run(doctor.examine(load_settings(bank)))
    assert _of(findings, "policy").colour is Colour.RED
    started = riserbo("serve", "--dir", bank)
    assert started.status == 1
    assert word in started.err


def test_an_installation_without_networks_and_senders_is_red(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    riserbo = CommandLine(monkeypatch, capsys)
    done = riserbo("doctor", "--dir", bank, "--json")
    assert done.status == 1
    told = json.loads(done.out)
    red = {one["part"] for one in told["findings"] if one["colour"] == "red"}
    assert (told["ready"], red) == (False, {"social networks", "senders"})
    yellow = {one["part"] for one in told["findings"] if one["colour"] == "yellow"}
    assert yellow == {"ways to prove"}
    table = riserbo("doctor", "--dir", bank)
    assert table.status == 1
    assert "FAIL  social networks" in table.out
    assert table.out.rstrip().endswith("not ready")


def test_a_mastodon_account_is_built_from_the_settings_and_looked_at(bank: Path) -> None:
    with (bank / "riserbo.toml").open("a") as file:
        file.write('\n[[mastodon]]\nurl = "https://social.bancaesempio.example:1"\naccount = "@bancaesempio"\n')
        file.write('token_file = "keys/mastodon-token"\n')
    pinned = {"internal_hosts": {"social.bancaesempio.example": "127.0.0.1:1"}}
    settings = load_settings(bank).model_copy(update=pinned)
    missing = asyncio.run(doctor.examine(settings))
    assert _of(missing, "token of mastodon").colour is Colour.RED
    assert _of(missing, "secrets").colour is Colour.RED
    (bank / "keys" / "mastodon-token").write_text("token\n")
    (bank / "keys" / "mastodon-token").chmod(0o600)
    findings = asyncio.run(doctor.examine(settings))
    assert _of(findings, "token of mastodon").colour is Colour.GREEN
    assert _of(findings, "network mastodon").colour is Colour.GREEN
    away = _of(findings, "account at mastodon")
    assert (away.colour, "cannot be used" in away.text) == (Colour.RED, True)
    [connector] = parts_from(settings, outbound_from(settings)).connectors
    assert (connector.official_handle, connector.label) == ("bancaesempio@social.bancaesempio.example:1", "Mastodon")


def test_a_bluesky_account_is_built_from_the_settings_and_its_key_looked_at(bank: Path) -> None:
    with (bank / "riserbo.toml").open("a") as file:
        file.write('\n[[atproto]]\nhandle = "@bancaesempio.example"\nkey_file = "keys/bluesky.json"\n')
        file.write('directory = "https://plc.bancaesempio.example:1"\nresolver = ""\n')
    settings = load_settings(bank)
    assert _of(asyncio.run(doctor.examine(settings)), "key of bluesky").colour is Colour.RED
    key_files.make_client_key_file(bank / "keys" / "bluesky.json")
    [connector] = parts_from(settings, outbound_from(settings)).connectors
    assert (connector.official_handle, connector.label) == ("bancaesempio.example", "Bluesky")
    document = connector.client_document
    assert document is not None
    assert document["client_id"] == f"{settings.public_url}/oauth/clients/bluesky.json"
    assert document["redirect_uris"] == [f"{settings.public_url}/signin/bluesky/callback"]


def test_a_network_where_codes_wait_for_messages_that_nobody_tells_of_is_red(bank: Path) -> None:
    connector = Connector("shy", "shy", "shy", "Shy", "bank", "", direct_messages=Silent(), accepts_unsolicited=False)
    parts = replace(parts_from(load_settings(bank), OutboundClient()), connectors=[connector])
    assert [one.colour for one in outside.networks(parts)][-1] is Colour.RED


class Silent:
    async def send(self, subject: Subject, text: str, idempotency_key: str) -> None:
        raise NotImplementedError


def _demo_key(bank: Path) -> None:
    (bank / "keys" / key_files.LOG_KEY_FILE).unlink()
    key_files.make_signing_key_file(bank / "keys" / key_files.LOG_KEY_FILE, "x", demo=True)


def _same_keys(bank: Path) -> None:
    document = json.loads((bank / "keys" / key_files.LOG_KEY_FILE).read_text())
    document["name"] += "/export"
    (bank / "keys" / key_files.EXPORT_KEY_FILE).write_text(json.dumps(document))


def _lost_key(bank: Path) -> None:
    (bank / "keys" / key_files.KEK_FILE).unlink()
    key_files.make_kek_file(bank / "keys" / key_files.KEK_FILE)


def _execute(bank: Path, *statements: str) -> None:
    connection = sqlite3.connect(bank / "riserbo.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def _log_asleep(bank: Path) -> None:
    _execute(
        bank,
        "DROP TRIGGER audit_checkpoints_no_update",
        "UPDATE audit_checkpoints SET created_at = '2026-01-01 00:00:00.000000'",
    )


@pytest.mark.parametrize(
    ("damage", "part", "word"),
    [
        (lambda bank: (bank / "keys" / key_files.KEK_FILE).chmod(0o640), key_files.KEK_FILE, "by others"),
        (_demo_key, key_files.LOG_KEY_FILE, "demonstration"),
        (_same_keys, "signing keys", "share one key"),
        (_lost_key, "data keys", "DecryptionFailed"),
        (lambda bank: bank.chmod(0o755), "data folder", "755"),
        (lambda bank: (bank / "keys.db").unlink(), "schema, keys", "riserbo migrate"),
        (lambda bank: _execute(bank, "DROP TRIGGER messages_no_delete"), "triggers", "messages_no_delete"),
        (
            lambda bank: _execute(
                bank,
                "DROP TRIGGER cases_needs_leaf",
                "CREATE TRIGGER cases_needs_leaf BEFORE UPDATE ON cases WHEN 0 BEGIN SELECT 1; END",
            ),
            "triggers",
            "cases_needs_leaf",
        ),
        (_log_asleep, "evidence log", "riserbo worker"),
        (lambda bank: (bank / "customers.csv").unlink(), "directory", "does not answer"),
        (lambda bank: (bank / "customers.csv").write_text("customer_number,name,phone,email\n"), "directory", "nobody"),
    ],
)
def test_what_must_not_be_is_red(bank: Path, damage: Callable[[Path], object], part: str, word: str) -> None:
    damage(bank)
    settings = load_settings(bank)
    found = _of(asyncio.run(doctor.examine(settings, _complete(settings))), part)
    assert (found.colour, word in found.text) == (Colour.RED, True), found


@pytest.mark.parametrize(
    ("change", "part", "colour"),
    [
        ({"public_url": "http://aiuto.example"}, "public_url", Colour.RED),
        ({"staff_url": "https://aiuto.bancaesempio.example:8443"}, "doors", Colour.RED),
        ({"admin_listen": "0.0.0.0:8602"}, "admin_listen", Colour.YELLOW),
        ({"api_docs": True}, "api_docs", Colour.YELLOW),
        ({"mail": MailSettings(host="mail.example", sender="b@e", start_tls=False)}, "mail relay", Colour.RED),
        (
            {"directory": DirectorySettings(url="https://d.example", token_file=Path("keys/none"))},
            "directory token",
            Colour.RED,
        ),
    ],
)
def test_settings_that_must_not_be_are_told(bank: Path, change: dict[str, object], part: str, colour: Colour) -> None:
    settings = load_settings(bank).model_copy(update=change)
    found = _of(asyncio.run(doctor.examine(settings, _complete(load_settings(bank)))), part)
    assert found.colour is colour, found


def test_stubs_and_weak_providers_are_told(bank: Path) -> None:
    settings = load_settings(bank)
    stub = OfferedProvider("demo-id", "Demo ID", None, {"acr": Level.L3}, is_stub=True)  # type: ignore[arg-type]
    weak = OfferedProvider("push", "Push", None, {})  # type: ignore[arg-type]
    findings = asyncio.run(doctor.examine(settings, replace(_complete(settings), providers=(stub,))))
    assert _of(findings, "provider demo-id").colour is Colour.RED
    findings = asyncio.run(doctor.examine(settings, replace(_complete(settings), providers=(weak,))))
    assert _of(findings, "ways to prove").colour is Colour.YELLOW
    assert any("relay-resistant" in one.text for one in findings if one.part == "provider push")


def test_a_provider_approved_on_another_device_must_list_nothing(bank: Path) -> None:
    settings = load_settings(bank)
    push = OfferedProvider("app", "App", None, {"high": Level.L3}, approval="push")  # type: ignore[arg-type]
    findings = asyncio.run(doctor.examine(settings, replace(_complete(settings), providers=(push,))))
    told = _of(findings, "policy")
    assert (told.colour, "approved by push" in told.text) == (Colour.RED, True)


def test_codes_by_sms_need_somebody_who_knows_of_changed_phones(bank: Path) -> None:
    settings = load_settings(bank)
    parts = replace(_complete(settings), senders=Senders(cast("SmsSender", object()), None))

    def told(given: Parts) -> list[tuple[Colour, str]]:
        findings = asyncio.run(doctor.examine(settings, given))
        return [(one.colour, one.text) for one in findings if one.part == "changed phones"]

    assert [colour for colour, _ in told(parts)] == [Colour.YELLOW]
    asked = told(replace(parts, phone_changes=cast("PhoneChanges", object())))
    assert asked == [(Colour.GREEN, "the operator (SIM swap)")]
    rows = (bank / "customers.csv").read_text().splitlines()
    (bank / "customers.csv").write_text("\n".join([f"{rows[0]},phone_changed_at", *rows[1:]]))
    assert told(parts) == [(Colour.GREEN, "the directory's phone_changed_at")]
    (bank / POLICY_FILE).write_text('[phone]\nquiet = "0 h"\n')
    assert told(parts) == []


def test_providers_are_asked_how_they_stand(bank: Path) -> None:
    settings = load_settings(bank)

    def looked_at(provider: ScriptedProvider) -> list[tuple[Colour, str]]:
        port = OpenIdProvider("login", provider.client(), {"high": Level.L3})
        offered = OfferedProvider("login", "Bank login", port, {"high": Level.L3}, look=port.look)
        findings = asyncio.run(doctor.examine(settings, replace(_complete(settings), providers=(offered,))))
        return [(one.colour, one.text) for one in findings if one.part == "provider login"]

    green = (Colour.GREEN, "Bank login")
    assert looked_at(ScriptedProvider()) == [green, (Colour.GREEN, "answers for its issuer, with keys")]
    plain = looked_at(ScriptedProvider(metadata(pushed_authorization_request_endpoint=None)))
    assert plain[-1] == (Colour.YELLOW, "takes no pushed requests")
    gone = looked_at(ScriptedProvider(down={"/.well-known/openid-configuration"}))
    assert gone == [green, (Colour.RED, "cannot be reached (OutboundError)")]
    other = looked_at(ScriptedProvider(metadata(issuer="https://other.example")))
    assert other == [green, (Colour.RED, "answers, but cannot be used (metadata_of_another_issuer)")]


def test_a_key_for_a_provider_that_others_can_read_is_told(bank: Path) -> None:
    key_files.make_client_key_file(bank / "keys" / "login.json")
    provider = IdentityProviderSettings(
        name="login", label="L", kind="oidc", url="https://id.example", client_id="x", key_file=Path("keys/login.json")
    )
    settings = load_settings(bank).model_copy(update={"identity_providers": [provider]})
    (bank / "keys" / "login.json").chmod(0o644)
    findings = asyncio.run(doctor.examine(settings))
    assert _of(findings, "key of login").colour is Colour.RED
    assert "600" in _of(findings, "secrets").text


def test_a_missing_secret_is_told_and_the_rest_looked_at(bank: Path) -> None:
    change = {"mail": MailSettings(host="mail.example", sender="b@e", password_file=Path("keys/none"))}
    settings = load_settings(bank).model_copy(update=change)
    findings = asyncio.run(doctor.examine(settings))
    assert _of(findings, "mail password").colour is Colour.RED
    assert _of(findings, "secrets").colour is Colour.RED


def test_stale_wrappings_are_told(bank: Path) -> None:
    key_files.add_kek_version(bank / "keys" / key_files.KEK_FILE)
    settings = load_settings(bank)
    assert _of(asyncio.run(doctor.examine(settings)), "data keys").colour is Colour.YELLOW


def test_the_settings_own_parts_are_looked_at_unless_given(bank: Path) -> None:
    settings = load_settings(bank)
    assert not parts_from(settings, outbound_from(settings)).connectors
    assert _of(asyncio.run(doctor.examine(settings)), "social networks").colour is Colour.RED


async def test_a_fresh_schema_has_the_expected_triggers_and_a_disabled_one_shows(
    database_urls: DatabaseUrls, database_kind: str
) -> None:
    write, read = create_engines(database_urls.main)
    async with write.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with read.connect() as connection:
        assert await triggers.differing(connection) == []
    spoil = {
        "sqlite": "DROP TRIGGER bindings_needs_leaf",
        "postgresql": "ALTER TABLE bindings DISABLE TRIGGER bindings_needs_leaf",
    }
    async with write.begin() as connection:
        await connection.execute(text(spoil[database_kind]))
    async with read.connect() as connection:
        assert await triggers.differing(connection) == ["bindings_needs_leaf"]
    await write.dispose()
    await read.dispose()


async def test_a_trigger_function_that_does_nothing_shows(postgres_server: PostgresServer) -> None:
    name = postgres_server.new_database()
    write, read = create_engines(postgres_server.url(name))
    async with write.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        hollow = "CREATE OR REPLACE FUNCTION audit_leaves_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$"
        await connection.execute(text(hollow))
        assert await triggers.differing(connection) == ["audit_leaves_append_only()"]
    await write.dispose()
    await read.dispose()
    postgres_server.drop_database(name)


async def test_one_role_for_all_is_red_and_two_roles_are_green(postgres_server: PostgresServer, tmp_path: Path) -> None:
    names = [postgres_server.new_database(), postgres_server.new_database()]
    owners = (postgres_server.url(names[0], OWNER), postgres_server.url(names[1], OWNER))
    service = (postgres_server.url(names[0], APP), postgres_server.url(names[1], APP))
    await migrating.migrate(settings_for(tmp_path, service), owner_urls=owners)
    seen = {}
    for role, urls in (("owner", owners), ("service", service)):
        write, read = create_engines(urls[0])
        async with read.connect() as connection:
            found = await databases.durable(connection)
        seen[role] = {one.part: one.colour for one in found}
        await write.dispose()
        await read.dispose()
    assert seen["owner"]["database role"] is Colour.RED
    assert seen["service"]["database role"] is Colour.GREEN
    assert seen["service"]["PostgreSQL"] is Colour.GREEN
    assert seen["service"]["database connection"] is Colour.GREEN
    assert seen["service"]["durability"] is Colour.RED  # the server of these tests does not sync
    for name in names:
        postgres_server.drop_database(name)


async def test_databases_that_do_not_answer_are_red_and_not_an_error(bank: Path) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    settings = load_settings(bank).model_copy(update={"database_url": nowhere, "key_database_url": nowhere})
    findings = await doctor.examine(settings, _complete(load_settings(bank)))
    assert _of(findings, "schema").colour is Colour.RED
    assert _of(findings, "key store").colour is Colour.RED
