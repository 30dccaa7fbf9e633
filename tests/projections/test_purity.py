"""Rules and folds are pure: nothing in domain/ and projections/ can ask the machine anything.

What is checked is the text, so it holds for branches that no test reaches. Each exception has its
reason, and one that is not needed any more is reported too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import crmcore.domain
import crmcore.projections

# What may be imported. Not decimal, locale, math, os, random, secrets, sys, threading or time.
MODULES = {
    "bisect",
    "calendar",
    "collections",
    "collections.abc",
    "datetime",
    "fractions",
    "functools",
    "hashlib",
    "itertools",
    "msgspec",
    "msgspec.inspect",
    "msgspec.structs",
    "re",
    "typing",
    "uuid",
    "zoneinfo",
}
OURS = ("crmcore.domain", "crmcore.projections")
# What the allowed modules hold of clock, chance, machine and floats; local names are not meant.
IMPORTED = {"ZoneInfo", "getnode", "time", "uuid1", "uuid4", "uuid6", "uuid7", "uuid8"}
BUILT_IN = {"__import__", "complex", "eval", "exec", "float", "hash", "id", "input", "open", "vars"}
ATTRIBUTES = {
    *("environ", "getenv", "urandom", "random"),
    *("now", "today", "utcnow", "fromtimestamp", "utcfromtimestamp", "timetuple", "ctime"),
    *("strftime", "strptime", "timestamp", "total_seconds", "uuid1", "uuid4", "uuid6", "uuid7"),
}
ALLOWED = {
    ("domain/calendar.py", "time"): "datetime.time() is midnight, where a business day starts",
    ("domain/working_time.py", "time"): "datetime.time() is midnight, where hours may end",
    ("domain/calendar.py", "ZoneInfo"): "the zone is a policy; its rules are data of the system",
    ("domain/act.py", "a set as a field"): "roles are only looked up, and an act is no state",
}

SET_TYPES = {"set", "frozenset"}
# Who takes a set and cannot show its order; with a key, equals would keep the order of the set.
ORDERLESS = {"sorted", "len", "min", "max", "sum", "any", "all", *SET_TYPES}
METHODS = {"add", "discard", "update", "issubset", "issuperset", "isdisjoint"}


def impurities(source: str) -> set[str]:
    """What in a program may depend on more than its arguments."""
    tree = ast.parse(source)
    return {what for node in ast.walk(tree) for what in impure(node)} | set(disorder(tree))


def impure(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (one.name for one in names if not is_allowed(one.name))
        case ast.ImportFrom(module=module, names=names):
            yield from [] if is_allowed(str(module)) else [str(module)]
            yield from (one.name for one in names if one.name in IMPORTED)
        case ast.Constant(value=float() | complex()):
            yield "a float"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            yield "a division into a float"
        case ast.BinOp(op=ast.Pow(), right=exponent) if not isinstance(exponent, ast.Constant):
            yield "a power that may be a float"
        case ast.Name(id=name, ctx=ast.Load()) if name in BUILT_IN:
            yield name
        case ast.Attribute(attr=name) if name in ATTRIBUTES:
            yield name
        case ast.Call(func=ast.Attribute(attr="astimezone"), args=[], keywords=[]):
            yield "the time zone of the machine"
        case ast.FormattedValue(format_spec=ast.JoinedStr(values=[*_, ast.Constant(value=spec)])):
            yield from ["the locale"] if str(spec).endswith("n") else []
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from (f"the variable {name}" for name in names)
        case ast.ClassDef(body=body):
            fields = [field for field in body if isinstance(field, ast.AnnAssign)]
            yield from ("a set as a field" for field in fields if mentions_set(field.annotation))
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias"), value=value) if mentions_set(value):
            yield "a set as a field"
        case _:
            pass


def is_allowed(module: str) -> bool:
    return module in MODULES or module.startswith(OURS)


def mentions_set(annotation: ast.expr | None) -> bool:
    found = ast.walk(annotation) if annotation else ()
    return any(isinstance(node, ast.Name) and node.id in SET_TYPES for node in found)


def disorder(tree: ast.Module) -> Iterator[str]:
    """Yield a complaint for each set whose order may show: it differs from process to process."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for scope in (*functions, tree):
        sets = set_names(scope)
        parents = {child: node for node in ast.walk(scope) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(scope):
            if is_set(node, sets) and not hides_order(node, parents[node], sets):
                yield "the order of a set"


def set_names(scope: ast.AST) -> set[str]:
    """The names that stand for sets in a function or, outside of functions, in a module."""
    names: set[str] = set()
    for node in scope.body if isinstance(scope, ast.Module) else ast.walk(scope):
        match node:
            case ast.arg(arg=name, annotation=annotation) if mentions_set(annotation):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=told) if mentions_set(told):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_set(value, names):
                names.add(name)
            case _:
                pass
    return names


def is_set(node: ast.AST, names: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in SET_TYPES
        case ast.Name(id=name, ctx=ast.Load()):
            return name in names
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return is_set(left, names) or is_set(node.right, names)
        case _:
            return False


def hides_order(node: ast.AST, parent: ast.AST, names: set[str]) -> bool:
    match parent:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            return name in ORDERLESS and argument is node
        case ast.Attribute(attr=name):
            return name in METHODS
        case ast.BinOp():
            return is_set(parent, names)
        case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign() | ast.AugAssign():
            return True
        case _:
            return False


def test_rules_and_folds_depend_on_their_arguments_alone() -> None:
    folders = [
        Path(str(package.__file__)).parent for package in (crmcore.domain, crmcore.projections)
    ]
    files = [(folder, path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    found = {
        (f"{folder.name}/{path.relative_to(folder).as_posix()}", what)
        for folder, path in files
        for what in impurities(path.read_text(encoding="utf-8"))
    }
    assert len(files) > 20
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        ("rate = 0.19", "a float"),
        ("share = float(part)", "float"),
        ("share = part / whole", "a division into a float"),
        ("total /= 2", "a division into a float"),
        ("share = 10**exponent", "a power that may be a float"),
        ("share = 10**-2", "a power that may be a float"),
        ("at = datetime.now(UTC)", "now"),
        ("day = date.today()", "today"),
        ("at = datetime.utcnow()", "utcnow"),
        ("at = datetime.fromtimestamp(0)", "fromtimestamp"),
        ("seconds = at.timestamp()", "timestamp"),
        ("seconds = gap.total_seconds()", "total_seconds"),
        ("text = day.strftime('%x')", "strftime"),
        ("local = at.astimezone()", "the time zone of the machine"),
        ("import time", "time"),
        ("from time import monotonic", "time"),
        ("from datetime import time", "time"),
        ("from random import choice", "random"),
        ("from decimal import Decimal", "decimal"),
        ("import crmcore.infrastructure", "crmcore.infrastructure"),
        ("from uuid import UUID, uuid4", "uuid4"),
        ("import uuid\none = uuid.uuid1()", "uuid1"),
        ("import os", "os"),
        ("place = os.environ['TZ']", "environ"),
        ("place = os.getenv('TZ')", "getenv"),
        ("text = open('rates').read()", "open"),
        ("slot = hash(name) % 12", "hash"),
        ("key = id(state)", "id"),
        ("text = f'{minor:n}'", "the locale"),
        ("def apply():\n    global seen\n    seen = 1", "the variable seen"),
        ("class State:\n    holds: frozenset[str]", "a set as a field"),
        ("class State:\n    holds: tuple[set[str], ...] = ()", "a set as a field"),
        ("Holds: TypeAlias = Annotated[frozenset[str], Meta()]", "a set as a field"),
        ("for one in {1, 2}: pass", "the order of a set"),
        ("names = [name for name in set(names)]", "the order of a set"),
        ("def names(of):\n    found = {one.name for one in of}\n    return tuple(found)",
         "the order of a set"),
        ("def first(names: frozenset[str]):\n    return next(iter(names))", "the order of a set"),
        ("def text(names):\n    kept: set[str] = set()\n    return ','.join(kept | {'a'})",
         "the order of a set"),
        ("def last(names):\n    kept = set(names)\n    return kept.pop()", "the order of a set"),
        ("first = min({'a', 'b'}, key=len)", "the order of a set"),
        ("digits = dict.fromkeys({'JPY', 'KRW'}, 0)", "the order of a set"),
        ("def names():\n    return {'a', 'b'}", "the order of a set"),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(planted: str, what: str) -> None:
    assert impurities(planted) == {what}


@pytest.mark.parametrize(
    "harmless",
    [
        "half, power, money = 7 // 2, 10**9, Fraction(1, 3)",
        "now, today, time = 1, 2, 3\nlater = now + today + time",
        "class Stream:\n    id: UUID\nname = stream.id",
        "from datetime import UTC, datetime\nat = at.astimezone(UTC)",
        "def gone(names):\n    out = {n for n in names}\n    return [n for n in names if n in out]",
        "def names(of):\n    return tuple(sorted({*of, 'a'}))",
        "def count(of):\n    seen: set[str] = set()\n    seen.add(of)\n    return len(seen)",
        "text = f'{minor:04}'",
        "kinds = {'a': 1} | {'b': 2}\nfor kind in kinds: pass",
    ],
)
def test_what_is_harmless_is_let_through(harmless: str) -> None:
    assert impurities(harmless) == set()
