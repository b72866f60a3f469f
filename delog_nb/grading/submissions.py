"""A folder of submitted notebooks, checked: every exercise in a fresh kernel of its own."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import queue
import re
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from delog_nb.course.building import tags
from delog_nb.experiment import ExperimentError
from delog_nb.grading.nursery import Limits, Nursery

_LARGEST = 20 * 10**6  # bytes of a notebook, and of the other files beside it
_CHECK = re.compile(r"""\bcheck\(\s*(?:name\s*=\s*)?["']([\w-]+)["']""")


@dataclass(frozen=True)
class Row:
    """What came of one exercise of one notebook; ``result`` is one of `nursery.RESULTS`."""

    student: str
    file: str
    lesson: str
    exercise: str
    result: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Submission:
    """A notebook and what it is: ``problem`` says why it cannot be read."""

    path: Path
    student: str
    file: str
    cells: tuple[tuple[str, list[str]], ...] = ()
    problem: str = ""

    def named(self) -> set[str]:
        """What the notebook's cells check."""
        return {name for source, _ in self.cells for name in _CHECK.findall(source)}

    def expected(self, exercises: dict[str, str]) -> list[tuple[str, str]]:
        """Lesson and name of every exercise that the notebook should have."""
        found = {exercises[name] for name in self.named() if name in exercises}
        if not found:  # every check is lost: the file's name has to tell
            found = {lesson for lesson in exercises.values() if lesson in self.path.stem}
        return [(lesson, name) for name, lesson in exercises.items() if lesson in found]

    def copy(self, to: Path) -> None:
        """The files beside the notebook, but no other notebook, and no folder with one."""
        total = 0
        for item in sorted(self.path.parent.iterdir()):
            if item.is_symlink() or item.name.startswith("."):
                continue
            if item.is_dir() and next(item.rglob("*.ipynb"), None) is None:
                inside = [f for f in item.rglob("*") if f.is_file() and not f.is_symlink()]
            elif item.is_file() and (item == self.path or item.suffix != ".ipynb"):
                inside = [item]
            else:
                continue
            for file in inside:
                total += file.stat().st_size
                if total > _LARGEST:
                    raise ValueError(f"more than {_LARGEST / 1e6:.0f} MB of files beside it")
                target = to / file.relative_to(self.path.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def _submissions(folder: Path) -> list[_Submission]:
    found = []
    for path in sorted(folder.rglob("*.ipynb")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts):
            continue
        student = place.parts[0] if len(place.parts) > 1 else path.stem
        names = (path, student, place.as_posix())
        try:
            found.append(_Submission(*names, cells=_cells(path)))
        except Exception as error:  # noqa: BLE001 - what a broken file raises cannot be listed
            reason = " ".join(str(error).split()) or type(error).__name__
            found.append(_Submission(*names, problem=f"not a readable notebook: {reason[:200]}"))
    return found


def _cells(path: Path) -> tuple[tuple[str, list[str]], ...]:
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or no file")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST / 1e6:.0f} MB")
    notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    return tuple(
        (str(cell.source), [str(tag) for tag in tags(cell)])
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


def check_folder(
    folder: Path,
    limits: Limits | None = None,
    workers: int = 1,
    on_row: Callable[[Row, int, int], object] = lambda *_: None,
) -> list[Row]:
    """A row for each notebook below ``folder`` and each exercise that it should have.

    ``on_row`` is called with each new row, the number of rows that are done and of all. Notebooks
    without exercises of any lesson have no row.

    Raises `ExperimentError` where there is nothing to check, or no kernel can be started.
    """
    if not hasattr(os, "fork"):
        raise ExperimentError("check-submissions needs Linux, macOS or WSL")
    folder = folder.resolve()
    limits = limits or Limits()
    with Nursery(limits, folder) as first:
        rows, work = _work(_submissions(folder), first.exercises)
        total = len(rows) + len(work)
        if not total:
            raise ExperimentError(f"no notebook below {folder} has an exercise of a lesson")
        for done, row in enumerate(rows, 1):
            on_row(row, done, total)
        idle: queue.SimpleQueue[Nursery] = queue.SimpleQueue()
        idle.put(first)
        with contextlib.ExitStack() as more, ThreadPoolExecutor(workers) as pool:

            def one(given: tuple[_Submission, str, str]) -> Row:
                try:
                    nursery = idle.get_nowait()
                except queue.Empty:  # at most once for each thread but the first
                    nursery = more.enter_context(Nursery(limits, folder))
                try:
                    return _row(nursery, *given)
                finally:
                    idle.put(nursery)

            for row in pool.map(one, work):
                rows.append(row)
                on_row(row, len(rows), total)
    places = {name: place for place, name in enumerate(["", *first.exercises])}
    return sorted(rows, key=lambda row: (row.file, places[row.exercise]))


def _work(
    found: Iterable[_Submission], exercises: dict[str, str]
) -> tuple[list[Row], list[tuple[_Submission, str, str]]]:
    """Rows that need no kernel, and what has to be checked in one."""
    rows, work = [], []
    for submission in found:
        who, named = (submission.student, submission.file), submission.named()
        expected = submission.expected(exercises)
        if submission.problem:
            rows += [
                Row(*who, *exercise, "error", submission.problem)
                for exercise in expected or [("", "")]
            ]
        for lesson, name in [] if submission.problem else expected:
            if name in named:
                work.append((submission, lesson, name))
            else:
                rows.append(Row(*who, lesson, name, "missing", "no cell checks this exercise"))
    return rows, work


def _row(nursery: Nursery, submission: _Submission, lesson: str, exercise: str) -> Row:
    begin = time.perf_counter()
    try:
        result, message = nursery.check(submission.cells, exercise, submission.copy)
    except (OSError, ValueError) as error:
        result, message = "error", " ".join(str(error).split())
    seconds = round(time.perf_counter() - begin, 2)
    return Row(submission.student, submission.file, lesson, exercise, result, message, seconds)


def _values(row: Row) -> list[Any]:
    return [getattr(row, field.name) for field in fields(row)]


def table(rows: Iterable[Row]) -> bytes:
    """The rows as a CSV file; no cell begins like a formula of a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    for row in rows:
        values = [str(value) for value in _values(row)]
        writer.writerow([f"'{v}" if v[:1] in ("=", "+", "-", "@", "\t") else v for v in values])
    return text.getvalue().encode()
