"""The fixtures keep what they promise."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import network, ports, report, smtp, tls
from tests.support.databases import DatabaseUrls
from tests.support.lending import Lending
from tests.support.postgres import APP, OWNER, PostgresServer
from tests.support.serving import serving
from tests.support.smtp import Mailbox


async def test_each_test_gets_two_empty_writable_databases(database_urls: DatabaseUrls) -> None:
    for url in database_urls:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE once (id INTEGER PRIMARY KEY)"))
        await engine.dispose()


def test_postgres_is_real_and_its_roles_are_no_superusers(postgres_server: PostgresServer) -> None:
    name = postgres_server.new_database()
    for role in (OWNER, APP):
        with psycopg.connect(postgres_server.conninfo(name, role)) as connection:
            assert connection.info.server_version >= 150000
            row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            assert row == (False,)
    postgres_server.drop_database(name)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.conninfo(name))


def test_a_database_can_be_copied_from_a_template(postgres_server: PostgresServer) -> None:
    template = postgres_server.new_database()
    with psycopg.connect(postgres_server.conninfo(template, OWNER)) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    copy = postgres_server.new_database(template)
    with psycopg.connect(postgres_server.conninfo(copy, OWNER)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    for name in (copy, template):
        postgres_server.drop_database(name)


def test_the_mail_server_keeps_what_it_is_given_and_can_refuse(mailbox: Mailbox) -> None:
    with smtplib.SMTP(mailbox.host, mailbox.port, timeout=5) as client:
        client.sendmail("bank@example.org", ["giulia@example.org"], "Subject: Codice\r\n\r\n1234 5678\r\n")
        mailbox.refusal = "451 later"
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("bank@example.org", ["giulia@example.org"], "Subject: no\r\n\r\nno\r\n")
    assert [message["Subject"] for message in mailbox.messages] == ["Codice"]
    assert "1234 5678" in mailbox.messages[0].get_content()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "bank.localhost", None])
def test_loopback_is_local(host: object) -> None:
    assert network.is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "example.org", "localhost.example.org", "10.0.0.1", 7])
def test_everything_else_is_outside(host: object) -> None:
    assert not network.is_local(host)


def test_a_connection_to_the_outside_is_refused_and_remembered() -> None:
    with socket.socket() as plain, pytest.raises(network.OutsideTrafficError):
        plain.connect(("192.0.2.1", 80))
    with socket.socket(type=socket.SOCK_DGRAM) as datagram, pytest.raises(network.OutsideTrafficError):
        datagram.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(network.OutsideTrafficError):
        socket.getaddrinfo("example.org", 443)
    assert len(network.forget()) == 3


def test_a_skip_is_a_failure_with_ci_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped() -> pytest.TestReport:
        return pytest.TestReport("a", ("a", 1, "a"), {}, "skipped", ("a", 1, "Skipped: no reason"), "call")

    monkeypatch.delenv("CI", raising=False)
    at_home = skipped()
    report.fail_a_skip_under_ci(at_home)
    assert at_home.skipped
    monkeypatch.setenv("CI", "true")
    in_ci = skipped()
    report.fail_a_skip_under_ci(in_ci)
    assert in_ci.failed
    assert "no reason" in in_ci.longreprtext


def test_warnings_are_errors() -> None:
    import warnings

    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    cookie = dict(scope["headers"]).get(b"cookie", b"")
    body = b"<!doctype html><title>t</title><link rel=icon href=data:,><script>console.error('no')</script><p>" + cookie
    headers = [(b"content-type", b"text/html"), (b"set-cookie", b"__Host-s=1; Path=/; Secure; HttpOnly; SameSite=Lax")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_chromium_resolves_our_hosts_keeps_host_cookies_and_reports_problems(
    open_visit: Callable[..., Any],
) -> None:
    async with serving(_hello, lifespan="off") as port:
        visit = await open_visit(width=360)
        for _ in range(2):
            await visit.page.goto(f"http://bank.localhost:{port}/")
        assert await visit.page.text_content("p") == "__Host-s=1"
        await visit.page.goto(f"http://staff.localhost:{port}/")
        assert await visit.page.text_content("p") == ""
    assert any("no" in problem for problem in visit.problems)


async def test_a_visit_without_javascript_runs_none(open_visit: Callable[..., Any]) -> None:
    async with serving(_hello, lifespan="off") as port:
        visit = await open_visit(javascript=False)
        await visit.page.goto(f"http://bank.localhost:{port}/")
    assert visit.problems == []


def test_ports_are_loopback() -> None:
    with ports.listening_socket() as listener:
        assert listener.getsockname() == ("127.0.0.1", ports.port_of(listener))
        with socket.create_connection(("127.0.0.1", ports.port_of(listener)), timeout=5):
            pass


def test_chromium_writes_into_a_home_of_its_own(tmp_path: Path) -> None:
    from tests.support import chromium

    program = chromium.executable()
    assert program is not None
    environment = chromium._environment(tmp_path, program)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        assert environment[name] == str(tmp_path)


def test_the_mail_server_with_a_certificate_wants_starttls(tmp_path: Path) -> None:
    server_side, client_side = tls.contexts(tmp_path)
    with smtp.running_smtp(server_side) as mailbox, smtplib.SMTP(mailbox.host, mailbox.port, timeout=5) as client:
        client.ehlo("localhost")
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("bank@example.org", ["giulia@example.org"], "Subject: plain\r\n\r\nno\r\n")
        client.starttls(context=client_side)
        client.sendmail("bank@example.org", ["giulia@example.org"], "Subject: sealed\r\n\r\nyes\r\n")
        assert [message["Subject"] for message in mailbox.messages] == ["sealed"]


def test_lent_databases_come_back_as_they_were_prepared(lending: Lending) -> None:
    server, (name,) = lending.server, lending.lend()
    left = psycopg.connect(server.conninfo(name, OWNER), autocommit=True)
    left.execute("UPDATE one SET word = 'changed'")
    left.execute("INSERT INTO one (word) VALUES ('more')")
    left.execute("INSERT INTO other SELECT n, 1, repeat('x', 100) FROM generate_series(1, 9000) n")
    assert lending.lend() == (name,), "no reason for a new one"
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    with psycopg.connect(server.conninfo(name, OWNER)) as connection:
        assert connection.execute("SELECT id, word FROM one").fetchall() == [(1, "kept")]
        assert connection.execute("SELECT count(*) FROM other").fetchone() == (0,)
        assert connection.execute("INSERT INTO one (word) VALUES ('next') RETURNING id").fetchone() == (2,)


def test_who_changes_more_than_rows_leaves_nothing_of_it_to_the_next(lending: Lending) -> None:
    server, (before,) = lending.server, lending.lend()
    for change in (
        "DROP TRIGGER guard ON one",
        "ALTER TABLE one DISABLE TRIGGER guard",
        "ALTER TABLE one ADD COLUMN more int",
        "ALTER TABLE one ALTER COLUMN word SET NOT NULL",
        "CREATE INDEX words ON one (word)",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        f"GRANT SELECT ON one TO {APP}",
        "DROP TABLE other",
    ):
        with psycopg.connect(server.conninfo(before, OWNER), autocommit=True) as connection:
            connection.execute(change.encode())
        (after,) = lending.lend()
        assert after != before, change
        before = after


@pytest.fixture
def lending(postgres_server: PostgresServer) -> Iterator[Lending]:
    """A database with a row, a table that refers to it, and a trigger."""
    name = postgres_server.new_database()
    with psycopg.connect(postgres_server.conninfo(name, OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE one (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, word text)")
        connection.execute("CREATE TABLE other (id int, of_one int REFERENCES one, long text)")
        refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
        connection.execute(refuse)
        connection.execute("CREATE TRIGGER guard BEFORE DELETE ON one FOR EACH ROW EXECUTE FUNCTION refuse()")
        connection.execute("INSERT INTO one (word) VALUES ('kept')")
    lending = Lending.of(postgres_server, name)
    yield lending
    for one in (*lending.lend(), name):
        postgres_server.drop_database(one)
