"""What somebody with the database in his hands could do: triggers and foreign keys do not stop its owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from tests.support.house import House


async def tampered(house: House, *statements: str, **values: Any) -> None:
    """Run statements behind the triggers' backs, then put the triggers back as they were."""
    async with house.services.write_engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await _on_postgresql(house, statements, values)
            return
        triggers = (await connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))).all()
        for trigger in triggers:
            await connection.execute(text(f"DROP TRIGGER {trigger.name}"))
        for statement in statements:
            await connection.execute(text(statement), values)
        for trigger in triggers:
            await connection.exec_driver_sql(trigger.sql)
        await connection.commit()


async def _on_postgresql(house: House, statements: tuple[str, ...], values: dict[str, Any]) -> None:
    import psycopg
    from sqlalchemy.engine import make_url

    url = make_url(house.urls.main)
    where = f"host={url.query['host']} user=postgres dbname={url.database}"
    async with await psycopg.AsyncConnection.connect(where) as connection:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            named = statement
            for name in values:
                named = named.replace(f":{name}", f"%({name})s")
            await connection.execute(named, values)  # type: ignore[arg-type]
