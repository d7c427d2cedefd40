"""Every single check of the code that believes tokens is needed: without it, some forgery is not refused for its fault."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.security.mutants import CHECKED, ROOT, source_of
from tests.security.mutations import mutations, names

# What may be left out without a forgery being missed: another check refuses the same, or it is no check at all.
NO_DIFFERENCE: Final = {
    "security.jwts: unb64url(parsed.text.rpartition('.')[2]), not called": "joserfc 1.8 refuses other spellings, too",
    "security.jwts: if not isinstance(key, RSAKey) and (not (isinstance(key, ECKey) and key.curve_name == 'P-256')), "
    "without isinstance(key, ECKey)": "no other kind of key is on that curve",
    "security.logout_tokens: Expected without algorithms": "the default, written out",
    "security.sd_jwt: _ALWAYS_OPEN without 'iss'": "looked for in the open before: of no issuer",
    "security.sd_jwt: _ALWAYS_OPEN without 'exp'": "looked for in the open before: without an end",
    "security.sd_jwt: _ALWAYS_OPEN without 'cnf'": "looked for in the open before: of no holder",
    "security.sd_jwt: _ALWAYS_OPEN without 'vct'": "looked for in the open before: of no type",
    "security.sd_jwt: only name != '_sd_alg', without name != '_sd_alg'": "a name more among the claims",
    "security.sd_jwt: only name != '_sd', without name != '_sd'": "a name more among the claims",
    "security.certificates: may_be_present(ExtendedKeyUsage), left out": "a permission",
    "security.certificates: may_be_present(CertificatePolicies), left out": "a permission",
    "security.certificates: max_chain_depth(LONGEST_CHAIN), left out": "no chain of that length is read",
    "security.client_assertions: if not isinstance(named, str) or not 0 < len(named) <= _LONGEST_NAME, "
    "without not isinstance(named, str)": "joserfc 1.8 refuses names that are no text, too",
    "security.client_assertions: Expected without longest": "the life since `iat`, which is now, is bounded as well",
    **dict.fromkeys(
        (
            f"security.passkeys: only isinstance(word, str) and word in _TRANSPORTS, without {one}"
            for one in (
                "isinstance(word, str) and word in _TRANSPORTS",
                "isinstance(word, str)",
                "word in _TRANSPORTS",
            )
        ),
        "a hint for the browser",
    ),
    **dict.fromkeys(
        (
            "app.oauth.server: if fresh is keys",
            "app.oauth.server: newer_than is not None and asked_at <= newer_than and (now >= asked_at + "
            "BETWEEN_REFRESHES), without asked_at <= newer_than",
            "app.oauth.server: newer_than is not None and asked_at <= newer_than and (now >= asked_at + "
            "BETWEEN_REFRESHES), without now >= asked_at + BETWEEN_REFRESHES",
        ),
        "how often keys are asked for: tests/app/oauth/test_server.py",
    ),
    "app.oauth.client: metadata.binds_tokens, always": "how userinfo is asked for",
    "app.oauth.client: await self._post(metadata.revoke, {'token': token}, now, key=bound_to), not called": "gives a token back",
    "app.binding.openid_provider: await self.client.revoke(tokens, answer.now), not called": "gives tokens back",
    "app.binding.openid_provider: await self.client.server.checked(lambda keys: keys, now), not called": "the doctor's",
    "app.binding.openid_provider: only not there, without not there": "the doctor's",
    "app.binding.openid_provider: only level > enough, without level > enough": "what a step-up asks for",
}


@pytest.fixture(scope="module")
def noticed() -> dict[str, list[str]]:
    """From each mutant of each module to the forgeries that noticed it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_unchanged_every_forgery_is_refused_in_the_fork_too(noticed: dict[str, list[str]]) -> None:
    assert noticed["nothing changed"] == []


@pytest.mark.parametrize("module", CHECKED)
def test_a_check_that_is_taken_out_is_missed(module: str, noticed: dict[str, list[str]]) -> None:
    mutants = [f"{module}:{name}" for name in names(source_of(module))]
    assert len(mutants) == len(set(mutants)) > 0
    unseen = [mutant.partition(": ")[2] for mutant in mutants if not noticed[mutant]]
    assert [f"{module}: {shown}" for shown in unseen if f"{module}: {shown}" not in NO_DIFFERENCE] == []


def test_what_makes_no_difference_is_still_there(noticed: dict[str, list[str]]) -> None:
    unseen = {f"{name.partition(':')[0]}: {name.partition(': ')[2]}" for name, seen in noticed.items() if not seen}
    assert sorted(set(NO_DIFFERENCE) - unseen) == []


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        (
            "if a or b:\n    raise ValueError",
            {"if a or b": "if False:", "if a or b, without a": "if b:", "if a or b, without b": "if a:"},
        ),
        ("if not (a and b):\n    raise ValueError", {"if not (a and b)": "if False:", "if not (a and b), without a": "if not b:", "if not (a and b), without b": "if not a:"}),
        ("if not 0 < a <= 9:\n    raise ValueError", {"if not 0 < a <= 9": "if False:", "if not 0 < a <= 9, without 0 < a": "if not a <= 9:", "if not 0 < a <= 9, without a <= 9": "if not 0 < a:"}),
        ("if a and b:\n    raise ValueError", {"if a and b": "if False:"}),
        ("if a:\n    pass", {}),
        ("check(a)", {"check(a), not called": "pass"}),
        ("x = check(a)", {}),
        ("x = [y for y in z if a and b]", {"only a and b, without a and b": "x = [y for y in z if True]", "only a and b, without a": "x = [y for y in z if b]", "only a and b, without b": "x = [y for y in z if a]"}),
        ("x = y if a and b else None", {"a and b, always": "x = y if True else None", "a and b, without a": "x = y if b else None", "a and b, without b": "x = y if a else None"}),
        ("x = Expected(required=('a', 'b'))", {"Expected without required": "x = Expected()", "Expected, required without 'a'": "x = Expected(required=('b',))", "Expected, required without 'b'": "x = Expected(required=('a',))"}),
        ("_PRIVATE: F = frozenset({'d', 'k'})", {"_PRIVATE without 'd'": "_PRIVATE: F = frozenset({'k'})", "_PRIVATE without 'k'": "_PRIVATE: F = frozenset({'d'})"}),
        ("x = Builder().time(now).build()", {"time(now), left out": "x = Builder().build()"}),
    ],
)  # fmt: skip
def test_a_mutant_lacks_exactly_its_check(source: str, mutants: dict[str, str]) -> None:
    made = {name.partition(": ")[2]: text.splitlines()[0] for name, text in mutations(source)}
    assert made == mutants
