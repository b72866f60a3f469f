"""Lessons as files: the solutions are the source, the student's notebooks are made from them.

``notebooks/solutions/NN_name.ipynb`` holds a lesson with its worked solutions (cells tagged
``solution``); ``notebooks/NN_name.ipynb`` is the same without them. Solutions are kept as they
were after a run at normal size, with figures as images and as data, for pages without a kernel.
"""

from __future__ import annotations

import copy
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from delog_nb.course import slides
from delog_nb.instruments.files import write_atomically
from delog_nb.instruments.processes import PeakMemory

SOLUTIONS = "solutions"
TAKES = re.compile(
    r"\*\*Takes\*\* (\S+) minutes with the exercises, "
    r"(\S+) seconds to run on 2 cores \((\S+) MB\)\."
)
_WORDS_PER_MINUTE, _MINUTES_PER_EXERCISE = 200, 6
# One browser draws all figures of a lesson: a quarter of a second each, where a browser for each
# takes three.
_START_DRAWING = """
import warnings, kaleido
warnings.filterwarnings("ignore", message="The kopts argument is ignored")
kaleido.start_sync_server(silence_warnings=True)
"""
_STOP_DRAWING = "kaleido.stop_sync_server(silence_warnings=True)"


@dataclass(frozen=True)
class Cost:
    """What a lesson takes: minutes with the exercises, seconds to run, and MB at most.

    Seconds are from the kernel's start to the last cell's end. The memory is that of the kernel and
    the processes that it starts, without the browser that draws stored figures.
    """

    minutes: int
    seconds: float
    megabytes: float


def sources(folder: Path) -> list[Path]:
    """The lessons with solutions below ``folder``, in reading order."""
    return sorted((folder / SOLUTIONS).glob("[0-9][0-9]_*.ipynb"))


def tags(cell: NotebookNode) -> list[str]:
    """A cell's tags."""
    found: list[str] = cell.metadata.get("tags", [])
    return found


def student(lesson: NotebookNode) -> NotebookNode:
    """The lesson without solutions and outputs: what it shows, the student's own run shows."""
    made = copy.deepcopy(lesson)
    made.cells = [cell for cell in made.cells if "solution" not in tags(cell)]
    for cell in made.cells:
        cell.metadata.pop("slideshow", None)
        if cell.cell_type == "markdown":  # links to other lessons stay among students' notebooks
            cell.source = cell.source.replace("](../", "](")
    return without_outputs(made)


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The same notebook, of which nothing has been run."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def minutes_to_read(lesson: NotebookNode) -> int:
    """Words at 200 a minute, and six minutes for each exercise."""
    words = sum(len(cell.source.split()) for cell in lesson.cells if "solution" not in tags(cell))
    exercises = sum("exercise" in tags(cell) for cell in lesson.cells)
    return math.ceil(words / _WORDS_PER_MINUTE + exercises * _MINUTES_PER_EXERCISE)


def execute(lesson: NotebookNode, folder: Path) -> Cost:
    """Run ``lesson`` in place, as if it stood in ``folder``, and say what it took.

    Raises `nbclient.exceptions.CellExecutionError` if a cell fails.
    """
    start, stop = map(nbformat.v4.new_code_cell, (_START_DRAWING, _STOP_DRAWING))
    own = lesson.cells
    lesson.cells = [start, *own, stop]
    client = NotebookClient(lesson, timeout=600, resources={"metadata": {"path": str(folder)}})
    begin = time.perf_counter()
    try:
        with PeakMemory(without=("chrom", "kaleido")) as memory:
            client.execute()
    finally:
        lesson.cells = own
    seconds = time.perf_counter() - begin - _seconds_for_the_site(own)
    for cell in own:
        for counted in (cell, *cell.get("outputs", [])):
            if counted.get("execution_count"):
                counted.execution_count -= 1  # as if the lesson's own first cell were the first
    lesson.metadata.pop("widgets", None)
    return Cost(minutes_to_read(lesson), seconds, memory.bytes / 1e6)


def _seconds_for_the_site(cells: list[NotebookNode]) -> float:
    """What figures took that are kept for the site alone, each noted beside its output."""
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    return sum(output.get("metadata", {}).pop("seconds", 0.0) for output in outputs)


@contextmanager
def _outputs_to_store() -> Iterator[None]:
    wanted = {"PLOTLY_RENDERER": "plotly_mimetype+png", "DELOG_NB_STORING": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def build(source: Path) -> Cost:
    """Run a lesson, write its costs into its header, and write it and the student's notebook."""
    lesson = nbformat.read(source, as_version=4)
    with _outputs_to_store():
        cost = execute(lesson, source.parent)
    for cell in lesson.cells:
        cell.metadata.pop("execution", None)  # times of day
        if "header" in tags(cell):
            takes = (
                f"**Takes** {cost.minutes} minutes with the exercises, {cost.seconds:.0f} seconds "
                f"to run on 2 cores ({cost.megabytes:.0f} MB)."
            )
            cell.source = TAKES.sub(takes, cell.source)
    slides.tag(lesson)
    write(lesson, source)
    write(student(lesson), source.parent.parent / source.name)
    return cost


def build_page(path: Path) -> None:
    """Run a notebook that is no lesson, such as the start page, and store what it shows.

    What cells tagged ``machine`` show is left out: it is true of one machine.
    """
    page = nbformat.read(path, as_version=4)
    with _outputs_to_store():
        execute(page, path.parent)
    for cell in page.cells:
        cell.metadata.pop("execution", None)
        if "machine" in tags(cell):
            cell.outputs, cell.execution_count = [], None
    write(page, path)


def write(lesson: NotebookNode, path: Path) -> None:
    """Write a notebook, numbering its cells so that ids are the same each time."""
    lesson.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(lesson.cells):
        cell["id"] = f"cell-{number}"
    nbformat.validate(lesson)
    with write_atomically(path) as file:
        file.write((nbformat.writes(lesson) + "\n").encode())
