"""Mutants: each is a function of the rules with one small change that its tests should notice.

What is changed are statements and expressions in functions and methods. Left as they are: names,
annotations, defaults, docstrings, what an assertion says, and what stands outside of functions.
"""

import ast
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("domain", "projections")
Mutation = tuple[str, str, str]  # module, function, change
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

WORDS = re.compile(r"\s+|\w+|[<>=!*/+-]+|.", re.DOTALL)
AROUND = 30  # characters that are shown before and after a change
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}
OTHERS = {"min": "max", "max": "min", "any": "all", "all": "any", "reversed": "iter"}
LEFT = {"annotation", "returns", "type_params", "decorator_list", "args", "msg", "format_spec"}
NO_CONDITIONS = (ast.Constant, ast.Name)  # a condition that is one of these is changed elsewhere


class Function(NamedTuple):
    """A function of a module, with a digest of what it does; comments and layout do not count."""

    name: str
    digest: str
    node: ast.stmt  # the statement of the module that it is in: itself, or its class
    body: FunctionNode

    def mutants(self) -> Iterator[tuple[str, range]]:
        """Yield every change with its lines, while it is made; what reads the same gets numbers."""
        seen: Counter[str] = Counter()
        for change, at in changes(self.body, self.body):
            seen[change] += 1
            yield f"{change} #{seen[change]}" if seen[change] > 1 else change, at

    def mutated(self, change: str) -> CodeType:
        """Return the code of the function with this change."""
        for made, _ in self.mutants():
            if made == change:
                return compiled(self.node, self.name)
        raise LookupError(change)


def modules() -> list[str]:
    """Return the modules that have mutants, such as `domain/lots.py`."""
    paths = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def functions(module: str) -> list[Function]:
    """Return the functions and methods of a module in their order."""
    return list(functions_of((ROOT / module).read_text(encoding="utf-8")))


def functions_of(source: str) -> Iterator[Function]:
    """Yield the functions and methods of a source."""
    for node in ast.parse(source).body:
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for body in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(body, FunctionNode):
                yield Function(f"{prefix}{body.name}", digest(body, source), node, body)


def digest(body: FunctionNode, source: str) -> str:
    """Return a digest of a function's text; ast.dump would differ between versions of Python."""
    said = ast.get_docstring(body, clean=False)
    text = ast.get_source_segment(source, body) or ""
    documented = ast.get_source_segment(source, body.body[0]) or ""
    lines = text.replace(documented, "", 1).splitlines() if said is not None else text.splitlines()
    kept = [line.strip() for line in lines if not line.strip().startswith("#")]
    return hashlib.sha256("".join(kept).encode()).hexdigest()[:12]


def compiled(node: ast.stmt, name: str) -> CodeType:
    """Return the code of a function by its name, in a statement of a module."""
    whole = ast.fix_missing_locations(ast.Module(body=[node], type_ignores=[]))
    todo = [compile(whole, "<mutant>", "exec", dont_inherit=True)]
    for code in todo:
        if code.co_qualname == name:
            return code
        todo += [part for part in code.co_consts if isinstance(part, CodeType)]
    raise LookupError(name)


def changes(parent: ast.AST, statement: ast.AST) -> Iterator[tuple[str, range]]:
    """Yield words for each change below a node while it is made; it is undone thereafter."""
    for field, value in ast.iter_fields(parent):
        if field in LEFT and not isinstance(parent, ast.Call):
            continue
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or is_left(node):
                continue
            inside = node if isinstance(node, ast.stmt | ast.match_case) else statement
            before = ""
            for other in variants(node, parent, field):
                before = before or header(inside)
                put(parent, field, index, other)
                words = difference(before, header(other if inside is node else inside))
                yield words, span(inside)
                put(parent, field, index, node)
            yield from changes(node, inside)


def put(parent: ast.AST, field: str, index: int, node: ast.AST) -> None:
    if isinstance(value := getattr(parent, field), list):
        value[index] = node
    else:
        setattr(parent, field, node)


def is_left(node: ast.AST) -> bool:
    """Tell whether a node is no behaviour, or one that types exclude."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.keyword(arg="strict"):
            return True
        case ast.match_case(body=[ast.Expr(value=ast.Call(func=ast.Name(id="assert_never")))]):
            return True
        case _:
            return False


def variants(node: ast.AST, parent: ast.AST, field: str) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    if (
        field == "test"
        and not isinstance(node, NO_CONDITIONS)
        and not isinstance(parent, ast.Assert)
    ):
        outcomes = (False,) if isinstance(parent, ast.While) else (True, False)
        yield from (ast.Constant(value=outcome) for outcome in outcomes)
    match node:
        case ast.Compare(ops=ops):
            yield from (with_item(node, "ops", i, swapped(op)) for i, op in enumerate(ops))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from (left, right)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPPED:
            yield with_field(node, "op", swapped(op))
        case ast.BoolOp(values=[_, _] as parts) | ast.MatchOr(patterns=[_, _] as parts):
            yield from parts
        case ast.BoolOp() | ast.MatchOr():
            yield from shorter(node, "values" if isinstance(node, ast.BoolOp) else "patterns")
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(value=not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value=value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(value=f"XX{value}")
        case ast.Call(func=ast.Name(id=name)) if name in OTHERS:
            yield with_field(node, "func", ast.Name(id=OTHERS[name], ctx=ast.Load()))
        case ast.Tuple(ctx=ast.Load()) | ast.List(ctx=ast.Load()):
            yield from shorter(node, "elts")
        case ast.Slice():
            ends = [end for end in ("lower", "upper") if getattr(node, end) is not None]
            yield from (with_field(node, end, None) for end in ends)
        case ast.comprehension() | ast.match_case() | ast.Match():
            yield from conditional(node)
        case ast.Break() | ast.Continue():
            yield swapped(node)
        case ast.Return(value=ast.expr() as value) if not is_none(value):
            yield ast.Return(value=ast.Constant(value=None))
        case ast.Expr() | ast.Raise() | ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()
        case _:
            pass
    if isinstance(node, ast.AugAssign):
        yield ast.Pass()
    if isinstance(node, ast.Call) and node.keywords and takes_options(node.func):
        yield from shorter(node, "keywords")


def conditional(node: ast.comprehension | ast.match_case | ast.Match) -> Iterator[ast.AST]:
    """Yield a node without one of its conditions or cases, or with a condition that never holds."""
    never = ast.Constant(value=False)
    match node:
        case ast.comprehension(ifs=ifs):
            yield from shorter(node, "ifs")
            yield from (with_item(node, "ifs", i, never) for i in range(len(ifs)))
        case ast.match_case(guard=ast.expr()):
            yield from (with_field(node, "guard", None), with_field(node, "guard", never))
        case ast.Match(cases=cases):
            named = [case for case in cases if not is_left(case) and header(case) != "case _:"]
            for case in named if len(cases) > 1 else []:
                yield with_field(node, "cases", [other for other in cases if other is not case])
        case _:
            pass


def takes_options(called: ast.expr) -> bool:
    """Tell whether a call is of a function: what a class is made of, it needs."""
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    return name[:1].islower()


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def swapped(operator: ast.AST) -> ast.AST:
    return SWAPPED[type(operator)]()


def with_field(node: ast.AST, field: str, value: object) -> ast.AST:
    changed = copy.copy(node)
    setattr(changed, field, value)
    return changed


def with_item(node: ast.AST, field: str, index: int, item: ast.AST) -> ast.AST:
    items = getattr(node, field)
    return with_field(node, field, [*items[:index], item, *items[index + 1 :]])


def shorter(node: ast.AST, field: str) -> Iterator[ast.AST]:
    """Yield a node without one of its parts, for each of them."""
    items = getattr(node, field)
    yield from (with_field(node, field, items[:i] + items[i + 1 :]) for i in range(len(items)))


def header(statement: ast.AST) -> str:
    """Return a statement as it is written, without those in it; a match with its cases."""
    if isinstance(statement, ast.Match):
        return "; ".join(
            (f"match {ast.unparse(statement.subject)}:", *map(header, statement.cases))
        )
    bare = copy.copy(statement)
    for field in ("body", "orelse", "finalbody"):
        if isinstance(getattr(bare, field, None), list):  # those of an expression are none
            setattr(bare, field, [])
    return " ".join(ast.unparse(bare).split())


def span(statement: ast.AST) -> range:
    """Return the lines of a statement, without those in it."""
    whole = statement.pattern if isinstance(statement, ast.match_case) else statement
    assert isinstance(whole, ast.stmt | ast.pattern)
    first, last = whole.lineno, whole.end_lineno or whole.lineno
    match statement:
        case ast.Match():
            last = first
        case ast.match_case(body=[inner, *_]) | ast.If(body=[inner, *_]):
            last = inner.lineno - 1
        case ast.For(body=[inner, *_]) | ast.While(body=[inner, *_]):
            last = inner.lineno - 1
        case _:
            pass
    return range(first, max(first, last) + 1)


def difference(before: str, after: str) -> str:
    """Return where two lines differ, with a little of what is around: `if {a < b -> True}:`."""
    old, new = (WORDS.findall(line) for line in (before, after))
    start, end = shared(old, new)
    last, first = shared(old[::-1], new[::-1])
    if last + first > start + end or not new[start : len(new) - end]:
        start, end = (first, last) if len(new) == first + last else (start, end)
    left, right = "".join(old[:start]), "".join(old[len(old) - end :])
    was, now = "".join(old[start : len(old) - end]), "".join(new[start : len(new) - end])
    left = f"...{left[-AROUND:]}" if len(left) > AROUND + 3 else left
    right = f"{right[:AROUND]}..." if len(right) > AROUND + 3 else right
    was = f"{was[:AROUND]}...{was[-AROUND:]}" if len(was) > 2 * AROUND + 3 else was
    return f"{left}{{{was} -> {now}}}{right}"


def shared(old: list[str], new: list[str]) -> tuple[int, int]:
    """Return how many words two lines share at their starts, and then at their ends."""
    most = min(len(old), len(new))
    start = next((i for i in range(most) if old[i] != new[i]), most)
    rest = range(1, most - start + 1)
    return start, next((i - 1 for i in rest if old[-i] != new[-i]), most - start)
