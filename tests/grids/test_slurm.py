"""Jobs by submitit's local executor: what a cluster would do, in processes of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import processes  # noqa: F401 - a fixture of this module
from support.runs import same_history

from delog_nb import records, train
from delog_nb.cli import main
from delog_nb.experiment import ExperimentError
from delog_nb.grids import grid
from delog_nb.grids.workers import WorkerDied

submitit = pytest.importorskip("submitit", reason="submitit is not installed here")
from delog_nb.grids.slurm import Slurm  # noqa: E402

GRID = """
fixed: {preset: quick, limit: 60, width: 0.125, epochs: 1, precision: float32}
cross: {method: [bp, al]}
"""


@pytest.mark.long
def test_a_sweeps_runs_are_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "grid.yaml", tmp_path / "out"
    path.write_text(GRID)
    words = ["sweep", str(path), "--no-notebook", "--out", str(out)]
    words += ["--slurm", "--slurm-set", "cluster=local", "--slurm-set", "timeout_min=5"]
    assert main(words) == 0
    assert "2 of 2 runs are finished" in capsys.readouterr().out
    for experiment in grid.read(path).experiments():
        made = records.load(out / experiment.run_id)
        assert same_history(made.history, train(experiment).history)
    assert len(list((out / "slurm").glob("*_submitted.pkl"))) == 2
    assert main(words) == 0  # nothing is left to do: no more jobs
    assert len(list((out / "slurm").glob("*_submitted.pkl"))) == 2


@pytest.mark.long
def test_errors_come_back_and_a_stopped_job_ends(tmp_path: Path) -> None:
    with Slurm(tmp_path, {}, "local") as executor:
        assert executor.submit(divmod, 7, 2).result(60) == (3, 1)
        with pytest.raises(WorkerDied, match="by zero"):
            executor.submit(divmod, 7, 0).result(60)
        endless = executor.submit(input_that_never_comes)
        executor.stop()
        with pytest.raises(WorkerDied, match="it was stopped"):
            endless.result(60)


def input_that_never_comes() -> None:
    import threading

    threading.Event().wait()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--slurm-set", "a=b"], "--slurm-set goes with --slurm: add it"),
        (["--slurm", "--scheduler", "tcp://x:1"], "--slurm and --scheduler exclude each other"),
        (["--slurm", "--slurm-set", "gpu"], "slurm-set = 'gpu' is not allowed: NAME=VALUE"),
        (["--slurm", "--slurm-set", "cluster=local", "--slurm-set", "nosuch=1"], "nosuch"),
        (["--slurm", "--slurm-set", "cluster=moon"], "moon"),
    ],
)
def test_flags_that_cannot_be_are_one_sentence(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    out = ["--no-notebook", "--out", str(tmp_path / "out")]
    assert main(["sweep", str(path), *out, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_without_slurm_there_are_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no srun
    with pytest.raises(ExperimentError, match="no jobs can be made for slurm"):
        Slurm(tmp_path, {})
