"""What a lesson's notebook defines, and what it shows, for tests."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOLUTIONS = Path(__file__).resolve().parents[2] / "notebooks" / "solutions"


def _code_cells(lesson: str) -> list[dict[str, Any]]:
    cells = json.loads((SOLUTIONS / f"{lesson}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shown_by(lesson: str, part: str) -> str:
    """The stored outputs, as text, of the one code cell of a lesson that has ``part`` in it."""
    (cell,) = [c for c in _code_cells(lesson) if part in "".join(c["source"])]
    texts = [o.get("text") or o["data"].get("text/plain", "") for o in cell["outputs"]]
    return "\n".join("".join(text) for text in texts)


def defined(lesson: str, name: str, **names: Any) -> Callable[..., Any]:
    """A lesson's function or class ``name``, undecorated; nothing else of the lesson runs.

    It sees ``names``.
    """
    code = ("".join(cell["source"]) for cell in _code_cells(lesson))
    found = next(
        node
        for source in code
        if f"def {name}(" in source or f"class {name}(" in source
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    )
    found.decorator_list = []  # nothing is registered
    exec(compile(ast.Module([found], []), lesson, "exec"), names)
    return names[name]
