"""What of a submitted notebook has to run before an exercise can be checked.

A lesson trains networks that most answers do not need. So not every cell runs: the exercise's own
cells do, and of the cells above them those statements that give the answer its names (imports,
functions, values), and what these need in turn. Nothing here executes what it reads.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from IPython.core.inputtransformer2 import TransformerManager


@dataclass(frozen=True)
class Cell:
    """A code cell."""

    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """``code`` runs cell by cell; then ``expression`` is the answer."""

    code: tuple[str, ...]
    expression: str


@dataclass(frozen=True)
class _Statement:
    """A statement at the top of a cell: the names it uses, and those it gives or changes."""

    node: ast.stmt
    uses: frozenset[str]
    gives: frozenset[str]


def plan(cells: Sequence[Cell], exercise: str) -> Plan | None:
    """How to come to the answer of ``exercise``; None if no ``lab.check`` asks for it.

    Where a student kept several checks of one exercise, the last one counts.
    """
    trees = [_tree(cell.source) for cell in cells]
    place, answer = next(
        (
            (number, answer)
            for number in reversed(range(len(cells)))
            for answer in reversed(_answers(trees[number], exercise))
        ),
        (-1, None),
    )
    if answer is None:
        return None
    first = _own(cells, trees, place)
    own = [_before_check(cells[n], trees[n]) for n in range(first, place + 1)]
    needed = _names(ast.Expr(answer))[0]
    for tree in filter(None, map(_tree, own)):
        for node in tree.body:
            needed |= _names(node)[0]
    above = _needed([tree.body if tree else [] for tree in trees[:first]], needed)
    return Plan(tuple(filter(str.strip, [*above, *own])), ast.unparse(answer))


def _tree(source: str) -> ast.Module | None:
    """A cell's code with IPython's magics made Python; None if it cannot be read."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _answers(tree: ast.Module | None, exercise: str | None = None) -> list[ast.expr]:
    """What the calls ``check("exercise", answer)`` in a cell are given; None: any exercise."""
    found = []
    for node in ast.walk(tree or ast.Module([], [])):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        given = [*node.args, *(word.value for word in node.keywords)]
        if name != "check" or len(given) != 2 or not isinstance(given[0], ast.Constant):
            continue
        if exercise in (None, given[0].value):
            found.append(given[1])
    return found


def _own(cells: Sequence[Cell], trees: Sequence[ast.Module | None], place: int) -> int:
    """The first cell of the exercise whose check is in cell ``place``.

    That is the one tagged ``exercise``, below the check before; where tags were lost, the one above
    the check.
    """
    first = place
    while first > 0 and not _answers(trees[first - 1]):
        first -= 1
        if "exercise" in cells[first].tags:
            return first
    return max(first, place - 1)


def _before_check(cell: Cell, tree: ast.Module | None) -> str:
    if not _answers(tree) or tree is None:
        return cell.source
    kept = takewhile(lambda node: not _answers(ast.Module([node], [])), tree.body)
    return "\n".join(map(ast.unparse, kept))


def _needed(cells: Sequence[Sequence[ast.stmt]], needed: set[str]) -> list[str]:
    """A cell of code for each of ``cells`` with the statements that ``needed`` names need."""
    modules = {
        alias.asname or alias.name.partition(".")[0]
        for body in cells
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    passive = modules | set(dir(builtins))
    statements = [
        [_statement(node, passive) for node in body if not _answers(ast.Module([node], []))]
        for body in cells
    ]
    kept: set[int] = set()
    while True:
        more = [
            s
            for body in statements
            for s in body
            if id(s) not in kept and (s.gives & needed or "*" in s.gives)
        ]
        if not more:
            break
        kept |= {id(s) for s in more}
        needed = needed.union(*(s.uses for s in more))
    return ["\n".join(ast.unparse(s.node) for s in body if id(s) in kept) for body in statements]


def _statement(node: ast.stmt, passive: set[str]) -> _Statement:
    uses, gives = _names(node)
    return _Statement(node, frozenset(uses), frozenset(gives | set(_changed(node, passive))))


def _names(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Names of the notebook that a statement uses, also within functions, and that it binds."""
    try:
        table = symtable.symtable(ast.unparse(node), "cell", "exec")
    except (SyntaxError, RecursionError):  # such as an await outside a function
        every = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        return every, set(every)
    uses, gives = set(), set()
    tables = [table]
    while tables:
        scope = tables.pop()
        tables += scope.get_children()
        for symbol in scope.get_symbols():
            if scope is not table and not symbol.is_global():
                continue
            if symbol.is_referenced():
                uses.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                gives.add(symbol.get_name())
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        gives.add("*")
    return uses, gives


def _changed(statement: ast.stmt, passive: set[str]) -> Iterator[str]:
    """Names whose values a statement may change: ``x[0] = ..``, ``x.append(..)``, ``fill(x)``.

    Not by a call of something in ``passive``: builtins and modules, such as ``lab.show(x)``.
    """
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = _root(node.value.func)
            if called not in passive:
                yield called
                yield from (_root(argument) for argument in node.value.args)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
