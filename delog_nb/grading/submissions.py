"""A folder of submissions, checked: every exercise in a process of its own.

Submitted are notebooks, and files that declare a method, as runs keep them.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import queue
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ValidationError

from delog_nb.experiment import ExperimentError, ReadError
from delog_nb.grading.sandbox import Limits, Sandbox
from delog_nb.instruments.errors import printable
from delog_nb.instruments.files import MEGABYTE, read_text
from delog_nb.records.reading import first_sentence

_LARGEST = 20 * MEGABYTE  # of a notebook
_OF_A_METHOD = "own-objective"  # the exercise that a file which declares a method answers
_CHECK = re.compile(r"""\bcheck\(\s*(?:name\s*=\s*)?["']([\w-]+)["']""")
_Cells: TypeAlias = tuple[tuple[str, list[str]], ...]  # sources and tags


@dataclass(frozen=True)
class Row:
    """What came of one exercise of one notebook.

    ``result`` is right, not yet, to do, missing, error, timeout or crashed.
    """

    student: str
    file: str
    lesson: str
    exercise: str
    result: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Submission:
    """A notebook and what it is: ``problem`` says why it cannot be read.

    A file that declares a method is one with a single exercise.
    """

    student: str
    file: str
    cells: _Cells = ()
    problem: str = ""
    only: str = ""  # the exercise, where it is to have no other

    def row(self, *result: Any) -> Row:
        """What came of one of its exercises: the fields of `Row` from ``lesson`` on."""
        return Row(self.student, self.file, *result)


def _submissions(folder: Path) -> list[_Submission]:
    found = []
    methods = set[tuple[str, str]]()  # runs of several seeds keep the same one
    for path in sorted([*folder.rglob("*.ipynb"), *folder.rglob("*.py")]):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts):
            continue
        student = printable(place.parts[0] if len(place.parts) > 1 else path.stem)
        file = printable(place.as_posix())
        try:
            if path.suffix == ".ipynb":
                found.append(_Submission(student, file, _cells(path)))
            elif name := _method_in(source := _text(path, MEGABYTE)):
                if (student, source) not in methods:
                    check = f"lab.check({_OF_A_METHOD!r}, {name})"
                    cells = ((source, ["exercise"]), (check, ["check"]))
                    found.append(_Submission(student, file, cells, only=_OF_A_METHOD))
                methods.add((student, source))
        except (ReadError, ValueError) as error:
            kind, only = "notebook", ""
            if path.suffix == ".py":
                kind, only = "file", _OF_A_METHOD
            problem = f"not a readable {kind}: {printable(str(error))[:200]}"
            found.append(_Submission(student, file, problem=problem, only=only))
    return found


def _text(path: Path, most: int) -> str:
    if path.is_symlink():
        raise ValueError("it is a link")
    return read_text(path, most)


def _method_in(source: str) -> str:
    """The name of the class or function that stands below ``@delog_nb.method``, if one does.

    Raises ValueError where the text names the package and is no Python.
    """
    if "delog_nb" not in source:
        return ""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for call in node.decorator_list:
                called = call.func if isinstance(call, ast.Call) else call
                if getattr(called, "attr", getattr(called, "id", "")) == "method":
                    return node.name
    return ""


class _Metadata(BaseModel):
    tags: list[str] = []


class _Cell(BaseModel):
    cell_type: Literal["code", "markdown", "raw"]
    source: str | list[str]
    metadata: _Metadata = _Metadata()


class _Notebook(BaseModel):
    """Of nbformat 4 what is looked at; outputs and all else may be anything."""

    nbformat: Literal[4]
    cells: list[_Cell]


def _cells(path: Path) -> _Cells:
    """The code cells of a notebook. Raises `ReadError` or ValueError where it is none."""
    try:
        notebook = _Notebook.model_validate(json.loads(_text(path, _LARGEST)))
    except ValidationError as error:
        raise ValueError(first_sentence(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return tuple(
        ("".join(cell.source), cell.metadata.tags)
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


def check_folder(
    folder: Path,
    limits: Limits | None = None,
    workers: int = 1,
    on_row: Callable[[Row, int, int], object] = lambda *_: None,
    guarded: bool = True,
) -> list[Row]:
    """A row for each notebook below ``folder`` and each exercise that it should have.

    A file that declares a method has one row, the same one twice in a student's folder too.
    ``on_row`` is called with each new row, the number of rows that are done and of all. Notebooks
    without exercises of any lesson have no row, nor have other files.

    Raises `ExperimentError` where there is nothing to check, or no sandbox can be started: none is
    needed where it is not ``guarded``.
    """
    if not hasattr(os, "fork"):
        raise ExperimentError("check-submissions needs Linux, macOS or WSL")
    folder = folder.resolve()
    found, limits = _submissions(folder), limits or Limits()
    if not found:
        raise ExperimentError(f"no notebook and no file with a method is below {folder}")
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        starting = [pool.submit(Sandbox, limits, folder, guarded) for _ in range(workers)]
        from delog_nb.course.exercises import EXERCISES  # PyTorch, which takes its time
        from delog_nb.grading.judging import grade

        idle: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
        for start in starting:
            idle.put(stack.enter_context(contextlib.closing(start.result())))
        lessons = {name: asked.lesson for name, asked in EXERCISES.items()}
        rows, work = _work(found, lessons)
        total = len(rows) + len(work)
        if not total:
            raise ExperimentError(f"no notebook below {folder} has an exercise of a lesson")

        def one(given: tuple[_Submission, str]) -> Row:
            sandbox, (submission, name) = idle.get(), given
            begin = time.perf_counter()
            try:
                result, message = grade(sandbox, submission.cells, name)
            finally:
                idle.put(sandbox)
            seconds = round(time.perf_counter() - begin, 2)
            return submission.row(lessons[name], name, result, message, seconds)

        for done, row in enumerate(rows, 1):
            on_row(row, done, total)
        for row in pool.map(one, work):
            rows.append(row)
            on_row(row, len(rows), total)
    places = {name: place for place, name in enumerate(["", *lessons])}
    return sorted(rows, key=lambda row: (row.file, places[row.exercise]))


def _work(
    found: Iterable[_Submission], lessons: dict[str, str]
) -> tuple[list[Row], list[tuple[_Submission, str]]]:
    """Rows for which nothing has to run, and what has to be checked."""
    rows, work = [], []
    for submission in found:
        named = {name for source, _ in submission.cells for name in _CHECK.findall(source)}
        # where every check is lost, the file's name has to tell
        own = {lessons[name] for name in named & set(lessons)} or {
            lesson for lesson in lessons.values() if lesson in Path(submission.file).stem
        }
        expected = [
            (lesson, name)
            for name, lesson in lessons.items()
            if (name == submission.only if submission.only else lesson in own)
        ]
        if submission.problem:
            rows += [
                submission.row(*exercise, "error", submission.problem)
                for exercise in expected or [("", "")]
            ]
            continue
        for lesson, name in expected:
            if name in named:
                work.append((submission, name))
            else:
                rows.append(submission.row(lesson, name, "missing", "no cell checks this exercise"))
    return rows, work


def table(rows: Iterable[Row]) -> bytes:
    """The rows as a CSV file; no cell begins like a formula of a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    for row in rows:
        values = [str(value) for value in astuple(row)]
        writer.writerow([f"'{v}" if v[:1] in ("=", "+", "-", "@", "\t") else v for v in values])
    return text.getvalue().encode(errors="replace")  # of names of files, which may be any bytes
