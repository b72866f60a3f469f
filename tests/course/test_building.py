"""A small lesson, run and written as `delog-nb lessons` does it."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from support.browser import path_of_chromium

from delog_nb.cli import main
from delog_nb.course import slides
from delog_nb.course.building import build, sources, student, tags
from delog_nb.instruments.course_files import NOTEBOOKS

HEADER = """# 1 · Sums

**You will learn** to add.
**You need** nothing.
**Takes** ? minutes with the exercises, ? seconds to run on 2 cores (? MB).
**In the paper** nowhere."""


def cell(source: str, *named: str, prose: bool = False) -> NotebookNode:
    made = nbformat.v4.new_markdown_cell if prose else nbformat.v4.new_code_cell
    return made(source, metadata={"tags": list(named)})


def lesson(folder: Path, *cells: NotebookNode) -> Path:
    path = folder / "notebooks" / "solutions" / "01_sums.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture
def figures_can_be_drawn() -> None:
    path_of_chromium()


@pytest.mark.browser
@pytest.mark.usefixtures("figures_can_be_drawn")
def test_a_lesson_is_run_measured_and_written_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = lesson(
        tmp_path,
        cell(HEADER, "header", prose=True),
        cell("**Is one and one two?** See the [glossary](../glossary.ipynb).", prose=True),
        cell("import plotly.graph_objects as go\nfor _ in range(2):\n    go.Figure().show()"),
        cell("total = ...", "exercise"),
        cell("total = 1 + 1", "solution"),
        cell("total", "check"),
    )
    notebooks = source.parent.parent
    start = nbformat.v4.new_notebook(cells=[cell("'here'"), cell("'this machine'", "machine")])
    nbformat.write(start, notebooks / "00_start.ipynb")
    assert main(["lessons", str(notebooks)]) == 0
    assert "01_sums" in capsys.readouterr().out

    solved = nbformat.read(source, as_version=4)
    assert "? " not in solved.cells[0].source.replace("?**", "")
    figures = [output.data.keys() for output in solved.cells[2].outputs]
    assert len(figures) == 2
    assert all({"image/png", "application/vnd.plotly.v1+json"} <= set(kinds) for kinds in figures)
    assert [c.execution_count for c in solved.cells if c.cell_type == "code"] == [1, 2, 3, 4]
    assert solved.cells[-1].outputs[0].data["text/plain"] == "2"
    assert "execution" not in solved.cells[2].metadata

    made = nbformat.read(notebooks / "01_sums.ipynb", as_version=4)
    assert made.cells[0].source == solved.cells[0].source
    assert "](glossary.ipynb)" in made.cells[1].source
    assert not any("solution" in tags(c) for c in made.cells)
    code = [c for c in made.cells if c.cell_type == "code"]
    assert all((c.outputs, c.execution_count) == ([], None) for c in code)

    here, machine = nbformat.read(notebooks / "00_start.ipynb", as_version=4).cells
    assert here.outputs[0].data["text/plain"] == "'here'"
    assert (machine.outputs, machine.execution_count) == ([], None)


@pytest.mark.browser
@pytest.mark.usefixtures("figures_can_be_drawn")
def test_a_lesson_that_fails_is_left_as_it_was(tmp_path: Path) -> None:
    source = lesson(tmp_path, cell(HEADER, "header", prose=True), cell("1 / 0"))
    before = source.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        build(source)
    assert source.read_bytes() == before
    assert not (source.parent.parent / source.name).exists()


def test_a_folder_without_lessons_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lessons", str(tmp_path)]) == 2
    assert "no lessons NN_name.ipynb in " in capsys.readouterr().err


def test_sections_begin_slides_and_exercises_are_left_out() -> None:
    lesson = nbformat.v4.new_notebook()
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    lesson.cells = [
        text("# 1 · A lesson"), code("import torch"), text("Few words."), code("torch.ones(1)"),
        text("## Section\n\nWords."), text("Many words. " * 40), code("2"),
        text("## Exercises"), code("f = ..."), text("## Summary"),
    ]  # fmt: skip
    slides.tag(lesson)
    kinds = [cell.metadata.slideshow.slide_type for cell in lesson.cells]
    assert " ".join(kinds) == "slide skip - subslide slide notes subslide skip skip slide"
    assert not any("slideshow" in cell.metadata for cell in student(lesson).cells)
    page, _ = SlidesExporter().from_notebook_node(lesson)
    assert "f = ..." not in page
    assert page.index("Few words.") < page.index(">Section") < page.index('<aside class="notes">')


@pytest.mark.parametrize("path", sources(NOTEBOOKS), ids=lambda path: path.stem)
def test_stored_lessons_are_tagged_for_slides(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    again = copy.deepcopy(stored)
    slides.tag(again)
    assert again == stored
