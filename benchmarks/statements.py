"""How large the code is: statements in the syntax tree, docstrings left out, by group of rooms.

``python -m benchmarks.statements``. So counted, docstrings and readable lines cost nothing.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

GROUPS = {"lab": "lab", "course": "lab", "grading": "lab", "cli": "cli"}  # all others: core
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def statements(path: Path) -> int:
    """Statements of one file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings = sum(isinstance(n, DOCUMENTED) and ast.get_docstring(n) is not None for n in nodes)
    return sum(isinstance(node, ast.stmt) for node in nodes) - docstrings


def count(package: Path) -> Counter[str]:
    """Statements of ``package`` by group: core, cli and lab."""
    found: Counter[str] = Counter()
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0]
        found[GROUPS.get(room, "core")] += statements(path)
    return found


if __name__ == "__main__":
    for group, number in count(Path(__file__).parents[1] / "delog_nb").items():
        print(f"{group}: {number:,}")
