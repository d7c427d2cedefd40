"""Accounts by SCIM, sign-in at the bank's own provider, and sealed passwords."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, leaf_key

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provisioned_accounts",
        Column("id", UUID, nullable=False),
        Column("external_id", TEXT, nullable=True),
        Column("given_name", TEXT, nullable=False),
        Column("family_name", TEXT, nullable=False),
        Column("roles", TEXT, nullable=False),
        Column("changed_at", MOMENT, nullable=False),
        Column("deleted_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_provisioned_accounts"),
        ForeignKeyConstraint(["id"], ["staff_accounts.id"], name="fk_provisioned_accounts_id"),
        UniqueConstraint("external_id", name="uq_provisioned_accounts_external_id"),
        UniqueConstraint("leaf_id", name="uq_provisioned_accounts_leaf_id"),
        leaf_key("provisioned_accounts"),
        sqlite_strict=True,
    )
    triggers.protect("provisioned_accounts")
    _subjects()
    _flows()
    _sessions()
    _break_glass()


def downgrade() -> None:
    op.drop_table("break_glass")
    op.drop_table("sign_on_sessions")
    op.drop_table("sign_on_flows")
    op.drop_table("staff_subjects")
    op.drop_table("provisioned_accounts")
    for table in ("break_glass", "staff_subjects", "provisioned_accounts"):
        triggers.forget_protect(table)


def _subjects() -> None:
    op.create_table(
        "staff_subjects",
        Column("id", UUID, nullable=False),
        Column("issuer", TEXT, nullable=False),
        Column("subject", TEXT, nullable=False),
        Column("staff_id", UUID, nullable=False),
        Column("linked_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_staff_subjects"),
        UniqueConstraint("issuer", "subject", name="uq_staff_subjects_issuer_subject"),
        UniqueConstraint("issuer", "staff_id", name="uq_staff_subjects_issuer_staff_id"),
        ForeignKeyConstraint(["staff_id"], ["staff_accounts.id"], name="fk_staff_subjects_staff_id"),
        UniqueConstraint("leaf_id", name="uq_staff_subjects_leaf_id"),
        leaf_key("staff_subjects"),
        sqlite_strict=True,
    )
    triggers.protect("staff_subjects")


def _flows() -> None:
    op.create_table(
        "sign_on_flows",
        Column("id", UUID, nullable=False),
        Column("state_hash", BYTES, nullable=False),
        Column("browser_hash", BYTES, nullable=False),
        Column("session_id", UUID, nullable=True),
        Column("sealed_secrets", BYTES, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("used_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_sign_on_flows"),
        UniqueConstraint("state_hash", name="uq_sign_on_flows_state_hash"),
        sqlite_strict=True,
    )
    op.create_index("ix_sign_on_flows_expires_at", "sign_on_flows", ["expires_at"], unique=False)


def _sessions() -> None:
    op.create_table(
        "sign_on_sessions",
        Column("session_id", UUID, nullable=False),
        Column("issuer", TEXT, nullable=False),
        Column("subject", TEXT, nullable=False),
        Column("sid", TEXT, nullable=True),
        Column("acr", TEXT, nullable=False),
        Column("signed_in_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("session_id", name="pk_sign_on_sessions"),
        sqlite_strict=True,
    )
    op.create_index("ix_sign_on_sessions_issuer", "sign_on_sessions", ["issuer", "subject"], unique=False)


def _break_glass() -> None:
    op.create_table(
        "break_glass",
        Column("id", UUID, nullable=False),
        Column("opened_at", MOMENT, nullable=False),
        Column("until", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_break_glass"),
        ForeignKeyConstraint(["id"], ["staff_accounts.id"], name="fk_break_glass_id"),
        UniqueConstraint("leaf_id", name="uq_break_glass_leaf_id"),
        leaf_key("break_glass"),
        sqlite_strict=True,
    )
    triggers.protect("break_glass")
