"""One check of a source weakened at a time: gone, without one of the conditions that it joins, or asked to look at less.

What counts as a check: a condition that raises, leaves with a word, goes on to the next or puts a value in the place of
what it does not take; a yes, whatever it says it by; a call made for nothing but what it refuses; a condition that a
filter or a query joins; an argument by which a check is told to be strict; a word on a list of what is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tests.security.weaker_conditions import commoner, rarer, text

Spot = tuple[str, ast.AST, str, object]
Function = ast.FunctionDef | ast.AsyncFunctionDef

# By which a call is strict; left out, the call falls back to its own default.
STRICTNESS: Final = {
    "Asked": {"signed_in_since"},
    "Expected": {"algorithms", "required", "longest", "oldest", "plain_audience"},
    "OAuthClient": {"demands_nonces"},
    "check_times": {"longest", "oldest"},
    "verify_registration_response": {"require_user_verification"},
    "verify_authentication_response": {"require_user_verification"},
    "b64decode": {"validate"},
    "loads": {"object_pairs_hook", "parse_constant"},
}
# Links of a chain of calls that each add a condition to what is built.
CONDITIONS: Final = {"require_present", "may_be_present", "time", "max_chain_depth"}
# Calls for nothing that keep, take away or tell, and refuse nothing.
KEEPING: Final = {
    "append", "pop", "db.add", "super().__init__", "record", "_note_end", "_note_leaver", "warning", "set_cookie", "set_staff_cookie",
    "delete_cookie", "include_router",
}  # fmt: skip
# Functions that do nothing but refuse.
REFUSING: Final = {"refuse"}
# Those whose yes refuses.
FEARED: Final = {"is_withdrawn", "_is_gone"}
# Lists of what is refused, or of all that must be there: each word on them is a check of its own.
REFUSED: Final = {
    "_BROUGHT_KEYS", "_EXTENSIONS", "_PRIVATE", "_ALWAYS_OPEN", "_RESERVED", "_NEVER", "_LISTED", "_PROMISED", "_GONE",
    "_NOT_NOW",
}  # fmt: skip
YES, NO, NOTHING, VALUE = "yes", "no", "nothing", "value"


def mutations(source: str) -> Iterator[tuple[str, ast.Module]]:
    """(name, tree) of each mutant; the name begins with the line. The tree is the mutant until the next one is asked for."""
    tree = ast.parse(source)
    for name, node, field, weaker in list(_spots(tree)):
        as_it_was = getattr(node, field)
        setattr(node, field, weaker)
        yield name, tree
        setattr(node, field, as_it_was)


def names(source: str) -> list[str]:
    """Those of its mutants."""
    return [name for name, *_ in _spots(ast.parse(source))]


def functions(tree: ast.AST) -> list[Function]:
    """All of them, those inside others after them."""
    return [one for one in ast.walk(tree) if isinstance(one, Function)]


def _spots(tree: ast.Module) -> Iterator[Spot]:
    # what is handed on or not by name is a wish, and no condition
    wishes = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.keyword)}
    meanings = {id(one): _meaning(each) for each in functions(tree) for one in ast.walk(each)}
    tidying = {id(one) for each in functions(tree) if each.name.startswith("forget_") for one in ast.walk(each)}
    for node in ast.walk(tree):
        if id(node) in tidying:
            continue
        match node:
            case ast.If():
                yield from _branch(node, meanings.get(id(node), VALUE))
            case ast.Return(value=ast.expr()):
                yield from _answer(node, meanings[id(node)])
            case ast.IfExp() if id(node) not in wishes:
                yield from _choice(node)
            case ast.comprehension():
                yield from _filters(node)
            case ast.match_case(guard=ast.expr() as guard):
                yield f"{guard.lineno}: guard {text(guard)}", node, "guard", None
            case ast.Call():
                yield from _strictness(node)
                yield from _conditions_of_a_query(node)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield from _words(name, node)
            case ast.Assign(targets=[ast.Name()], value=ast.Compare() | ast.BoolOp(op=ast.And())):
                yield from _looser(node, "value", node.value, whole=True)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _last_word(node)
        yield from _calls_for_nothing(node)
        yield from _conditions_of_a_chain(node)


def _meaning(function: Function) -> str:
    """What an answer of this function means."""
    match function.returns:
        case ast.Name(id="bool"):
            return NO if function.name in FEARED else YES
        case ast.Constant(value=None):
            return NOTHING
        case _:
            return VALUE


def _branch(check: ast.If, meaning: str) -> Iterator[Spot]:
    if _refuses(check, meaning):
        yield f"{_shown(check)}", check, "test", ast.Constant(value=False)
        for gone, weaker in rarer(check.test):
            yield f"{_shown(check)}, without {gone}", check, "test", weaker
    elif isinstance(check.body[-1], ast.Return):
        yield f"{_shown(check)}, always", check, "test", ast.Constant(value=True)
        for gone, weaker in commoner(check.test):
            yield f"{_shown(check)}, without {gone}", check, "test", weaker
    elif _decides(check):
        for gone, weaker in commoner(check.test):
            yield f"{_shown(check)}, without {gone}", check, "test", weaker


def _refuses(check: ast.If, meaning: str) -> bool:
    match check.body[-1]:
        case ast.Raise() | ast.Continue():
            return True
        case ast.Expr(value=ast.Call() as called):
            return _last_name(called.func) in REFUSING
        case ast.Return(value=said):
            return _is_refusal(said, meaning)
        case ast.Assign(targets=[ast.Name(id=name)]) if not check.orelse and len(check.body) == 1:
            return name in {one.id for one in ast.walk(check.test) if isinstance(one, ast.Name)}
    return False


def _is_refusal(said: ast.expr | None, meaning: str) -> bool:
    """Nothing, a no, a word, or something made of nothing but words."""
    match said:
        case None:
            return meaning != NOTHING
        case ast.Constant(value=bool(yes)) if meaning in (YES, NO):
            return yes is (meaning == NO)
        case ast.Name(id=word):
            return word.isupper()
        case ast.Call(args=[_, *_] as made_of):
            return all(isinstance(one, ast.Constant) for one in made_of)
    return isinstance(said, ast.Constant)


def _decides(check: ast.If) -> bool:
    """One thing either way: the better one if all of the conditions hold."""
    match check.body, check.orelse:
        case [ast.Assign(targets=[ast.Name(id=one)])], [ast.Assign(targets=[ast.Name(id=other)])]:
            return one == other
    return False


def _answer(node: ast.Return, meaning: str) -> Iterator[Spot]:
    said = node.value
    assert said is not None
    if isinstance(said, ast.BoolOp) and isinstance(said.op, ast.And) and meaning != NO:
        yield from _looser(node, "value", said)
    elif meaning == YES and not isinstance(said, ast.Constant):
        yield from _looser(node, "value", said, whole=True)
    elif meaning == NO and not isinstance(said, ast.Constant):
        yield f"{said.lineno}: {text(said)}, never", node, "value", ast.Constant(value=False)
        for gone, weaker in (*rarer(said), *commoner(said)):
            yield f"{said.lineno}: {text(said)}, without {gone}", node, "value", weaker


def _choice(node: ast.IfExp) -> Iterator[Spot]:
    """Something or nothing: the more of it if the condition holds, unless it is a word that refuses."""
    match node.body, node.orelse:
        case ast.Constant(value=str()), ast.Constant(value=None):
            yield f"{node.lineno}: {text(node.test)}, never", node, "test", ast.Constant(value=False)
        case ast.Constant(), _:
            return
        case _, ast.Constant():
            yield from _looser(node, "test", node.test, whole=True)


def _last_word(function: Function) -> Iterator[Spot]:
    *before, last = function.body
    if isinstance(last, ast.Raise) and any(not isinstance(one, ast.Expr) for one in before):
        yield f"{last.lineno}: {text(last)}, left out", function, "body", [*before, ast.Pass()]


def _looser(node: ast.AST, field: str, condition: ast.expr, *, whole: bool = False) -> Iterator[Spot]:
    shown = f"{condition.lineno}: {text(condition)}"
    if whole:
        yield f"{shown}, always", node, field, ast.Constant(value=True)
    for gone, weaker in commoner(condition):
        yield f"{shown}, without {gone}", node, field, weaker


def _filters(loop: ast.comprehension) -> Iterator[Spot]:
    for number, condition in enumerate(loop.ifs):
        for gone, weaker in ((text(condition), ast.Constant(value=True)), *commoner(condition)):
            changed = [*loop.ifs[:number], weaker, *loop.ifs[number + 1 :]]
            yield f"{condition.lineno}: only {text(condition)}, without {gone}", loop, "ifs", changed


def _strictness(call: ast.Call) -> Iterator[Spot]:
    named = _last_name(call.func)
    for keyword in [one for one in call.keywords if one.arg in STRICTNESS.get(named, ())]:
        without = [one for one in call.keywords if one is not keyword]
        yield f"{keyword.lineno}: {named} without {keyword.arg}", call, "keywords", without
        if isinstance(keyword.value, ast.Tuple):
            for element in keyword.value.elts:
                rest = [one for one in keyword.value.elts if one is not element]
                shown = f"{keyword.lineno}: {named}, {keyword.arg} without {text(element)}"
                if keyword.arg == "required":
                    yield shown, keyword.value, "elts", rest
    if named == "min" and len(call.args) == 2:
        yield f"{call.lineno}: {text(call)}, without {text(call.args[1])}", call, "args", [call.args[0]] * 2


def _conditions_of_a_query(call: ast.Call) -> Iterator[Spot]:
    if _last_name(call.func) in ("where", "or_"):
        for one in call.args:
            if not isinstance(one, ast.Starred):
                rest = [other for other in call.args if other is not one]
                yield f"{one.lineno}: {_last_name(call.func)} without {text(one)}", call, "args", rest


def _words(name: str, listed: ast.AnnAssign) -> Iterator[Spot]:
    """Of a list of words, or of a query's conditions."""
    match listed.value:
        case ast.Call(args=[ast.Set(elts=words)]) | ast.Tuple(elts=words) if name in REFUSED:
            for word in words:
                rest = [one for one in words if one is not word]
                weaker = ast.Call(ast.Name("frozenset", ast.Load()), [ast.Set(rest)], [])
                yield f"{word.lineno}: {name} without {text(word)}", listed, "value", weaker
        case ast.Dict(keys=keys, values=values) if name in REFUSED:
            for number, key in enumerate(keys):
                assert key is not None
                rest_of_it = ast.Dict(keys[:number] + keys[number + 1 :], values[:number] + values[number + 1 :])
                yield f"{key.lineno}: {name} without {text(key)}", listed, "value", rest_of_it
        case ast.List(elts=words) as made if name == "conditions":
            for word in words:
                rest = [one for one in words if one is not word]
                yield f"{word.lineno}: {name} without {text(word)}", made, "elts", rest


def _calls_for_nothing(node: ast.AST) -> Iterator[Spot]:
    for field in ("body", "orelse", "finalbody"):
        found = getattr(node, field, None)
        statements: list[ast.stmt] = found if isinstance(found, list) else []
        for number, one in enumerate(statements):
            if _is_for_nothing(one):
                changed = [*statements[:number], ast.Pass(), *statements[number + 1 :]]
                yield f"{one.lineno}: {text(one)}, not called", node, field, changed


def _is_for_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="conditions"))]):
            return True
        case ast.Expr(value=ast.Call() as call) | ast.Expr(value=ast.Await(value=ast.Call() as call)):
            to_a_query = text(call.func) == "conditions.append"
            return to_a_query or not {_last_name(call.func), text(call.func)} & (KEEPING | REFUSING)
    return False


def _conditions_of_a_chain(node: ast.AST) -> Iterator[Spot]:
    for field, value in ast.iter_fields(node):
        match value:
            case ast.Call(func=ast.Attribute(attr=link, value=ast.Call() as before)) if link in CONDITIONS:
                yield f"{value.end_lineno}: {link}({text(value.args[0])}), left out", node, field, before


def _shown(check: ast.If) -> str:
    return f"{check.lineno}: if {text(check.test)}"


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
