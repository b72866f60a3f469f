"""A clock that is set back or forth, and files whose times are another day's, lose nothing."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.runs import same_history, tiny

from delog_nb import records
from delog_nb.grids.sweep import sweep
from delog_nb.records.locks import Busy, claim
from delog_nb.training import EpochEnded, Event, Started, planned

DAY = 86_400


def move(monkeypatch: pytest.MonkeyPatch, days: int, *folders: Path) -> None:
    """Set the clock, and the times of every file in ``folders``."""
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + days * DAY)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + days * DAY * 10**9)
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            found = path.stat()
            os.utime(path, (found.st_atime + days * DAY, found.st_mtime + days * DAY))


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


class Cut(Exception):
    """Ends a run without a word to it, as a kill does."""


@pytest.mark.parametrize("days", [-1, 1])
def test_a_run_goes_on_where_it_was(
    days: int, tmp_path: Path, image_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock moves while a run trains, and again after it was cut off."""
    small = {"dataset": "folder", "data_dir": image_folder, "image_size": 16, "epochs": 4}
    finished, unfinished = (planned(tiny(method=m, **small)) for m in ("bp", "early-exit"))
    whole, out = tmp_path / "whole", tmp_path / "runs"
    undisturbed = records.train_once(unfinished, whole)
    assert undisturbed is not None
    records.train_once(finished, out)

    def disturb(event: Event) -> None:
        if isinstance(event, EpochEnded):
            if event.row["epoch"] == 3:
                raise Cut
            move(monkeypatch, days)

    with pytest.raises(Cut):  # after every epoch it is time for a checkpoint
        records.train_once(unfinished, out, disturb, checkpoint_every=1e-6)
    before = files(out)
    move(monkeypatch, days, out, image_folder, cache)

    begun: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, Started):
            begun.append(event.epoch)

    # the images are looked at anew: they are the same ones
    again = [planned(e.but(data_id=None)) for e in (finished, unfinished)]
    made = [records.train_once(e, out, note) for e in again]
    assert begun == [3]
    assert [record and record.run_id for record in made] == [finished.run_id, unfinished.run_id]
    assert made[1] is not None
    assert same_history(made[1].history, undisturbed.history)
    after = files(out)
    gone = f"{unfinished.run_id}/{records.CHECKPOINT}"  # as after every run
    assert {name: content for name, content in before.items() if name != gone}.items() <= (
        after.items()
    )
    assert set(after) - set(before) == {
        f"{unfinished.run_id}/{name}" for name in (records.RECORD, records.HISTORY)
    }


@pytest.mark.parametrize("days", [-1, 1])
def test_a_claim_does_not_age(days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(tmp_path, "run", 0.0):
        move(monkeypatch, days, tmp_path)
        with pytest.raises(Busy), claim(tmp_path, "run", 0.0):
            pass


@pytest.mark.parametrize("days", [-1, 1])
def test_a_sweep_makes_what_is_missing_alone(
    days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = [tiny(method=method, limit=60, epochs=1) for method in ("bp", "early-exit")]
    with ThreadPoolExecutor(1) as executor:
        sweep(todo[:1], tmp_path, executor, slots=1)
        (folder,) = tmp_path.glob("*-bp-*")
        before = files(folder)
        move(monkeypatch, days, tmp_path)
        times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        progress = sweep(todo, tmp_path, executor, slots=1)
    assert sorted(outcome.state for outcome in progress.outcomes.values()) == ["done", "kept"]
    assert files(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert len(records.readable(tmp_path)) == 2
