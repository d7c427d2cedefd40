"""Customers to whom nothing is linked for a while, by the bank's word."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint

from migrations import triggers
from migrations.columns import BYTES, MOMENT, UUID, leaf_key

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_freezes",
        Column("id", UUID, nullable=False),
        Column("customer_hash", BYTES, nullable=False),
        Column("frozen_until", MOMENT, nullable=False),
        Column("leaf_id", UUID, nullable=False),
        PrimaryKeyConstraint("id", name="pk_customer_freezes"),
        UniqueConstraint("customer_hash", name="uq_customer_freezes_customer_hash"),
        UniqueConstraint("leaf_id", name="uq_customer_freezes_leaf_id"),
        leaf_key("customer_freezes"),
        sqlite_strict=True,
    )
    triggers.protect("customer_freezes")


def downgrade() -> None:
    op.drop_table("customer_freezes")
    triggers.forget_protect("customer_freezes")
