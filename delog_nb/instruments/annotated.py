"""A Python file as passages: what its docstrings and comments say, beside the lines they are of."""

import ast
import io
import textwrap
import tokenize
from pathlib import Path
from typing import NamedTuple

SHOWN = "delog_nb.losses", "delog_nb.methods"  # what a method takes from these is shown, too
EVERY = "component", "declare", "batch"  # but not what every method takes
_GAP = "  "
_CODE = 100  # columns of a line of code
_LEAST = 30  # columns that prose needs to stand beside code


class Passage(NamedTuple):
    """Lines of code, and the prose that is theirs; either may be empty."""

    prose: str
    code: str


def passages(source: str) -> list[Passage]:
    """The docstring of a module, class or function stands beside it, a comment beside what follows.

    A comment at the end of a line stays there.

    >>> passages('def twice(x):\\n    \"\"\"2 x\"\"\"\\n    return 2 * x')
    [Passage(prose='2 x', code='def twice(x):\\n    return 2 * x')]

    Raises:
        SyntaxError: ``source`` is not Python.
    """
    lines = source.splitlines()
    starts: dict[int, list[str]] = {1: []}  # by line, the prose of the passage that begins there
    prose: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module):
            for statement in node.body:
                starts.setdefault(_first_line(statement), [])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                string = node.body[0]
                end = string.end_lineno or 0
                prose |= set(range(string.lineno, end + 1))
                if not "".join(lines[end : end + 1]).strip():  # the empty line that follows it
                    prose.add(end + 1)
                starts.setdefault(_first_line(node), []).append(text)
    comments = _comments(source)
    prose |= set(comments)
    for place in sorted(comments):
        if place - 1 in comments:
            continue
        block = [comments[place]]
        while (place := place + 1) in comments:
            block.append(comments[place])
        starts.setdefault(place, []).append("\n".join(block))
    found: list[Passage] = []
    begins = sorted(starts)
    for begin, end in zip(begins, [*begins[1:], len(lines) + 1], strict=True):
        code = [lines[number - 1] for number in range(begin, end) if number not in prose]
        passage = Passage("\n\n".join(starts[begin]), "\n".join(code).strip("\n"))
        if found and not passage.prose and not found[-1].prose:
            both = f"{found[-1].code}\n{passage.code}".strip("\n")
            found[-1] = Passage("", both)
        elif any(passage):
            found.append(passage)
    return found


def _first_line(node: ast.AST) -> int:
    if isinstance(node, ast.Module):
        return 1
    decorators = getattr(node, "decorator_list", [])
    return min(item.lineno for item in [node, *decorators])


def _comments(source: str) -> dict[int, str]:
    """By line, the comments that have a line to themselves, outside of brackets."""
    found, depth = {}, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        alone = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and alone and not depth:
            found[token.start[0]] = token.string.lstrip("#").removeprefix(" ")
    return found


def definition(source: str, name: str) -> str | None:
    """The text of the function or class ``name`` at the top of a file."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return "\n".join(source.splitlines()[_first_line(node) - 1 : node.end_lineno])
    return None


def imported(source: str) -> list[tuple[str, str]]:
    """What a file takes from others by ``from module import name``."""
    return [
        (node.module or "", alias.name)
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def taken(source: str) -> list[tuple[Path, str]]:
    """The losses and objectives that a method's file takes from the package: (file, definition)."""
    found = []
    for module, name in imported(source):
        if module.startswith(SHOWN) and not module.endswith(EVERY):
            file = file_of(module)
            for path in sorted(file.parent.glob("*.py")) if file.stem == "__init__" else [file]:
                text = definition(path.read_text(encoding="utf-8"), name)
                found += [(path, text)] if text else []
    return found


def file_of(module: str) -> Path:
    """A module's file; to look it up would import its room, and torch."""
    path = Path(__file__).parents[2].joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def place_of(path: Path) -> str:
    """The end of a file's path, from the package on: ``delog_nb/methods/bp.py``."""
    return "/".join(path.parts[-3:])


def as_text(found: list[Passage], width: int) -> str:
    """Passages for a terminal ``width`` columns wide: in two columns if there is room for both."""
    left = min(width - _CODE - len(_GAP), 60)
    parts = []
    for prose, code in found:
        if left < _LEAST:
            said = filled(prose, min(width, _CODE) - 2)
            parts.append("\n".join([*(f"| {line}".rstrip() for line in said), code]).strip("\n"))
            continue
        beside = filled(prose, left)
        lines = code.splitlines()
        height = max(len(beside), len(lines))
        pairs = zip(_padded(beside, height), _padded(lines, height), strict=True)
        parts.append("\n".join(f"{a:{left}}{_GAP}{b}".rstrip() for a, b in pairs))
    return "\n\n".join(parts) + "\n"


def _padded(lines: list[str], height: int) -> list[str]:
    return lines + [""] * (height - len(lines))


def filled(prose: str, width: int) -> list[str]:
    """Paragraphs broken anew; where lines are indented, as formulas are, or examples, they stay."""
    lines: list[str] = []
    for paragraph in prose.split("\n\n"):
        if lines:
            lines.append("")
        rows = paragraph.splitlines()
        if any(row.startswith((" ", "- ", ">>> ")) for row in rows):
            for row in rows:
                indent = "  " if row.startswith("- ") else row[: len(row) - len(row.lstrip())]
                lines += textwrap.wrap(
                    row, width, subsequent_indent=indent, break_on_hyphens=False
                ) or [""]
        else:
            lines += textwrap.wrap(paragraph, width, break_on_hyphens=False)
    return lines
