"""Databases of a PostgreSQL server that many tests use one after the other: each finds the rows that were prepared.

A copy of a prepared database takes half a second or more, giving it its rows back a tenth of that. A test that changed
more than rows (a table, a trigger, a right) leaves its copies behind, and the next one gets new ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import psycopg

from tests.support.postgres import PostgresServer

_REMEMBER: Final = """
CREATE SCHEMA prepared;
CREATE TABLE prepared."sequences of public" AS
  SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public';
DO $$ DECLARE name text; filled boolean; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
    IF filled THEN EXECUTE format('CREATE TABLE prepared.%I AS TABLE public.%I', name, name); END IF;
  END LOOP;
END $$
"""
# The server's owner may do what triggers refuse to everybody else. What a deletion leaves behind is never cleaned, as
# nothing cleans up in tests: of large tables that would be felt, so that they are made anew, with all that refer to them.
_GIVE_BACK: Final = """
DO $$ DECLARE name text; filled boolean; last bigint; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    IF pg_relation_size(format('public.%I', name)::regclass) > 262144 THEN
      EXECUTE format('TRUNCATE public.%I CASCADE', name);
      CONTINUE;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
    IF filled THEN EXECUTE format('DELETE FROM public.%I', name); END IF;
  END LOOP;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'prepared' AND tablename <> 'sequences of public' LOOP
    EXECUTE format('INSERT INTO public.%I SELECT * FROM prepared.%I', name, name);
  END LOOP;
  FOR name, last IN SELECT sequencename, last_value FROM prepared."sequences of public" LOOP
    PERFORM setval(format('public.%I', name)::regclass, coalesce(last, 1), last IS NOT NULL);
  END LOOP;
END $$
"""
_ALONE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE: Final = """
SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
  SELECT concat_ws(' ', 'relation', oid, relname, relowner, relacl) AS part
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL
  SELECT concat_ws(' ', 'column', attrelid, attname, atttypid, attnotnull, atthasdef)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0
  UNION ALL
  SELECT concat_ws(' ', 'trigger', pg_trigger.oid, tgenabled)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = 'public'::regnamespace
  UNION ALL
  SELECT concat_ws(' ', 'constraint', oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL
  SELECT concat_ws(' ', 'function', oid, prosrc, proacl) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
) AS parts
"""


@dataclass
class Lending:
    """Prepared databases of a server; a copy of each is lent to one test at a time."""

    server: PostgresServer
    prepared: tuple[str, ...]
    _lent: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, server: PostgresServer, *names: str) -> Lending:
        """Remember the rows of databases that nobody is connected to, and lend copies of them from now on."""
        for name in names:
            with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
                connection.execute(_REMEMBER)
        return cls(server, names)

    def lend(self) -> tuple[str, ...]:
        """The copies' names, in order: the same as the last time, with their rows again, where only rows were changed."""
        if not self._lent or not all(_given_back(self.server, name, shape) for name, shape in self._lent.items()):
            for name in self._lent:
                self.server.drop_database(name)
            copies = [self.server.new_database(one) for one in self.prepared]
            self._lent = {name: _shape(self.server, name) for name in copies}
        return tuple(self._lent)


def _given_back(server: PostgresServer, name: str, shape: str | None) -> bool:
    """Whether the database has its rows again; nobody is connected to it any more."""
    try:
        connection = psycopg.connect(server.conninfo(name), autocommit=True)
    except psycopg.OperationalError:
        return False
    with connection:
        connection.execute(_ALONE)
        if _shape_seen(connection) != shape:
            return False
        connection.execute(_GIVE_BACK)
    return True


def _shape(server: PostgresServer, name: str) -> str | None:
    with psycopg.connect(server.conninfo(name)) as connection:
        return _shape_seen(connection)


def _shape_seen(connection: psycopg.Connection[tuple[str]]) -> str | None:
    row = connection.execute(_SHAPE).fetchone()
    return row[0] if row else None
