"""Attempts, proofs, bindings, authenticators."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, TEXT, UUID, WHOLE, leaf_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _attempts()
    _challenges()
    _flows()
    _proofs()
    _bindings()
    _notice_references()
    _authenticators()


def downgrade() -> None:
    op.drop_table("authenticators")
    triggers.forget_protect("authenticators")
    op.drop_table("notice_references")
    op.drop_table("bindings")
    triggers.forget_protect("bindings")
    op.drop_table("proofs")
    triggers.forget_protect("proofs")
    op.drop_table("flows")
    op.drop_table("challenges")
    op.drop_table("attempts")
    triggers.forget_protect("attempts")


def _attempts() -> None:
    op.create_table(
        "attempts",
        Column("id", UUID, nullable=False),
        Column("session_id", UUID, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("slug", TEXT, nullable=False),
        Column("case_id", UUID, nullable=True),
        Column("binding_id", UUID, nullable=True),
        Column("state", TEXT, nullable=False),
        Column("version", WHOLE, nullable=False),
        Column("connector", TEXT, nullable=True),
        Column("sealed_named", BYTES, nullable=True),
        Column("handle_hash", BYTES, nullable=True),
        Column("sealed_subject", BYTES, nullable=True),
        Column("handle_method", TEXT, nullable=True),
        Column("handle_proved_at", MOMENT, nullable=True),
        Column("sealed_identifier", BYTES, nullable=True),
        Column("pair_hash", BYTES, nullable=True),
        Column("customer_hash", BYTES, nullable=True),
        Column("sealed_customer", BYTES, nullable=True),
        Column("customer_method", TEXT, nullable=True),
        Column("customer_proved_at", MOMENT, nullable=True),
        Column("level", WHOLE, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_attempts"),
        UniqueConstraint("leaf_id", name="uq_attempts_leaf_id"),
        leaf_key("attempts"),
        sqlite_strict=True,
    )
    op.create_index("ix_attempts_case_id", "attempts", ["case_id"], unique=False)
    op.create_index("ix_attempts_pair_hash", "attempts", ["pair_hash"], unique=False)
    op.create_index("ix_attempts_session", "attempts", ["session_id", "slug"], unique=False)
    triggers.protect("attempts")


def _challenges() -> None:
    op.create_table(
        "challenges",
        Column("id", UUID, nullable=False),
        Column("attempt_id", UUID, nullable=False),
        Column("attempt_version", WHOLE, nullable=False),
        Column("purpose", TEXT, nullable=False),
        Column("channel", TEXT, nullable=False),
        Column("code_hash", BYTES, nullable=False),
        Column("typed_hash", BYTES, nullable=True),
        Column("pair_hash", BYTES, nullable=True),
        Column("customer_hash", BYTES, nullable=True),
        Column("sealed_customer", BYTES, nullable=True),
        Column("tries", WHOLE, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("sent_at", MOMENT, nullable=True),
        Column("used_at", MOMENT, nullable=True),
        Column("expires_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("id", name="pk_challenges"),
        ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_challenges_attempt_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_challenges_attempt_id", "challenges", ["attempt_id"], unique=False)


def _flows() -> None:
    op.create_table(
        "flows",
        Column("id", UUID, nullable=False),
        Column("state_hash", BYTES, nullable=False),
        Column("kind", TEXT, nullable=False),
        Column("provider", TEXT, nullable=False),
        Column("session_id", UUID, nullable=False),
        Column("attempt_id", UUID, nullable=False),
        Column("sealed_secrets", BYTES, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("used_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_flows"),
        UniqueConstraint("state_hash", name="uq_flows_state_hash"),
        ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_flows_attempt_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_flows_attempt_id", "flows", ["attempt_id"], unique=False)


def _proofs() -> None:
    op.create_table(
        "proofs",
        Column("id", UUID, nullable=False),
        Column("attempt_id", UUID, nullable=False),
        Column("of", TEXT, nullable=False),
        Column("method", TEXT, nullable=False),
        Column("level", WHOLE, nullable=False),
        Column("proved_at", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_proofs"),
        ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_proofs_attempt_id"),
        UniqueConstraint("leaf_id", name="uq_proofs_leaf_id"),
        leaf_key("proofs"),
        sqlite_strict=True,
    )
    op.create_index("ix_proofs_attempt_id", "proofs", ["attempt_id"], unique=False)
    triggers.protect("proofs")


def _bindings() -> None:
    op.create_table(
        "bindings",
        Column("id", UUID, nullable=False),
        Column("network", TEXT, nullable=False),
        Column("scope", TEXT, nullable=False),
        Column("handle_hash", BYTES, nullable=False),
        Column("customer_hash", BYTES, nullable=False),
        Column("sealed_subject", BYTES, nullable=False),
        Column("sealed_customer", BYTES, nullable=False),
        Column("level", WHOLE, nullable=False),
        Column("state", TEXT, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("proved_at", MOMENT, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("revoked_at", MOMENT, nullable=True),
        Column("frozen_until", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        UniqueConstraint("handle_hash", "customer_hash", name="uq_bindings_handle_hash_customer_hash"),
        PrimaryKeyConstraint("id", name="pk_bindings"),
        UniqueConstraint("leaf_id", name="uq_bindings_leaf_id"),
        leaf_key("bindings"),
        sqlite_strict=True,
    )
    op.create_index("ix_bindings_customer_hash", "bindings", ["customer_hash"], unique=False)
    triggers.protect("bindings")


def _notice_references() -> None:
    op.create_table(
        "notice_references",
        Column("reference_hash", BYTES, nullable=False),
        Column("binding_id", UUID, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("reference_hash", name="pk_notice_references"),
        ForeignKeyConstraint(["binding_id"], ["bindings.id"], name="fk_notice_references_binding_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_notice_references_binding_id", "notice_references", ["binding_id"], unique=False)


def _authenticators() -> None:
    op.create_table(
        "authenticators",
        Column("id", UUID, nullable=False),
        Column("binding_id", UUID, nullable=False),
        Column("sealed_secret", BYTES, nullable=False),
        Column("max_level", WHOLE, nullable=False),
        Column("last_step", WHOLE, nullable=True),
        Column("state", TEXT, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("confirmed_at", MOMENT, nullable=True),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_authenticators"),
        ForeignKeyConstraint(["binding_id"], ["bindings.id"], name="fk_authenticators_binding_id"),
        UniqueConstraint("leaf_id", name="uq_authenticators_leaf_id"),
        leaf_key("authenticators"),
        sqlite_strict=True,
    )
    op.create_index("ix_authenticators_binding_id", "authenticators", ["binding_id"], unique=False)
    triggers.protect("authenticators")
