"""Runs made inside a cell: in processes of their own, or here."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from support.runs import tiny

from delog_nb import ExperimentError, data, lab, records, training
from delog_nb.lab.asks import train as training_cells
from delog_nb.measure.features import read_features


def test_processes_make_the_records_that_this_one_makes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tiny(method=method, seed=seed) for seed in (0, 1) for method in ("delog-scl", "bp")]
    monkeypatch.setattr(training_cells, "at_a_time", lambda runs: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = lab.train_all(runs)
    printed = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == [training_cells.label_of(run) for run in runs]
    monkeypatch.setattr(training_cells, "at_a_time", lambda runs: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        here = lab.train_all(runs)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(made, here, strict=True):
        assert one.experiment == other.experiment
        assert one.folder is None
        for row, same in zip(one.history, other.history, strict=True):
            times = ("seconds", "eval_seconds", "images_per_s")
            assert {k: v for k, v in row.items() if k not in times} == {
                k: v for k, v in same.items() if k not in times
            }


def test_a_run_that_fails_is_an_error_and_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_cells, "at_a_time", lambda runs: 2)
    bad = tiny(dataset="folder", data_dir="/nowhere", data_id="0" * 16)
    with pytest.raises(ExperimentError, match="nowhere"):
        lab.train_all([bad, tiny()])


def test_images_that_are_given_and_listeners_stay_in_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a process was asked for")

    monkeypatch.setattr(training_cells, "at_a_time", lambda runs: 2)
    monkeypatch.setattr(training_cells, "Workers", never)
    runs = [tiny(epochs=1, seed=seed) for seed in (0, 1)]
    seen: list[object] = []
    assert len(lab.train_all(runs, data.load(runs[0]))) == 2
    assert len(lab.train_all(runs, on_event=seen.append)) == 2
    assert seen


def test_a_script_is_not_run_again_by_the_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            print("begin", flush=True)
            from delog_nb import lab
            from delog_nb.lab.asks import train
            train.at_a_time = lambda runs: 2
            runs = [lab.experiment(preset="quick", limit=60, epochs=1, seed=s) for s in (0, 1)]
            print(len(lab.train_all(runs)))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.count("begin") == 1
    assert done.stdout.splitlines()[-1] == "2"


def test_runs_that_are_kept_are_not_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tiny(method="bp", epochs=1), tiny(method="delog-scl", epochs=1)]
    made = lab.train_all(runs[:1], keep_in=tmp_path)
    assert made[0].folder is not None
    assert made[0].folder.parent == tmp_path
    assert read_features(made[0].folder).epochs == [0, 1]
    capsys.readouterr()
    again = lab.train_all(runs, keep_in=tmp_path)
    printed = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == [training_cells.label_of(run) for run in runs]
    assert again[0] == made[0]  # to the second that it ended
    assert sorted(r.run_id for r in records.readable(tmp_path)) == sorted(r.run_id for r in again)
    with pytest.raises(ExperimentError, match="keep_in goes with neither data nor on_event"):
        lab.train_all(runs, data.load(runs[0]), keep_in=tmp_path)


def test_a_kept_run_that_failed_is_tried_again(tmp_path: Path) -> None:
    run = tiny(method="bp", epochs=1)
    folder = tmp_path / training.planned(run).run_id
    folder.mkdir()
    (folder / "error.json").write_text('{"schema": 2, "error": "no memory"}')
    assert lab.train_all([run], keep_in=tmp_path)[0].results["state"] == "finished"
    assert not (folder / "error.json").exists()
