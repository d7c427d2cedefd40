"""Registered programs, access tokens, and values that count once."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BOOLEAN, BYTES, MOMENT, TEXT, UUID, leaf_key

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "machine_clients",
        Column("id", UUID, nullable=False),
        Column("issuer", TEXT, nullable=False),
        Column("client_id", TEXT, nullable=False),
        Column("scopes", TEXT, nullable=False),
        Column("public_keys", TEXT, nullable=False),
        Column("requires_dpop", BOOLEAN, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_machine_clients"),
        UniqueConstraint("issuer", "client_id", name="uq_machine_clients_issuer_client_id"),
        ForeignKeyConstraint(["id"], ["staff_accounts.id"], name="fk_machine_clients_id"),
        UniqueConstraint("leaf_id", name="uq_machine_clients_leaf_id"),
        leaf_key("machine_clients"),
        sqlite_strict=True,
    )
    triggers.protect("machine_clients")
    op.create_table(
        "access_tokens",
        Column("session_id", UUID, nullable=False),
        Column("token_key", BYTES, nullable=False),
        Column("issuer", TEXT, nullable=False),
        Column("client_id", TEXT, nullable=False),
        Column("jkt", TEXT, nullable=True),
        PrimaryKeyConstraint("session_id", name="pk_access_tokens"),
        UniqueConstraint("token_key", name="uq_access_tokens_token_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "spent_values",
        Column("key_hash", BYTES, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("key_hash", name="pk_spent_values"),
        sqlite_strict=True,
    )
    op.create_index("ix_spent_values_expires_at", "spent_values", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("spent_values")
    op.drop_table("access_tokens")
    op.drop_table("machine_clients")
    triggers.forget_protect("machine_clients")
