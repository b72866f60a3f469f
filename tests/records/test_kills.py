"""Whole commands, killed by SIGKILL at random moments of their writing, lose nothing."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from support.forks import Forks, forks_of
from support.runs import ROOT, same_history

from delog_nb import records

SMALL = ["--preset", "quick", "--limit", "60", "--width", "0.125", "--precision", "float32"]
SMALL += ["--epochs", "3", "--checkpoint-every", "0", "--out", "runs"]
GRID = """
fixed: {preset: quick, limit: 60, width: 0.125, precision: float32, epochs: 3}
cross: {method: [bp, al]}
"""
COMMANDS = {
    "train": ["train", *SMALL],
    "compare": ["compare", *SMALL, "--methods", "bp,al", "--seeds", "1"],
    "sweep": ["sweep", "grid.yaml", "--no-notebook", "--workers", "1", "--out", "runs"],
    "tables": ["tables", "runs"],
}
KILLS = 5  # of each


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forks_of(*COMMANDS) as started:
        yield started


def histories(folder: Path) -> dict[str, list]:
    """By run, what was trained; whatever is there under its name is whole."""
    found = list(records.find(folder / "runs"))
    assert all(isinstance(item, records.Record) for item in found)
    for path in (folder / "runs").rglob("*.csv"):
        assert len(pd.read_csv(path)) > 0
    for path in (folder / "runs").rglob("*.html"):
        assert path.read_text().rstrip().endswith("</html>")
    return {item.run_id: item.history for item in found if isinstance(item, records.Record)}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_ends_as_a_whole_one(
    name: str, tmp_path: Path, forks: Forks
) -> None:
    words = COMMANDS[name]

    def fresh(place: str) -> Path:
        folder = tmp_path / place
        folder.mkdir()
        (folder / "grid.yaml").write_text(GRID)
        if name == "tables":
            runs = sorted((ROOT / "results" / "cpu").glob("*-bp-*"))[:3]
            for run in runs:
                shutil.copytree(run, folder / "runs" / run.name)
        return folder

    whole = fresh("whole")
    status, calls = forks.call(whole, words)
    assert (status, {*calls}) == (0, {"fsync", "replace"})
    draw, kills, tries = random.Random(0), 0, 0
    folder = fresh("0")
    while kills < KILLS:
        tries += 1
        assert tries < 40
        name = draw.choice(calls)
        doom = f"{draw.choice(['before', 'after'])} {name} {draw.randint(1, calls.count(name))}"
        status, _ = forks.call(folder, words, doom)
        histories(folder)  # what a reader finds meanwhile
        if status == -signal.SIGKILL:
            kills += 1
        else:  # the calls before it had been made by those that were killed
            assert status == 0
            folder = fresh(str(tries))
    assert forks.call(folder, words)[0] == 0
    one, other = histories(whole), histories(folder)
    assert one.keys() == other.keys()
    assert all(same_history(one[run], other[run]) for run in one)
    assert files(whole) == files(folder)


@pytest.mark.long
def test_a_pipeline_whose_launcher_is_killed_leaves_no_process(
    tmp_path: Path, forks: Forks
) -> None:
    """While its ranks start, and while they train; the next call ends as an undisturbed one."""
    words = ["train", *SMALL, "--epochs", "20", "--pipeline", "2"]
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    for made in (whole, folder):
        made.mkdir()
    assert forks.call(whole, words)[0] == 0
    draw = random.Random(0)
    for epochs in (0, draw.randint(1, 4), draw.randint(1, 4)):
        with subprocess.Popen(
            [sys.executable, "-m", "delog_nb", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as launcher:
            started = psutil.Process(launcher.pid)
            ranks: list[psutil.Process] = []
            try:
                while not started.children():
                    with pytest.raises(subprocess.TimeoutExpired):  # it is still there
                        launcher.wait(0.05)
                assert launcher.stderr is not None
                assert all(launcher.stderr.readline() for _ in range(epochs))
                with pytest.raises(subprocess.TimeoutExpired):
                    launcher.wait(0.02 * draw.random() if epochs else 2 * draw.random())
                ranks = started.children()
                launcher.kill()
                _, errors = launcher.communicate(timeout=60)  # until no rank has it open
            finally:
                for process in (started, *ranks):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
        told = [line for line in errors.splitlines() if ": epoch " not in line]
        gone = "delog-nb: the process that launched the ranks is gone"
        assert [line[: len(gone)] for line in told] in ([gone], [] if epochs == 0 else [gone])
        histories(folder)
    assert forks.call(folder, words)[0] == 0
    one, other = histories(whole), histories(folder)
    assert one.keys() == other.keys()
    assert all(same_history(one[run], other[run]) for run in one)
    assert files(whole) == files(folder)
