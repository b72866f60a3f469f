"""What trackers are told, read back by their own readers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.runs import tiny

from delog_nb import records, training
from delog_nb.cli import main
from delog_nb.experiment import ExperimentError
from delog_nb.records import tracking
from delog_nb.records.tracking import PROJECT, TRACKERS, check_tracker
from delog_nb.training import EpochEnded, Event, Run

RUN = tiny(method="early-exit")
FLAGS = ["--preset", "quick", "--limit", "60", "--width", "0.125", "--precision", "float32"]
FLAGS += ["--method", "early-exit", "--checkpoint-every", "0"]


def tracked(name: str, out: Path) -> Run:
    with tracking.tracking(name, out) as on_event:
        return training.train(RUN, on_event)


def expected(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Of each column of the history its values by epoch."""
    return {
        name: [(int(row["epoch"]), pytest.approx(row[name], rel=1e-6)) for row in run.history]
        for name in run.history[0]
        if name != "epoch" and run.history[0][name] is not None
    }


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="no TensorBoard here"
    )
    events = accumulator.EventAccumulator(str(folder)).Reload()
    names = events.Tags()["scalars"]
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in names}


def test_tensorboard_has_every_figure_of_every_epoch(tmp_path: Path) -> None:
    run = tracked("tensorboard", tmp_path)
    assert scalars(tmp_path / "tensorboard" / RUN.run_id) == expected(run)


def test_mlflow_has_every_figure_and_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed here")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    run = tracked("mlflow", tmp_path)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    place = client.get_experiment_by_name(PROJECT)
    (found,) = client.search_runs([place.experiment_id])
    assert (found.info.run_name, found.info.status) == (RUN.run_id, "FINISHED")
    assert found.data.params == {k: str(v) for k, v in RUN.choices().items()}
    for name, values in expected(run).items():
        history = client.get_metric_history(found.info.run_id, name)
        assert [(m.step, m.value) for m in history] == values


def test_trackio_has_every_figure_and_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio", reason="trackio is not installed here")
    from trackio import sqlite_storage, utils

    for module in (sqlite_storage, utils):
        if hasattr(module, "TRACKIO_DIR"):
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    run = tracked("trackio", tmp_path)
    storage = sqlite_storage.SQLiteStorage
    assert storage.get_runs(PROJECT) == [RUN.run_id]
    rows = storage.get_logs(PROJECT, RUN.run_id)
    for name, values in expected(run).items():
        assert [(row["step"], row[name]) for row in rows if name in row] == values


@pytest.mark.parametrize("words", [["train"], ["compare", "--seeds", "1", "--nets", "convnet"]])
def test_the_commands_track(words: list[str], tmp_path: Path) -> None:
    flags = FLAGS if words[0] == "train" else [*FLAGS[:-4], "--methods", "early-exit"]
    words = [*words, *flags, "--track", "tensorboard", "--out", str(tmp_path)]
    assert main(words) == 0
    (record,) = records.find(tmp_path)
    found = scalars(tmp_path / "tensorboard" / record.run_id)
    assert found["test_acc"] == [
        (row["epoch"], pytest.approx(row["test_acc"])) for row in record.history
    ]


def test_a_run_that_goes_on_has_each_epoch_once(tmp_path: Path) -> None:
    """It is killed, as it were, after an epoch was logged and before its checkpoint was written."""
    checkpoint = tmp_path / "checkpoint.pt"

    def part(stop_after: int) -> Run:
        ended: list[int] = []

        def listen(event: Event) -> None:
            log(event)
            if isinstance(event, EpochEnded):
                ended.append(int(event.row["epoch"]))

        with tracking.tracking("tensorboard", tmp_path) as log:
            return training.train(
                tiny(method="early-exit", epochs=3),
                listen,
                lambda: len(ended) >= stop_after,
                checkpoint=checkpoint,
                checkpoint_every=0,
            )

    part(1)
    kept = checkpoint.read_bytes()
    part(1)
    checkpoint.write_bytes(kept)
    run = part(3)
    (folder,) = (tmp_path / "tensorboard").iterdir()
    found = scalars(folder)
    assert [step for step, _ in found["test_acc"]] == [1, 2, 3]
    assert found["loss_1"] == expected(run)["loss_1"]


def test_a_tracker_that_fails_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorboard").write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match="tensorboard failed, and the run is not tracked further"):
        run = tracked("tensorboard", tmp_path)
    assert len(run.history) == RUN.epochs


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_missing_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    with pytest.raises(ExperimentError, match=rf"pip install 'delog_nb\[{name}\]'"):
        check_tracker(name)


@pytest.mark.parametrize("command", ["train", "compare", "sweep"])
def test_what_cannot_track_is_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "grid.yaml").write_text("fixed: {preset: quick}")
    words = [command, *([str(tmp_path / "grid.yaml")] if command == "sweep" else [])]
    words += ["--out", str(tmp_path / "out"), "--track"]
    assert main([*words, "tensorbord"]) == 2
    said = capsys.readouterr().err
    assert "'tensorbord' is not allowed: one of tensorboard, mlflow, trackio" in said
    assert "did you mean 'tensorboard'?" in said
    if command == "sweep":
        assert main([*words, "tensorboard"]) == 2
        assert "--track goes with --no-notebook: add it" in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "out")
