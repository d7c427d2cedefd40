"""The triggers that keep evidence honest, as the revisions write them.

Frozen: revisions already applied were made with this text, so a trigger that changes gets functions of its own and a
revision that replaces the old one. On SQLite a trigger goes with its table; on PostgreSQL its function stays behind.
"""

from __future__ import annotations

from alembic import op


def protect(table: str) -> None:
    """An UPDATE needs a new leaf, a DELETE is refused."""
    no_leaf, no_delete = f"{table}: a change needs a new leaf", f"{table}: rows are never deleted"
    if _is_sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_needs_leaf BEFORE UPDATE ON {table} WHEN NEW.leaf_id = OLD.leaf_id "
            f"BEGIN SELECT RAISE(ABORT, '{no_leaf}'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{no_delete}'); END"
        )
        return
    _refusing_function(f"{table}_needs_leaf", no_leaf)
    op.execute(
        f"CREATE TRIGGER {table}_needs_leaf BEFORE UPDATE ON {table} FOR EACH ROW "
        f"WHEN (NEW.leaf_id = OLD.leaf_id) EXECUTE FUNCTION {table}_needs_leaf()"
    )
    _refusing_function(f"{table}_no_delete", no_delete)
    op.execute(
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_no_delete()"
    )
    op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {table}_no_delete()")


def forget_protect(table: str) -> None:
    """Undo `protect`, after the table is gone."""
    _drop_functions(f"{table}_needs_leaf", f"{table}_no_delete")


def append_only(table: str) -> None:
    """Every UPDATE and DELETE is refused."""
    message = f"{table} is append-only"
    if _is_sqlite():
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    _refusing_function(f"{table}_append_only", message)
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
        f"EXECUTE FUNCTION {table}_append_only()"
    )
    op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {table}_append_only()")


def forget_append_only(table: str) -> None:
    """Undo `append_only`, after the table is gone."""
    _drop_functions(f"{table}_append_only")


def enqueue_leaves() -> None:
    """Every new leaf joins the queue of those without a place."""
    if _is_sqlite():
        op.execute(
            "CREATE TRIGGER audit_leaves_enqueue AFTER INSERT ON audit_leaves "
            "BEGIN INSERT INTO audit_pending (stage_no) VALUES (NEW.stage_no); END"
        )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION audit_leaves_enqueue() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO audit_pending (stage_no) VALUES (NEW.stage_no); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_leaves_enqueue AFTER INSERT ON audit_leaves FOR EACH ROW "
        "EXECUTE FUNCTION audit_leaves_enqueue()"
    )


def forget_enqueue_leaves() -> None:
    """Undo `enqueue_leaves`, after the table is gone."""
    _drop_functions("audit_leaves_enqueue")


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _refusing_function(name: str, message: str) -> None:
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )


def _drop_functions(*names: str) -> None:
    if not _is_sqlite():
        for name in names:
            op.execute(f"DROP FUNCTION {name}()")
