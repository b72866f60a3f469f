"""The package's rooms: imports point one way, and each one is of a size that one can survey."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "delog_nb"
# from the lowest to the highest; a room imports from itself and from those before it
ORDER = (
    "instruments",
    "experiment",
    "losses",
    "data",
    "nets",
    "components",
    "methods",
    "training",
    "measure",
    "records",
    "grids",
    "pipeline",
    "course",
    "lab",
    "grading",
    "cli",
)
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def imported(path: Path) -> Iterator[str]:
    """Rooms that a file imports from, lazily or for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "delog_nb":
            names = [f"delog_nb.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name.startswith("delog_nb."):
                yield name.split(".")[1]


def test_nothing_stands_in_the_root_but_the_way_in() -> None:
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == ["__init__.py", "__main__.py"]
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == {*ORDER}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = room(path)
    if own in ORDER:
        names = {"Experiment", "ExperimentError", "Run", "train", *ORDER}
        found = set(imported(path))
        assert found <= names
        above = {name for name in found & {*ORDER} if ORDER.index(name) > ORDER.index(own)}
        assert not above, f"{own} is below {above}"


@pytest.mark.parametrize("name", ORDER)
def test_a_room_has_at_most_fifteen_modules_of_three_hundred_lines(name: str) -> None:
    folders = [PACKAGE / name, *(p for p in (PACKAGE / name).rglob("*") if p.is_dir())]
    for folder in folders:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 15, folder
        for path in modules:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= LONG.get(f"{name}/{path.name}", 300), (path, lines)


def modules_of(path: Path) -> set[str]:
    """Whole names of the modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_charts_know_neither_records_nor_lessons() -> None:
    for path in (PACKAGE / "lab" / "charts").glob("*.py"):
        own = {name for name in modules_of(path) if name.startswith("delog_nb.")}
        allowed = ("delog_nb.lab.charts", "delog_nb.instruments.", "delog_nb.experiment.registry")
        assert [name for name in own if not name.startswith(allowed)] == [], path


def test_the_course_draws_nothing() -> None:
    for path in (PACKAGE / "course").rglob("*.py"):
        drawing = {"plotly", "ipywidgets", "anywidget"}
        assert not {name.partition(".")[0] for name in modules_of(path)} & drawing, path


def test_only_the_way_in_imports_the_commands() -> None:
    users = {path for path in FILES if any(m.startswith("delog_nb.cli") for m in modules_of(path))}
    assert {room(path) for path in users} == {"__main__.py", "cli"}


def test_a_lesson_has_one_name() -> None:
    """Its notebook, what it draws, its exercises, their answers and its tests share a stem."""
    root = PACKAGE.parent
    notebooks = {path.stem.partition("_")[2] for path in root.glob("notebooks/[0-9][0-9]_*.ipynb")}
    for folder in (
        PACKAGE / "lab" / "lessons",
        PACKAGE / "course" / "exercises",
        root / "tests" / "course" / "answers",
    ):
        stems = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        assert stems <= notebooks, folder
    tests = {path.stem.removeprefix("test_") for path in (root / "tests" / "lessons").glob("*.py")}
    assert tests <= notebooks


# files above 300 lines, each with its reason in CONTRIBUTING.md
LONG = {
    "pipeline/schedule.py": 400,
    "experiment/schema.py": 375,
    "course/claims.py": 410,
    "measure/features.py": 320,
    "pipeline/race.py": 315,
    "course/from_scratch.py": 325,
}
