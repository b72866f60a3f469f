"""The site as files: no solution in it, every notebook to download, small enough."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import delog_nb
from delog_nb import lab

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))


def letters(text: str) -> str:
    """Text without tags, references and spaces."""
    plain = re.sub(r"<[^>]*>", "", text)
    for name, mark in {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}.items():
        plain = plain.replace(name, mark)
    return re.sub(r"\s+", "", plain)


@pytest.fixture(scope="module")
def texts(site: Path) -> dict[str, str]:
    kinds = (".html", ".json", ".ipynb", ".js", ".txt", ".md")
    files = [p for p in site.rglob("*") if p.suffix in kinds and p.name != "plotly.js"]
    return {
        str(p.relative_to(site)): letters(
            " ".join(c["source"] for c in nbformat.read(p, as_version=4).cells)
            if p.suffix == ".ipynb"
            else p.read_text(encoding="utf-8")
        )
        for p in files
    }


def is_solution(cell: nbformat.NotebookNode) -> bool:
    return "solution" in cell.metadata.get("tags", [])


@pytest.fixture(scope="module")
def told() -> str:
    """All that lessons tell themselves: such lines are no secret in a solution either."""
    every = [cell for path in SOLUTIONS for cell in nbformat.read(path, as_version=4).cells]
    return re.sub(r"\s+", "", " ".join(c.source for c in every if not is_solution(c)))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_there_is_no_solution_in_it(path: Path, texts: dict[str, str], told: str) -> None:
    cells = nbformat.read(path, as_version=4).cells
    solved = [cell for cell in cells if is_solution(cell)]
    assert solved
    assert letters(cells[-1].source.splitlines()[-1]) in told  # letters are compared with letters
    for cell in solved:
        lines = [letters(line) for line in cell.source.splitlines()]
        for line in [x for x in lines if len(x) > 24 and x not in told]:
            assert [name for name, text in texts.items() if line in text] == []


def test_the_handout_has_every_exercise_and_no_hint(texts: dict[str, str]) -> None:
    page = texts["exercises.html"]
    asked = 0
    for path in NOTEBOOKS.glob("[0-9][1-9]_*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if "exercise" in cell.metadata.get("tags", []):
                assert letters(cell.source) in page
                asked += 1
    assert asked > 20
    assert letters("<summary>Hint</summary>") not in page


def test_what_the_solutions_show_is_there(texts: dict[str, str]) -> None:
    """The counterpart: a line of a cell that is no solution is found."""
    shown = texts["03_contrastive_loss.html"]
    assert letters("loss_without_classes = ...  # a function of (z, tau)") in shown


def test_every_notebook_can_be_downloaded_as_students_get_it(site: Path) -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        assert (site / "downloads" / path.name).read_bytes() == path.read_bytes()
    for path in NOTEBOOKS.glob("[0-9][1-9]_*.ipynb"):
        assert f'href="downloads/{path.name}"' in (site / f"{path.stem}.html").read_text()


def test_a_machine_without_torch_can_stage_it(course: Path, tmp_path: Path) -> None:
    heavy = ("torch", "pandas", "pydantic", "ipywidgets", "IPython")
    script = (
        f"import sys; sys.modules |= dict.fromkeys({heavy})\n"
        "from pathlib import Path\n"
        "from delog_site.staging import stage\n"
        f"stage(Path({str(course)!r}), Path({str(ROOT / 'site')!r}), Path({str(tmp_path / 'p')!r}))"
    )
    where = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "site")])}
    subprocess.run([sys.executable, "-c", script], env=where, check=True)
    assert "One network, four ways" in (tmp_path / "p/01_one_network_four_ways.md").read_text()


def test_links_within_it_lead_somewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "data:", "javascript:")):
                assert (site / target).exists(), (page.name, target)


def test_the_reference_has_every_public_name(site: Path) -> None:
    page = (site / "reference.html").read_text(encoding="utf-8")
    assert "</strong> (<em>" not in page  # a sentence that was taken for an argument's type
    rooms = {"data", "lab", "losses", "methods", "nets"}  # modules, described under their names
    for name in set(delog_nb.__all__) - rooms:
        assert f'id="delog_nb.{name}"' in page
    for name in lab.__all__:
        assert f'id="delog_nb.lab.{name}"' in page


def test_it_is_small_and_its_figures_are_whole(site: Path) -> None:
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    assert sum(sizes) < 25e6
    figures = list((site / "_static/figures").glob("*.json"))
    assert len(figures) > 50
    for path in figures:
        json.loads(path.read_text(encoding="utf-8"))
