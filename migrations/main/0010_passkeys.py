"""Passkeys, and the questions that are put to them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BOOLEAN, BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _passkeys()
    _passkey_challenges()


def downgrade() -> None:
    op.drop_table("passkey_challenges")
    op.drop_table("passkeys")
    triggers.forget_protect("passkeys")


def _passkeys() -> None:
    op.create_table(
        "passkeys",
        Column("id", UUID, nullable=False),
        Column("binding_id", UUID, nullable=False),
        Column("credential_hash", BYTES, nullable=False),
        Column("sealed_names", BYTES, nullable=False),
        Column("public_key", BYTES, nullable=False),
        Column("sign_count", WHOLE, nullable=False),
        Column("backup_eligible", BOOLEAN, nullable=False),
        Column("backed_up", BOOLEAN, nullable=False),
        Column("transports", TEXT, nullable=False),
        Column("max_level", WHOLE, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("last_used_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_passkeys"),
        ForeignKeyConstraint(["binding_id"], ["bindings.id"], name="fk_passkeys_binding_id"),
        UniqueConstraint("credential_hash", name="uq_passkeys_credential_hash"),
        UniqueConstraint("leaf_id", name="uq_passkeys_leaf_id"),
        leaf_key("passkeys"),
        sqlite_strict=True,
    )
    op.create_index("ix_passkeys_binding_id", "passkeys", ["binding_id"], unique=False)
    triggers.protect("passkeys")


def _passkey_challenges() -> None:
    op.create_table(
        "passkey_challenges",
        Column("id", UUID, nullable=False),
        Column("session_id", UUID, nullable=False),
        Column("attempt_id", UUID, nullable=True),
        Column("attempt_version", WHOLE, nullable=True),
        Column("challenge", BYTES, nullable=False),
        Column("sealed_holder", BYTES, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("used_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_passkey_challenges"),
        ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_passkey_challenges_attempt_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_passkey_challenges_session_id", "passkey_challenges", ["session_id"], unique=False)
    op.create_index("ix_passkey_challenges_attempt_id", "passkey_challenges", ["attempt_id"], unique=False)
