"""A folder of submissions, checked in the real sandbox; each of them spoils only its own row."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from support.runs import PLUGINS

from delog_nb.cli import main
from delog_nb.course.exercises import EXERCISES
from delog_nb.grading.submissions import Row, table

ANSWER = "import statistics as s\ndef f(v): return s.mean(v), s.stdev(v)"
FILE = "01_one_network_four_ways.ipynb"
# who: cells between the import of the lab and the check; result; a part of the message
STUDENTS = {
    "right": ([ANSWER], "right", ""),
    "mean": (["def f(v): return sum(v), 0"], "not yet", "the mean of"),
    "idle": (["f = ..."], "to do", "in place of the three dots"),
    "raising": (["1 / 0\nf = 1"], "error", "ZeroDivisionError: division by zero"),
    "late": ([f"{ANSWER}\n1 / 0"], "right", "a cell raised ZeroDivisionError: division by zero"),
    "odd": (["class E(Exception):\n  def __str__(self): 1 / 0\nraise E"], "error", "E: <exc"),
    "gone": (["import sys\nsys.exit()\nf = 1"], "error", "SystemExit"),
    "endless": (["def f(v):\n    while True:\n        pass"], "timeout", "no result after 5 s"),
    "leaving": (["import os\nos._exit(3)"], "crashed", "ended: status 3"),
    "segfault": (["import faulthandler\nfaulthandler._sigsegv()"], "crashed", "Segmentation"),
    "hungry": (["f = [0] * 10**9"], "error", "MemoryError"),
    "copying": (["f = open('../right/F').read()"], "error", "FileNotFoundError"),
    "shell": (["import subprocess\nf = subprocess.run(['ls'])"], "error", "PermissionError"),
    "loud": ([f"for k in range(3000): print('x' * 10_000)\n{ANSWER}"], "right", ""),
    "magic": ([f"%precision 3\n{ANSWER}", "display(f([1, 2]))"], "right", ""),
    "alone": (["from mine import f"], "error", "ModuleNotFoundError: No module named 'mine'"),
    "writing": ([f"open('own.py', 'w').write('k = 1')\nimport own\n{ANSWER}"], "right", ""),
    "training": (
        [f"r = lab.train_all([lab.experiment()])\n{ANSWER}\nassert r[0].test_accuracy"],
        "right",
        "",
    ),
}  # fmt: skip


def cell(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("submitted")
    for student, (sources, _, _) in STUDENTS.items():
        cells = ["from delog_nb import lab", *sources, 'lab.check("spread", f)']
        path = root / student / FILE
        path.parent.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=[cell(s) for s in cells]), path)
    (root / "alone" / "mine.py").write_text(ANSWER)
    (root / "broken").mkdir()
    (root / "broken" / FILE).write_text('{"cells": [')
    (root / "notes.ipynb").write_text(json.dumps(nbformat.v4.new_notebook()))
    return root


def checked(folder: Path, out: Path, *flags: str) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "delog_nb", "check-submissions", str(folder)]
    command += ["--out", str(out), *flags]
    before = sorted(folder.rglob("*"))
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"SECRET": "x"})
    assert sorted(folder.rglob("*")) == before  # nothing was written there
    if "cannot be kept in a sandbox" in ran.stderr:
        pytest.skip(ran.stderr)
    assert ran.returncode == 0, ran.stderr
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return checked(folder, tmp_path_factory.mktemp("checked") / "all.csv", "--timeout", "5")


@pytest.mark.parametrize("student", STUDENTS)
def test_every_submission_has_its_own_result(student: str, rows: list[dict[str, str]]) -> None:
    _, result, part = STUDENTS[student]
    (row,) = (r for r in rows if r["student"] == student and r["exercise"] == "spread")
    assert row["result"] == result, row
    assert part in row["message"]
    assert (row["file"], row["lesson"]) == (f"{student}/{FILE}", "one_network_four_ways")
    assert float(row["seconds"]) > 0


def test_what_is_not_there_is_missing_and_what_cannot_be_read_an_error(
    rows: list[dict[str, str]],
) -> None:
    lesson = {"cut-after", "repaired-step", "spread", "two-cuts", "whole-step"}
    others = {r["exercise"] for r in rows if r["student"] == "right" and r["result"] == "missing"}
    assert others == lesson - {"spread"}
    broken = [r for r in rows if r["student"] == "broken"]
    assert {r["exercise"] for r in broken} == lesson
    assert {r["result"] for r in broken} == {"error"}
    assert "not a readable notebook" in broken[0]["message"]
    assert {r["student"] for r in rows} == {*STUDENTS, "broken"}  # notes.ipynb is no lesson


@pytest.mark.long
def test_every_solution_is_right(tmp_path: Path) -> None:
    solutions = Path(__file__).parents[2] / "notebooks" / "solutions"
    rows = checked(solutions, tmp_path / "all.csv")
    assert {row["exercise"] for row in rows} == set(EXERCISES)
    assert {(row["result"], row["message"]) for row in rows} == {("right", "")}


def test_a_file_that_declares_a_method_is_judged_as_an_objective_of_ones_own(
    tmp_path: Path,
) -> None:
    """As runs keep it; nothing else of the lesson is asked for."""
    cell = (PLUGINS / "mean_exit.py").read_text()
    submitted = tmp_path / "submitted"
    for place, text in {
        "anna/digits-convnet-mean-exit-s0/method.py": cell,
        "anna/digits-convnet-mean-exit-s1/method.py": cell,  # the same, of another seed
        "bert/mine.py": cell.replace("r.mean((2, 3))", "r.mean((2, 3)).detach()"),
        "carl/method.py": cell[:-40],
        "dora/helper.py": "import delog_nb\n",  # declares nothing
        "dora/other.py": "def",
    }.items():
        (submitted / place).parent.mkdir(parents=True, exist_ok=True)
        (submitted / place).write_text(text)
    (submitted / "emil").mkdir()
    (submitted / "emil" / "method.py").symlink_to(submitted / "bert" / "mine.py")
    rows = checked(submitted, tmp_path / "all.csv")
    assert {(row["lesson"], row["exercise"]) for row in rows} == {
        ("your_objective", "own-objective")
    }
    told = {row["student"]: (row["result"], row["message"]) for row in rows}
    assert len(rows) == len(told) == 4
    assert told["anna"] == ("right", "")
    assert told["bert"][0] == "not yet"
    assert "never gets a gradient" in told["bert"][1]
    assert told["carl"][0] == "error"
    assert "not a readable file: SyntaxError" in told["carl"][1]
    assert told["emil"] == ("error", "not a readable file: it is a link")


def test_without_a_sandbox_nothing_runs_unless_it_is_asked_for(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = tmp_path / "one"
    one.mkdir()
    (one / "a.ipynb").write_text((folder / "right" / FILE).read_text())
    words = ["check-submissions", str(one), "--out", str(tmp_path / "all.csv"), "--workers", "1"]
    words += ["--timeout", "30"]
    bwrap = tmp_path / "bin" / "bwrap"
    bwrap.parent.mkdir()
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permission for namespaces' >&2; exit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(bwrap.parent), prepend=os.pathsep)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("delog-nb: answers cannot be kept in a sandbox here (bwrap: No permis")
    assert "run this in a container, docker run" in said
    assert said.endswith("or add --no-sandbox if you trust every answer\n")
    assert not (tmp_path / "all.csv").exists()
    assert main([*words, "--no-sandbox"]) == 0
    assert "4 missing, 1 right" in capsys.readouterr().out


def test_a_folder_without_lessons_and_bad_limits_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check-submissions", str(tmp_path / "none")]
    assert main(words) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main([*words, "--timeout", "0"]) == 2
    assert capsys.readouterr().err == "delog-nb: timeout = 0 is not allowed: above 0\n"
    assert main(["check-submissions", str(tmp_path), "--no-sandbox"]) == 2
    said = f"delog-nb: no notebook and no file with a method is below {tmp_path}\n"
    assert capsys.readouterr().err == said


def test_no_cell_of_the_table_is_a_formula() -> None:
    text = table([Row("=1+1", "a\udc80.ipynb", "", "", "error", "@SUM(A1)")]).decode()
    assert text.splitlines()[1] == "'=1+1,a?.ipynb,,,error,'@SUM(A1),0.0"
