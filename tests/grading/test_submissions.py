"""A folder of submissions, checked with real kernels; each of them spoils only its own row."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from delog_nb.cli import main
from delog_nb.grading.answers import Cell, plan
from delog_nb.grading.guard import Guard, Refused
from delog_nb.grading.submissions import Row, table

ANSWER = "import statistics as s\ndef f(v): return s.mean(v), s.stdev(v)"
# who: cells between the import of the lab and the check; result; a part of the message
STUDENTS = {
    "right": ([ANSWER], "right", ""),
    "mean": (["def f(v): return sum(v), 0"], "not yet", "the mean of"),
    "idle": (["f = ..."], "to do", "in place of the three dots"),
    "raising": (["1 / 0\nf = 1"], "error", "ZeroDivisionError: division by zero"),
    "endless": (["def f(v):\n    while True:\n        pass"], "timeout", "no result after"),
    "leaving": (["import os\nos._exit(3)"], "crashed", "ended with status 3"),
    "segfault": (["import faulthandler\nfaulthandler._sigsegv()"], "crashed", "SIGSEGV"),
    "hungry": (["f = [0] * 10**9"], "error", "MemoryError"),
    "curious": ([f"try: open('/etc/passwd')\nexcept OSError: pass\n{ANSWER}"], "refused", "passwd"),
    "copying": (["f = open('SIBLING').read()"], "refused", "reading SIBLING"),
    "shell": (["import subprocess\nf = subprocess.run(['ls'])"], "refused", "subprocess"),
    "caller": (["import socket\nf = socket.create_connection(('127.0.0.1', 9))"], "refused", "soc"),
    "loud": ([f"for k in range(3000): print('x' * 10_000)\n{ANSWER}"], "right", ""),
    "neat": (["from mine import f", "open('notes', 'w').write('mine')"], "right", ""),
    "sly": (
        [
            "import math, delog_nb.course.exercises as c\nlab.check = c.check = lambda *a: True",
            "c.EXERCISES['spread'].make.__code__ = (lambda rng: []).__code__",
            "c.EXERCISES['spread'] = c.EXERCISES['spread']._replace(wrong=lambda *_: None)",
            "math.isclose = lambda *a, **k: True\nc.exercise.__code__ = (lambda name: 0).__code__",
            "c.Result.__init__ = lambda r, *a: setattr(r, 'wrong', None)\nf = lambda v: (0, 0)",
        ],
        "not yet",
        "the mean of",
    ),
}  # fmt: skip


def cell(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("submitted")
    sibling = str((root / "right" / "01_one_network_four_ways.ipynb").resolve())
    for student, (sources, _, _) in STUDENTS.items():
        sources = [s.replace("SIBLING", sibling) for s in sources]
        cells = ["from delog_nb import lab", *sources, 'lab.check("spread", f)']
        path = root / student / "01_one_network_four_ways.ipynb"
        path.parent.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=[cell(s) for s in cells]), path)
    (root / "neat" / "mine.py").write_text(ANSWER)
    (root / "broken").mkdir()
    (root / "broken" / "01_one_network_four_ways.ipynb").write_text('{"cells": [')
    (root / "notes.ipynb").write_text(json.dumps(nbformat.v4.new_notebook()))
    return root


@pytest.fixture(scope="module")
def rows(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("checked") / "all.csv"
    command = [sys.executable, "-m", "delog_nb", "check-submissions", str(folder)]
    command += ["--out", str(out), "--timeout", "12", "--workers", "1"]
    before = sorted(folder.rglob("*"))
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"SECRET": "x"})
    assert sorted(folder.rglob("*")) == before  # nothing was written there
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("student", STUDENTS)
def test_every_submission_has_its_own_result(
    student: str, rows: list[dict[str, str]], folder: Path
) -> None:
    _, result, part = STUDENTS[student]
    (row,) = (r for r in rows if r["student"] == student and r["exercise"] == "spread")
    assert row["result"] == result, row
    sibling = str((folder / "right" / "01_one_network_four_ways.ipynb").resolve())
    assert part.replace("SIBLING", sibling) in row["message"]
    assert (row["file"], row["lesson"]) == (
        f"{student}/01_one_network_four_ways.ipynb",
        "one_network_four_ways",
    )
    assert float(row["seconds"]) > 0


def test_what_is_not_there_is_missing_and_what_cannot_be_read_an_error(
    rows: list[dict[str, str]],
) -> None:
    lesson = {"count-components", "accuracy", "spread"}
    others = {r["exercise"] for r in rows if r["student"] == "right" and r["result"] == "missing"}
    assert others == lesson - {"spread"}
    broken = [r for r in rows if r["student"] == "broken"]
    assert {r["exercise"] for r in broken} == lesson
    assert {r["result"] for r in broken} == {"error"}
    assert "not a readable notebook" in broken[0]["message"]
    assert {r["student"] for r in rows} == {*STUDENTS, "broken"}  # notes.ipynb is no lesson


def test_a_folder_without_lessons_and_bad_limits_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check-submissions", str(tmp_path / "none")]
    assert main(words) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main([*words, "--timeout", "0"]) == 2
    assert capsys.readouterr().err == "delog-nb: timeout = 0 is not allowed: above 0\n"


def test_no_cell_of_the_table_is_a_formula() -> None:
    text = table([Row("=1+1", "a.ipynb", "", "", "error", "@SUM(A1)")]).decode()
    assert text.splitlines()[1] == "'=1+1,a.ipynb,,,error,'@SUM(A1),0.0"


LESSON = [
    Cell("import torch\nfrom delog_nb import lab"),
    Cell("run = lab.experiment()\nimages = [run]\nrecords = lab.train_all(images)"),
    Cell("def used(x):\n    return scale * x\nscale = 1"),
    Cell("scale = 2\nlab.show(scale)\nimages.append(3)\nfill(images)"),
    Cell("first = ...", ("exercise",)),
    Cell('lab.check("first", first)', ("check",)),
    Cell("second = ...", ("exercise",)),
    Cell("def second(v):\n    return used(v) + len(images)"),
    Cell('print("done"); lab.check("second", second)', ("check",)),
]


def test_only_what_an_answer_needs_runs() -> None:
    found = plan(LESSON, "first")
    assert found is not None
    assert found.code == ("first = ...",)
    found = plan(LESSON, "second")
    assert found is not None
    assert "\n".join(found.code).splitlines() == [
        "from delog_nb import lab",
        "run = lab.experiment()",
        "images = [run]",
        "def used(x):",
        "    return scale * x",
        "scale = 1",
        "scale = 2",
        "images.append(3)",
        "fill(images)",
        "second = ...",
        "def second(v):",
        "    return used(v) + len(images)",
        "print('done')",
    ]
    assert found.expression == "second"


def test_answers_are_found_without_tags_and_in_the_last_check() -> None:
    cells = [Cell(c.source) for c in LESSON] + [Cell('lab.check("second", lambda v: v)')]
    found = plan(cells, "second")
    assert found is not None
    assert found.expression == "lambda v: v"
    assert plan(cells[:-2], "second") is None
    found = plan([Cell("x = [k for k in range(3)]"), Cell("!ls"), *cells[:6]], "first")
    assert found is not None
    assert found.code == ("first = ...",)


def test_the_guard_lets_a_submission_have_its_own_files_only(tmp_path: Path) -> None:
    """In this process, without its hook: what it would say to events."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    (own / "link").symlink_to(other)
    guard = Guard([own], hidden=[Path(sys.prefix) / "hidden"])
    guard.prepare()
    for event, *arguments in [
        ("open", str(own / "x"), "w", os.O_WRONLY | os.O_CREAT),
        ("open", os.__file__, "r", os.O_RDONLY),
        ("open", 3, "r", os.O_RDONLY),
        ("os.listdir", str(own)),
        ("os.rename", str(own / "x"), str(own / "y"), -1, -1),
    ]:
        guard.hook(event, tuple(arguments))
    for event, *arguments in [
        ("open", str(other), "r", os.O_RDONLY),
        ("open", str(own / ".." / "other"), "r", os.O_RDONLY),
        ("open", str(own / "link"), "r", os.O_RDONLY),
        ("open", str(Path(sys.prefix) / "hidden" / "x"), "r", os.O_RDONLY),
        ("open", os.__file__, "a", os.O_WRONLY | os.O_APPEND),
        ("open", os.fsencode("/etc/passwd"), "r", os.O_RDONLY),
        ("open", f"/proc/{os.getppid()}/environ", "r", os.O_RDONLY),
        ("os.listdir", str(tmp_path)),
        ("os.rename", str(own / "x"), str(other), -1, -1),
        ("os.system", b"ls"),
        ("socket.connect", None, ("127.0.0.1", 80)),
    ]:
        with pytest.raises(Refused):
            guard.hook(event, tuple(arguments))
