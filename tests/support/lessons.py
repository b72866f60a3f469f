"""What a lesson's notebook defines, and what it showed, for tests."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOLUTIONS = Path(__file__).resolve().parents[2] / "notebooks" / "solutions"


def _code(lesson: str) -> list[dict[str, Any]]:
    cells = json.loads((SOLUTIONS / f"{lesson}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def shown_by(lesson: str, part: str) -> str:
    """The stored outputs, as text, of the one code cell of a lesson that has ``part`` in it."""
    (cell,) = [c for c in _code(lesson) if part in _source(c)]
    texts = [o.get("text") or o["data"].get("text/plain", "") for o in cell["outputs"]]
    return "\n".join("".join(text).rstrip("\n") for text in texts)


def defined(lesson: str, name: str, **names: Any) -> Callable[..., Any]:
    """A lesson's function or class ``name``, undecorated; nothing else of the lesson runs.

    It sees ``names``.
    """
    found = next(
        node
        for source in map(_source, _code(lesson))
        if f"def {name}(" in source or f"class {name}(" in source
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    )
    found.decorator_list = []  # nothing is registered
    exec(compile(ast.Module([found], []), lesson, "exec"), names)
    return names[name]


def definitions(lesson: str, names: dict[str, Any]) -> dict[str, Any]:
    """All functions and classes of a lesson, which see its imports and ``names``."""
    wanted = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    for source in map(_source, _code(lesson)):
        found = [node for node in ast.parse(source).body if isinstance(node, wanted)]
        exec(compile(ast.Module(found, []), lesson, "exec"), names)
    return names


def told(lesson: str) -> str:
    """All text that a lesson's stored outputs have, from the first cell to the last."""
    outputs = (output for cell in _code(lesson) for output in cell["outputs"])
    return "\n".join(
        "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for output in outputs
    )
