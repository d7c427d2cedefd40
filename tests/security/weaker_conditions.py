"""What is left of a condition when it looks at less: true less often, for one that refuses, or more often, for a yes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy

Alternative = tuple[str, ast.expr]


def rarer(test: ast.expr) -> Iterator[Alternative]:
    """What is true less often: without one of its alternatives, or with one of its denials denied less."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=values):
            for number, value in enumerate(values):
                yield text(value), _joined(ast.Or(), [*values[:number], *values[number + 1 :]])
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
                yield text(value), _joined(ast.And(), [*values[:number], *values[number + 1 :]])
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
                yield text(pair), _joined(ast.And(), [*pairs[:number], *pairs[number + 1 :]])


def _within(test: ast.BoolOp, weaken: Callable[[ast.expr], Iterator[Alternative]]) -> Iterator[Alternative]:
    for number, value in enumerate(test.values):
        for gone, weaker in weaken(value):
            yield gone, ast.BoolOp(test.op, [*test.values[:number], weaker, *test.values[number + 1 :]])


def _joined(by: ast.boolop, values: list[ast.expr]) -> ast.expr:
    return deepcopy(values[0]) if len(values) == 1 else ast.BoolOp(by, deepcopy(values))


def text(node: ast.AST) -> str:
    """As it is written."""
    return ast.unparse(node)
