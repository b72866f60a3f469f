"""What notebooks import: few names, each with an example, and nouns that show themselves."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from types import ModuleType

import pytest
from support.runs import ROOT

from delog_nb import lab

NOTEBOOKS = sorted(ROOT.glob("notebooks/solutions/*.ipynb")) + [
    ROOT / "notebooks" / f"{name}.ipynb" for name in ("00_start", "lab", "quiz", "experiment")
]
CHARTS = {"lines", "bars", "heat", "scatter", "gantt", "pictures"}
OF_RECORDS = {
    "costs",
    "curves",
    "batch",
    "cut_network",
    "features_in_motion",
    "differences",
    "schedule",
    "findings",
    "classes",
    "views",
}
OF_A_RUN = {"confusion", "embeddings", "history", "probes"}


def code(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def test_there_are_at_most_fifty_names_and_no_module_hides_one() -> None:
    names = [name for group in lab._NAMES.values() for name in group]
    assert len(names) == len(set(names)) <= 50
    assert not set(names) & set(lab._NAMES)
    for name in names:
        assert not isinstance(getattr(lab, name), ModuleType)


@pytest.mark.parametrize("name", lab.__all__)
def test_every_name_is_explained_by_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(lab, name)) or "")


@pytest.mark.parametrize("name", sorted(CHARTS | OF_RECORDS | OF_A_RUN))
def test_what_draws_returns_an_exhibit(name: str) -> None:
    assert inspect.signature(getattr(lab, name)).return_annotation == "Exhibit"


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_a_chart_has_at_most_ten_keywords(name: str) -> None:
    kinds = [p.kind for p in inspect.signature(getattr(lab, name)).parameters.values()]
    assert kinds.count(inspect.Parameter.KEYWORD_ONLY) <= 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_imports_from_the_lab_and_its_own_drawings(path: Path) -> None:
    stem = path.stem.partition("_")[2]
    beside = []
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("delog_nb.lab"):
            assert node.module == f"delog_nb.lab.lessons.{stem}"
            beside += [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "lab":
            assert node.attr in lab.__all__
    assert len(beside) <= 3
