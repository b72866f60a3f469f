"""The reference: public names with their docstrings, read from the source; nothing is imported."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

_ROOMS = ("losses", "data", "nets")  # public modules whose names stand in __all__
_SECTIONS = {"Args": "param", "Raises": "raises"}
_BAR = re.compile(r"(?<!`)\|(?!`)")  # a substitution's mark, which docstrings do not use
Definition = ast.ClassDef | ast.FunctionDef


def reference(root: Path) -> str:
    """The page, in reStructuredText, which the docstrings are written for."""
    package = root / "delog_nb"
    parts = [_title("Reference", "="), "The public names, as their docstrings have them.", ""]
    for module, names in _public(package).items():
        parts += [_title(module, "-"), f".. py:currentmodule:: {module}", ""]
        parts.append(_inside(ast.get_docstring(_tree(_file(package, module))) or "", 0))
        for name, place in names.items():
            parts.append(_described(name, _find(package, place, name)))
    return "\n".join(parts) + "\n"


def _public(package: Path) -> dict[str, dict[str, str]]:
    """By module the public names, each with the module that it is imported from."""
    top = _assigned(package / "__init__.py", "_WHERE")
    lab = _assigned(package / "lab/__init__.py", "_NAMES")
    found = {"delog_nb": {name: place for place, names in top.items() for name in names}}
    for room in _ROOMS:
        names = _assigned(package / room / "__init__.py", "__all__")
        found[f"delog_nb.{room}"] = dict.fromkeys(names, f"delog_nb.{room}")
    found["delog_nb.lab"] = {
        name: place if place.startswith("delog_nb.") else f"delog_nb.lab.{place}"
        for place, names in lab.items()
        for name in names
    }
    return {module: dict(sorted(names.items())) for module, names in found.items()}


def _assigned(path: Path, name: str) -> dict[str, list[str]] | list[str]:
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"{path} assigns no {name}")


def _find(package: Path, module: str, name: str) -> Definition | ast.Assign:
    """Where a module defines this name, or a file of its folder, or one that it imports from."""
    path = _file(package, module)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    for node in (node for file in files for node in _tree(file).body):
        if isinstance(node, Definition) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return node
    for node in (node for file in files for node in _tree(file).body):
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names):
            return _find(package, node.module or "", name)
    raise ValueError(f"{module} defines no {name}")


def _described(name: str, node: Definition | ast.Assign) -> str:
    if isinstance(node, ast.Assign):
        return f".. py:data:: {name}\n   :value: {ast.unparse(node.value)}\n"
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    lines = [f".. py:{kind}:: {name}{_signature(node)}", ""]
    lines.append(_inside(ast.get_docstring(node) or "", 3))
    for method in node.body if kind == "class" else ():
        told = isinstance(method, ast.FunctionDef) and ast.get_docstring(method)
        if told and not method.name.startswith("_"):
            is_property = any(getattr(d, "id", "") == "property" for d in method.decorator_list)
            head = "property" if is_property else "method"
            shown = method.name if is_property else f"{method.name}{_signature(method)}"
            lines += [f"   .. py:{head}:: {shown}", "      :no-contents-entry:", ""]
            lines.append(_inside(told, 6))
    return "\n".join(lines)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        made = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"]
        return _signature(made[0]) if made else ""
    text = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    gives = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"({text}){gives}"


def _inside(docstring: str, indent: int) -> str:
    """A docstring, its sections as lists of fields."""
    lines: list[str] = []
    section = ""
    example = False  # from >>> to the next empty line
    for line in docstring.splitlines():
        example = bool(line) and (example or line.lstrip().startswith(">>>"))
        if not example:
            line = _BAR.sub(r"\\|", line)
        head = re.fullmatch(r"(\w+):", line)
        entry = re.match(r"    (\*{0,2}\w[\w, .*]*): (.*)", line)
        if head and head[1] in _SECTIONS:
            section = _SECTIONS[head[1]]
            lines.append("")
        elif section and entry:
            names = entry[1].replace("*", r"\*").replace(", ", ",")  # "a b" is b of type a
            lines.append(f":{section} {names}: {entry[2]}")
        elif section and line.startswith("    "):
            lines.append(f"   {line.strip()}")
        else:
            if section and line:
                lines.append("")
            section = section if not line else ""
            lines.append(line)
    return textwrap.indent("\n".join(lines), " " * indent) + "\n"


def _title(text: str, mark: str) -> str:
    return f"{text}\n{mark * len(text)}\n"


def _file(package: Path, module: str) -> Path:
    path = package.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
