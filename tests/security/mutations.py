"""One check of a source weakened at a time: gone, without one of the conditions that it joins, or asked to look at less.

What counts as a check: a condition that raises; a call made for nothing but what it refuses; a condition that a filter
or a yes returns; an argument by which a check is told to be strict; a word on a list of what is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

Spot = tuple[str, ast.AST, str, object]
Alternative = tuple[str, ast.expr]

# By which a call is strict; left out, the call falls back to its own default.
STRICTNESS: Final = {
    "Expected": {"algorithms", "required", "longest", "oldest", "plain_audience"},
    "check_times": {"longest", "oldest"},
    "verify_registration_response": {"require_user_verification"},
    "verify_authentication_response": {"require_user_verification"},
    "b64decode": {"validate"},
    "loads": {"object_pairs_hook", "parse_constant"},
}
# Links of a chain of calls that each add a condition to what is built.
CONDITIONS: Final = {"require_present", "may_be_present", "time", "max_chain_depth"}
# Calls for nothing that keep or take away, and refuse nothing.
KEEPING: Final = {"append", "pop"}
# Lists of what is refused: each word on them is a check of its own.
REFUSED: Final = {"_BROUGHT_KEYS", "_EXTENSIONS", "_PRIVATE", "_ALWAYS_OPEN", "_RESERVED"}


def mutations(source: str) -> Iterator[tuple[str, str]]:
    """(name, source) of each mutant; the name begins with the line."""
    tree = ast.parse(source)
    for name, node, field, weaker in list(_spots(tree)):
        as_it_was = getattr(node, field)
        setattr(node, field, weaker)
        yield name, ast.unparse(tree)
        setattr(node, field, as_it_was)


def names(source: str) -> list[str]:
    """Those of its mutants."""
    return [name for name, *_ in _spots(ast.parse(source))]


def _spots(tree: ast.Module) -> Iterator[Spot]:
    # what is handed on or not by name is a wish, and no condition
    wishes = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.keyword)}
    for node in ast.walk(tree):
        match node:
            case ast.If(body=[*_, ast.Raise()]):
                yield from _raising(node)
            case ast.Return(value=ast.BoolOp(op=ast.And()) as said):
                yield from _looser(node, "value", said)
            case ast.IfExp(orelse=ast.Constant(value=None)) if id(node) not in wishes:
                yield from _looser(node, "test", node.test, whole=True)
            case ast.comprehension():
                yield from _filters(node)
            case ast.match_case(guard=ast.expr()):
                yield f"{node.guard.lineno}: guard {_text(node.guard)}", node, "guard", None
            case ast.Call():
                yield from _strictness(node)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as made) if name in REFUSED:
                yield from _words(name, made)
        yield from _calls_for_nothing(node)
        yield from _conditions_of_a_chain(node)


def _raising(check: ast.If) -> Iterator[Spot]:
    shown = f"{check.lineno}: if {_text(check.test)}"
    yield shown, check, "test", ast.Constant(value=False)
    for gone, weaker in rarer(check.test):
        yield f"{shown}, without {gone}", check, "test", weaker


def _looser(node: ast.AST, field: str, condition: ast.expr, *, whole: bool = False) -> Iterator[Spot]:
    shown = f"{condition.lineno}: {_text(condition)}"
    if whole:
        yield f"{shown}, always", node, field, ast.Constant(value=True)
    for gone, weaker in commoner(condition):
        yield f"{shown}, without {gone}", node, field, weaker


def _filters(loop: ast.comprehension) -> Iterator[Spot]:
    for number, condition in enumerate(loop.ifs):
        for gone, weaker in ((_text(condition), ast.Constant(value=True)), *commoner(condition)):
            changed = [*loop.ifs[:number], weaker, *loop.ifs[number + 1 :]]
            yield f"{condition.lineno}: only {_text(condition)}, without {gone}", loop, "ifs", changed


def _strictness(call: ast.Call) -> Iterator[Spot]:
    named = _last_name(call.func)
    for keyword in [one for one in call.keywords if one.arg in STRICTNESS.get(named, ())]:
        without = [one for one in call.keywords if one is not keyword]
        yield f"{keyword.lineno}: {named} without {keyword.arg}", call, "keywords", without
        if isinstance(keyword.value, ast.Tuple):
            for element in keyword.value.elts:
                rest = [one for one in keyword.value.elts if one is not element]
                shown = f"{keyword.lineno}: {named}, {keyword.arg} without {_text(element)}"
                if keyword.arg == "required":
                    yield shown, keyword.value, "elts", rest


def _words(name: str, made: ast.Call) -> Iterator[Spot]:
    listed = made.args[0]
    assert isinstance(listed, ast.Set)
    for word in listed.elts:
        rest = [one for one in listed.elts if one is not word]
        yield f"{word.lineno}: {name} without {_text(word)}", listed, "elts", rest


def _calls_for_nothing(node: ast.AST) -> Iterator[Spot]:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        for number, one in enumerate(statements if isinstance(statements, list) else ()):
            called: ast.expr | None = one.value if isinstance(one, ast.Expr) else None
            call = called.value if isinstance(called, ast.Await) else called
            if isinstance(call, ast.Call) and _last_name(call.func) not in KEEPING:
                changed = [*statements[:number], ast.Pass(), *statements[number + 1 :]]
                yield f"{one.lineno}: {_text(one)}, not called", node, field, changed


def _conditions_of_a_chain(node: ast.AST) -> Iterator[Spot]:
    for field, value in ast.iter_fields(node):
        match value:
            case ast.Call(func=ast.Attribute(attr=link, value=ast.Call() as before)) if link in CONDITIONS:
                yield f"{value.end_lineno}: {link}({_text(value.args[0])}), left out", node, field, before


def rarer(test: ast.expr) -> Iterator[Alternative]:
    """What is true less often: without one of its alternatives, or with one of its denials denied less."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=values):
            for number, value in enumerate(values):
                yield _text(value), _joined(ast.Or(), [*values[:number], *values[number + 1 :]])
            yield from _within(test, rarer)
        case ast.BoolOp():
            yield from _within(test, rarer)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            for gone, looser in commoner(operand):
                yield gone, ast.UnaryOp(ast.Not(), looser)


def commoner(test: ast.expr) -> Iterator[Alternative]:
    """What is true more often: without one of the conditions that it joins."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            for number, value in enumerate(values):
                yield _text(value), _joined(ast.And(), [*values[:number], *values[number + 1 :]])
            yield from _within(test, commoner)
        case ast.BoolOp():
            yield from _within(test, commoner)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            for gone, tighter in rarer(operand):
                yield gone, ast.UnaryOp(ast.Not(), tighter)
        case ast.Call(func=ast.Name(id="all"), args=[ast.GeneratorExp(elt=each, generators=over)]):
            for gone, looser in commoner(each):
                yield gone, ast.Call(test.func, [ast.GeneratorExp(looser, over)], [])
        case ast.Compare(ops=[_, _, *_]):
            sides = [test.left, *test.comparators]
            pairs: list[ast.expr] = [
                ast.Compare(sides[number], [op], [sides[number + 1]]) for number, op in enumerate(test.ops)
            ]
            for number, pair in enumerate(pairs):
                yield _text(pair), _joined(ast.And(), [*pairs[:number], *pairs[number + 1 :]])


def _within(test: ast.BoolOp, weaken: Callable[[ast.expr], Iterator[Alternative]]) -> Iterator[Alternative]:
    for number, value in enumerate(test.values):
        for gone, weaker in weaken(value):
            yield gone, ast.BoolOp(test.op, [*test.values[:number], weaker, *test.values[number + 1 :]])


def _joined(by: ast.boolop, values: list[ast.expr]) -> ast.expr:
    return deepcopy(values[0]) if len(values) == 1 else ast.BoolOp(by, deepcopy(values))


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
