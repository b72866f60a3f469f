from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from delog_nb import records, train
from delog_nb.cli import main


def test_events_hold_every_figure_of_every_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tiny(method="early-exit"))
    records.save(records.record_of(run), tmp_path / "runs")
    words = ["runs", "--out", str(tmp_path / "runs"), "--tensorboard", str(tmp_path / "events")]
    for _ in range(2):  # written anew, not added to
        assert main(words) == 0
        events = EventAccumulator(str(tmp_path / "events" / run.experiment.run_id)).Reload()
        assert set(events.Tags()["scalars"]) == set(run.history[0]) - {"epoch"}
        for name in ("loss_1", "loss_5", "test_acc", "lr"):
            found = [(e.step, e.value) for e in events.Scalars(name)]
            assert found == [(row["epoch"], pytest.approx(row[name])) for row in run.history]
    assert f"tensorboard --logdir {tmp_path / 'events'}" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records.save(records.record_of(train(tiny(epochs=1))), tmp_path / "runs")
    (tmp_path / "file").write_text("")
    words = ["runs", "--out", str(tmp_path / "runs"), "--tensorboard", str(tmp_path / "file")]
    assert main(words) == 2
    assert f"cannot write {tmp_path / 'file'}: Not a directory" in capsys.readouterr().err
