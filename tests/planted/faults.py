"""The planted faults: what each does to the code, and the tests that must notice. How to add one: docs/planted-faults.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.planted.overlay import Change, add, both, swap


@dataclass(frozen=True)
class Fault:
    """`plant` changes files by path; of `suite` at least one test must fail with a text that `fails_with` finds."""

    says: str
    plant: Mapping[str, Change]
    suite: tuple[str, ...]
    fails_with: str
    in_children: bool = False
    """The tests do their work in child processes: the fault is planted there as well."""


_OUTSIDE: Final = """
async def _outside(db: AsyncSession) -> None:
    services = services_of(db)
    info = {"services": services, "leaves": db.info.pop("leaves", [])}
    async with AsyncSession(services.write_engine, info=info) as own:
        await _write_leaves(own)
        await own.commit()
"""

_LOOK_FIRST: Final = """\
    row = (await db.execute(select(IdempotentAnswer).where(IdempotentAnswer.key_hash == key_hash))).scalar_one_or_none()
    if row is None:
        db.add(
            IdempotentAnswer(
                key_hash=key_hash, body_hash=body_hash, status=None, sealed_answer=None, created_at=now
            )
        )
        await db.flush()
        return Claim(key_hash, None, None)
"""

_TOLD_ANYWAY: Final = """
import contextlib
from sqlalchemy.exc import DBAPIError

@contextlib.asynccontextmanager
async def _told_anyway(services: Services):
    with contextlib.suppress(DBAPIError):
        async with transaction(services) as db:
            yield db
"""

FAULTS: Final[dict[str, Fault]] = {
    "synchronous-normal": Fault(
        "SQLite syncs at checkpoints only",
        {"app/database.py": swap('"synchronous=FULL"', '"synchronous=NORMAL"')},
        ("tests/planted/test_short_power_cut.py::test_no_power_cut_of_a_short_record_loses_what_was_acknowledged",),
        r"points that lost something promised",
        in_children=True,
    ),
    "audit-outside-the-transaction": Fault(
        "leaves are committed by a transaction of their own",
        {
            "app/audit/service.py": both(
                swap("before_commit(db, _write_leaves)", "before_commit(db, _outside)"), add(_OUTSIDE)
            )
        },
        ("tests/app/audit/test_recording.py::test_an_act_whose_commit_fails_leaves_no_leaf[postgresql]",),
        r"assert \d+ == \d+",
    ),
    "idempotency-check-before-lock": Fault(
        "a key is looked for first and claimed afterwards",
        {
            "app/limits/idempotency.py": swap(
                "    taken = await db.execute(\n", f"{_LOOK_FIRST}    taken = await db.execute(\n"
            )
        },
        ("tests/app/limits/test_idempotency.py::test_twenty_at_once_act_once[postgresql]",),
        r"assert \{\(",
    ),
    "code-counter-read-modify-write": Fault(
        "a try at a code is counted from the number read before",
        {"app/binding/challenges.py": swap(".values(tries=Challenge.tries + 1)", ".values(tries=challenge.tries + 1)")},
        (
            "tests/app/binding/test_counting.py"
            "::test_a_try_that_read_the_counter_before_another_was_committed_counts_too[postgresql]",
        ),
        r"assert 1 == 2",
    ),
    "await-removed-from-an-auth-call": Fault(
        "the check of a typed code is called and not awaited",
        {
            "app/binding/customer_proof.py": swap(
                "await challenges.check(db, challenge, code)", "challenges.check(db, challenge, code)"
            )
        },
        ("tests/app/binding/test_races.py::test_fifty_wrong_codes_at_once_are_five_guesses[sqlite]",),
        r"assert 'done' not in",
    ),
    "actor-scope-removed-in-one-query": Fault(
        "a room's history forgets in which session a message was written",
        {
            "app/conversations/queries.py": swap(
                "visible = and_(visible, Message.session_id == seen.only_session)", "visible = and_(visible)"
            )
        },
        (
            "tests/app/conversations/test_sight.py"
            "::test_at_l2_a_session_sees_what_was_written_in_it_and_nothing_older[sqlite]",
        ),
        r"'anche questo'",
    ),
    "digest-compared-with-equals": Fault(
        "a code's hash is compared with == and tells by its time how far a guess was right",
        {
            "security/codes.py": swap(
                "not hmac.compare_digest(code_hash(pepper, challenge_id, code), expected_hash)",
                "code_hash(pepper, challenge_id, code) != expected_hash",
            )
        },
        ("tests/architecture/test_secret_comparisons.py::test_nothing_secret_is_compared_with_equals",),
        r"compare it with hmac\.compare_digest",
    ),
    "ssrf-guard-is-global-only": Fault(
        "the guard of outgoing requests believes ipaddress.is_global",
        {"app/outbound.py": swap("    if not allowed:\n", "    if not address.is_global:\n")},
        ("tests/app/test_outbound.py::test_special_address_is_refused",),
        r"DID NOT RAISE",
    ),
    "text-logged-on-a-500": Fault(
        "an unexpected error is logged with its text, which may quote what a customer wrote",
        {"app/http/problems.py": swap("error=type(error).__name__, place=place", "error=repr(error), place=place")},
        ("tests/app/http/test_problems.py::test_unexpected_error_shows_only_the_request_id[bug]",),
        r"CANARY",
    ),
    "email-used-as-identity": Fault(
        "a provider's answer is believed by its e-mail address",
        {
            "app/binding/identity_provider.py": swap(
                'for name in ("customer_number", "nonce", "acr"))',
                'for name in ("email" if "email" in document else "customer_number", "nonce", "acr"))',
            )
        },
        ("tests/app/binding/test_identity_answers.py::test_the_number_identifies_whatever_address_stands_beside_it",),
        r"carlo@posta\.example",
    ),
    "stream-not-cut-on-revoke": Fault(
        "a reader who may not read any more keeps an open stream",
        {
            "app/conversations/delivery.py": swap(
                "                await self._refuse(inbox, standing.verdict)\n", "                continue\n"
            )
        },
        (
            "tests/app/conversations/test_stream.py"
            "::test_a_customers_stream_ends_within_a_second_and_shows_nothing_more[sqlite-session ended]",
        ),
        r"TimeoutError",
    ),
    "csp-dropped-on-404": Fault(
        "a page that is not there has no Content-Security-Policy",
        {
            "app/web/headers.py": swap(
                "(_POLICY, policy)]", '*([(_POLICY, policy)] if message["status"] != 404 else [])]'
            )
        },
        ("tests/app/web/test_headers.py::test_answer_of_any_kind_has_every_header_once[/nothing]",),
        r"content-security-policy",
    ),
    "answer-before-commit": Fault(
        "a request is answered before its transaction is committed",
        {
            "app/http/dependencies.py": swap(
                'Depends(_transaction, scope="function")', 'Depends(_transaction, scope="request")'
            )
        },
        ("tests/app/test_database.py::test_a_commit_that_fails_is_no_success_and_stores_nothing[sqlite]",),
        r"assert 200 == 500",
    ),
    "lane-answers-before-commit": Fault(
        "the lane answers a group whatever became of its commit",
        {
            "app/conversations/committing.py": both(
                swap(
                    "    async with transaction(services) as db:\n        group = await _group(db, commands)\n",
                    "    async with _told_anyway(services) as db:\n        group = await _group(db, commands)\n",
                ),
                add(_TOLD_ANYWAY),
            )
        },
        (
            "tests/app/conversations/test_poisoned_groups.py"
            "::test_a_fault_of_the_database_is_one_posts_alone[sqlite-a failing commit]",
        ),
        r"isinstance\(broken, Exception\)",
    ),
    "history-without-order": Fault(
        "a room's history is read without an order",
        {
            "app/conversations/queries.py": swap(
                "statement.where(RoomEvent.n > window.after).order_by(RoomEvent.n)",
                "statement.where(RoomEvent.n > window.after)",
            )
        },
        (
            "tests/app/conversations/test_order.py::test_every_window_of_a_room_is_cut_and_shown_in_order[sqlite-customer]",
        ),
        r"Window\(after=0",
    ),
}
