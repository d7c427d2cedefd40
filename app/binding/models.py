"""Attempts, challenges, redirect flows, proofs, bindings, authenticators, passkeys. What a visitor typed is sealed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Audited, Base, protect


class Attempt(Audited, Base):
    """One visitor's try. `case_id` is None for a link that is not ours: the same path, which never succeeds.

    `kind` is `entry`, `return`, `step_up` or `unlock`; the latter two belong to a binding from the start.
    `sealed_named` is the account that the visitor named, `handle_hash` and `sealed_subject` the one that was proved.
    `pair_hash` and `customer_hash` are set once the customer is proved, `sealed_identifier` as soon as it is typed.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_session", "session_id", "slug"),
        Index("ix_attempts_expiry", "state", "expires_at"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID]
    kind: Mapped[str]
    slug: Mapped[str]
    case_id: Mapped[UUID | None] = mapped_column(index=True)
    binding_id: Mapped[UUID | None]
    state: Mapped[str]
    version: Mapped[int]
    connector: Mapped[str | None]
    sealed_named: Mapped[bytes | None]
    handle_hash: Mapped[bytes | None]
    sealed_subject: Mapped[bytes | None]
    handle_method: Mapped[str | None]
    handle_proved_at: Mapped[datetime | None]
    sealed_identifier: Mapped[bytes | None]
    pair_hash: Mapped[bytes | None] = mapped_column(index=True)
    customer_hash: Mapped[bytes | None]
    sealed_customer: Mapped[bytes | None]
    customer_method: Mapped[str | None]
    customer_proved_at: Mapped[datetime | None]
    level: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Challenge(Base):
    """A code that was asked for. It can only be right once it was really sent, and only for the one it was sent to.

    It belongs to one version of its attempt, so that asking again, or another way, puts it out of use.
    `typed_hash` comes from what the visitor typed and alone decides what the visitor is told; `pair_hash` and
    `customer_hash` come from the worker's look-up (for unknown identifiers, derived from the identifier).
    """

    __tablename__ = "challenges"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempts.id"), index=True)
    attempt_version: Mapped[int]
    purpose: Mapped[str]
    channel: Mapped[str]
    code_hash: Mapped[bytes]
    typed_hash: Mapped[bytes | None]
    pair_hash: Mapped[bytes | None]
    customer_hash: Mapped[bytes | None]
    sealed_customer: Mapped[bytes | None]
    tries: Mapped[int]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class Flow(Base):
    """One redirect to a provider: single-use, bound to session, attempt and provider."""

    __tablename__ = "flows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state_hash: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    provider: Mapped[str]
    session_id: Mapped[UUID]
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempts.id"), index=True)
    sealed_secrets: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PostedAnswer(Base):
    """What a wallet posted for a redirect, until its browser comes back with the code; the first one stands."""

    __tablename__ = "posted_answers"

    flow_id: Mapped[UUID] = mapped_column(ForeignKey("flows.id"), primary_key=True)
    code_hash: Mapped[bytes]
    sealed_answer: Mapped[bytes]
    received_at: Mapped[datetime] = mapped_column(index=True)
    repeated: Mapped[bool]


class Proof(Audited, Base):
    """One evidence, of handle or of customer, as it was accepted; the attempt says for which binding.

    `method` is `identity:{provider}` for a redirect to an identity provider.
    """

    __tablename__ = "proofs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempts.id"), index=True)
    of: Mapped[str]
    method: Mapped[str]
    level: Mapped[int]
    proved_at: Mapped[datetime]


class Binding(Audited, Base):
    """Handle ↔ customer, one row a pair. Its leaf under a signed checkpoint is its signature (design, words)."""

    __tablename__ = "bindings"
    __table_args__ = (
        UniqueConstraint("handle_hash", "customer_hash"),
        Index("ix_bindings_expiry", "state", "expires_at"),
        {"sqlite_strict": True},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    network: Mapped[str]
    scope: Mapped[str]
    handle_hash: Mapped[bytes]
    customer_hash: Mapped[bytes] = mapped_column(index=True)
    sealed_subject: Mapped[bytes]
    sealed_customer: Mapped[bytes]
    level: Mapped[int]
    state: Mapped[str]
    created_at: Mapped[datetime]
    proved_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    frozen_until: Mapped[datetime | None]


class CustomerFreeze(Audited, Base):
    """A customer to whom nothing is linked for a while, by the bank's word: one row a customer, by the keyed hash."""

    __tablename__ = "customer_freezes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_hash: Mapped[bytes] = mapped_column(unique=True)
    frozen_until: Mapped[datetime]


class Freshness(Audited, Base):
    """How old the proofs of a binding are, and what asks for new ones (`rules.Reproof`); None: nothing but time."""

    __tablename__ = "binding_freshness"

    binding_id: Mapped[UUID] = mapped_column(ForeignKey("bindings.id"), primary_key=True)
    handle_proved_at: Mapped[datetime]
    customer_proved_at: Mapped[datetime]
    needs: Mapped[str | None] = mapped_column(index=True)


class AccountLook(Base):
    """When a network was last asked how a bound account stands; one row an account, whoever it is bound to."""

    __tablename__ = "account_looks"

    handle_hash: Mapped[bytes] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]


class MessageWindow(Base):
    """An account wrote to the bank's own account behind a connector: until it closes, so many codes may go back."""

    __tablename__ = "message_windows"

    connector: Mapped[str] = mapped_column(primary_key=True)
    handle_hash: Mapped[bytes] = mapped_column(primary_key=True)
    closes_at: Mapped[datetime] = mapped_column(index=True)
    codes_left: Mapped[int]


class KnownBrowser(Base):
    """A browser that a binding was used from, by the keyed hash of its cookie."""

    __tablename__ = "known_browsers"

    binding_id: Mapped[UUID] = mapped_column(ForeignKey("bindings.id"), primary_key=True)
    browser_hash: Mapped[bytes] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class NoticeReference(Base):
    """What the notice of a binding lets its reader say "this was not me" with; each notice has its own."""

    __tablename__ = "notice_references"

    reference_hash: Mapped[bytes] = mapped_column(primary_key=True)
    binding_id: Mapped[UUID] = mapped_column(ForeignKey("bindings.id"), index=True)
    created_at: Mapped[datetime]


class Authenticator(Audited, Base):
    """A TOTP of one binding, at no more than the level of the session that enrolled it."""

    __tablename__ = "authenticators"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    binding_id: Mapped[UUID] = mapped_column(ForeignKey("bindings.id"), index=True)
    sealed_secret: Mapped[bytes]
    max_level: Mapped[int]
    last_step: Mapped[int | None]
    state: Mapped[str]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class Passkey(Audited, Base):
    """A passkey of one binding. `sealed_names` holds the credential's id and the holder's random name, as JSON.

    `credential_hash` finds it; `public_key` is in COSE form. A removed or revoked one stays, for its leaves and so that
    no other passkey ever takes its name.
    """

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    binding_id: Mapped[UUID] = mapped_column(ForeignKey("bindings.id"), index=True)
    credential_hash: Mapped[bytes] = mapped_column(unique=True)
    sealed_names: Mapped[bytes]
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    transports: Mapped[str]
    max_level: Mapped[int]
    state: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """A question to a passkey, answered at most once: of one session, and of one version of its attempt if it has one.

    `sealed_holder` is the holder's name that a registration was asked under.
    """

    __tablename__ = "passkey_challenges"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(index=True)
    attempt_id: Mapped[UUID | None] = mapped_column(ForeignKey("attempts.id"), index=True)
    attempt_version: Mapped[int | None]
    challenge: Mapped[bytes]
    sealed_holder: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


for _model in (Attempt, Proof, Binding, CustomerFreeze, Freshness, Authenticator, Passkey):
    protect(_model)
