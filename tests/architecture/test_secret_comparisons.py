"""What must not be guessed is compared in constant time: `==` on it tells, by its time, how far a guess was right.

Comparisons inside a SQL statement are exempt: a database finds a keyed hash, it does not compare a guess with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import python_files, relative

SECRET = {
    "code_hash", "code_at", "_code_of", "token", "token_hash", "token_of", "expected_hash", "expected_token", "keyed_hash",
    "commit", "mac", "hmac", "hexdigest", "pepper", "secret", "reveal", "password", "password_hash", "csrf", "csrf_token",
    "client_secret", "api_key",
}  # fmt: skip
HARMLESS_CALLS = {"len", "type", "set"}
# the verifier reads public data, the demo's players are clients, and the leak guard's tokens are words of a text
EXEMPT = ("app/compliance/verifier.py", "app/demo/playing/", "security/leaks/")


def _names(node: ast.AST) -> Iterator[str]:
    """Every name of an expression, but not those of which only the length, the type or the letters are looked at."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in HARMLESS_CALLS:
        return
    if isinstance(node, ast.Name):
        yield node.id
    if isinstance(node, ast.Attribute):
        yield node.attr
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _is_column(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id[:1].isupper()


def leaky_comparisons(source: str) -> list[str]:
    """Each `==`, `!=` or `in` on something secret, as text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            continue
        operands = [node.left, *node.comparators]
        if any(_is_column(operand) or isinstance(operand, ast.Constant) for operand in operands):
            continue
        if any(SECRET & set(_names(operand)) for operand in operands):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_nothing_secret_is_compared_with_equals() -> None:
    found = [
        f"{relative(path)}:{one}"
        for path in python_files("app", "security")
        if not relative(path).startswith(EXEMPT)
        for one in leaky_comparisons(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "compare it with hmac.compare_digest"


@pytest.mark.parametrize(
    ("source", "leaks"),
    [
        ("code_hash(pepper, challenge, code) == expected", True),
        ("if row.token_hash != given: raise Wrong", True),
        ("given in [secret.reveal()]", True),
        ("_code_of(secret, step) == typed", True),
        ("hmac.compare_digest(code_hash(pepper, challenge, code), expected)", False),
        ("len(token) == 43", False),
        ("select(Session).where(Session.token_hash == token_hash(token))", False),
        ("if token == '': raise Missing", False),
        ("row.body_hash != body_hash", False),
    ],
)
def test_the_rule_sees_what_it_should(source: str, leaks: bool) -> None:
    assert bool(leaky_comparisons(source)) is leaks
