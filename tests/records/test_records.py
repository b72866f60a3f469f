from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from support.runs import same_history, tiny

import delog_nb
from delog_nb import Experiment, data, records, train
from delog_nb.cli import main
from delog_nb.experiment import RecordError, WriteError
from delog_nb.experiment.identity import identity
from delog_nb.instruments.files import remove_leftovers, write_atomically


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = train(tiny(epochs=1))
    record = records.record_of(run)
    folder = records.save(record, tmp_path)
    assert folder == tmp_path / run.experiment.run_id
    back = records.load(folder)
    assert back.experiment == run.experiment
    assert back.history == run.history
    assert back.results == record.results
    assert back.machine == record.machine
    assert back.folder == folder
    assert back.versions["torch"]
    assert back.finished.endswith("+00:00")


def test_every_field_of_the_experiment_is_in_the_record(tmp_path: Path) -> None:
    run = train(tiny(epochs=1))
    content = json.loads(
        (records.save(records.record_of(run), tmp_path) / "record.json").read_text()
    )
    assert content["experiment"] == run.experiment.choices()
    assert content["identity"] == identity(run.experiment)
    assert Experiment(**content["experiment"]) == run.experiment


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "it = []: input should be a valid dictionary"),
        ('{"schema": 99}', "schema = 99: input should be 2"),
        ('{"schema": 2}', "run_id is missing"),
    ],
)
def test_damaged_and_foreign_records_are_named_and_skipped(
    tmp_path: Path, damage: str, reason: str
) -> None:
    folder = records.save(records.record_of(train(tiny(epochs=1))), tmp_path)
    other = tmp_path / "a-foreign-folder"
    other.mkdir()
    (other / "record.json").write_text(damage)
    bad, good = records.find(tmp_path)
    assert isinstance(bad, ValueError)
    assert str(other / "record.json") in str(bad)
    assert reason in str(bad)
    assert isinstance(good, records.Record)
    assert good.folder == folder


def test_what_is_there_is_not_trained_again(tmp_path: Path) -> None:
    experiment = tiny(epochs=1)
    asked = 0

    def images() -> data.ImageData:
        nonlocal asked
        asked += 1
        return data.load(experiment)

    first = records.train_once(experiment, tmp_path, data=images)
    events: list[Any] = []
    second = records.train_once(experiment, tmp_path, events.append, data=images)
    assert asked == 1
    assert events == []
    assert first is not None
    assert second is not None
    assert first.results == second.results
    records.train_once(tiny(epochs=1, seed=1), tmp_path, data=images)
    assert asked == 2


def test_a_stopped_run_leaves_a_checkpoint_and_goes_on(tmp_path: Path) -> None:
    experiment = tiny(epochs=2)
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > 8

    folder = tmp_path / experiment.run_id
    assert records.train_once(experiment, tmp_path, should_stop=stop) is None
    assert [path.name for path in folder.iterdir()] == ["checkpoint.pt"]
    record = records.train_once(experiment, tmp_path)
    assert record is not None
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "record.json"]
    assert same_history(record.history, train(experiment).history)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"cannot write .*Not a directory"):
        records.train_once(tiny(), tmp_path / "file")


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with write_atomically(path) as file:
            file.write(b"half of the n")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with write_atomically(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_write_removes_what_a_killed_one_left_and_nothing_that_is_being_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a[1].csv"
    others = [
        tmp_path / name for name in (".b.csv.12345678.part", ".a1.csv.12345678.part", "a.part")
    ]
    for other in others:
        other.write_text("")
    left = tmp_path / ".a[1].csv.12345678.part"
    left.write_text("half of")
    with write_atomically(path) as slow:
        slow.write(b"slow")
        with write_atomically(path) as quick:
            quick.write(b"quick")
        assert path.read_text() == "quick"
        assert not left.exists()
    assert path.read_text() == "slow"
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_a_file_is_no_leftover_until_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may look for leftovers at the last moment before the renaming."""
    rename = os.replace

    def replace(old: str, new: Path) -> None:
        remove_leftovers(tmp_path)
        rename(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with write_atomically(tmp_path / "file") as file:
        file.write(b"whole")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_mean_and_std() -> None:
    assert records.mean_and_std([2.0, 4.0, 9.0]) == (5.0, math.sqrt((9 + 1 + 16) / 2))
    mean, std = records.mean_and_std([2.0])
    assert mean == 2
    assert math.isnan(std)
    assert all(math.isnan(x) for x in records.mean_and_std([]))


def test_load_run_gives_the_run_back_without_reading_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny(method="al", net="resnet", width=0.125, epochs=1)
    images = data.load(experiment).test.images[:5]
    record = records.train_once(experiment, tmp_path, keep_checkpoint=True)
    assert record is not None
    expected = records.restore(experiment, tmp_path).predict(images)
    monkeypatch.setattr(data, "load", None)
    monkeypatch.setattr(data, "shape", None)
    run = delog_nb.load_run(tmp_path / experiment.run_id)
    assert not run.model.training
    assert (run.history, run.classes, run.state) == (record.history, images_classes(), "finished")
    torch.testing.assert_close(run.predict(images), expected)
    (tmp_path / experiment.run_id / records.CHECKPOINT).unlink()
    with pytest.raises(RecordError, match=r"holds no checkpoint\.pt: its weights were not kept"):
        delog_nb.load_run(tmp_path / experiment.run_id)
    with pytest.raises(RecordError, match="is not a readable record"):
        delog_nb.load_run(tmp_path / "none")


def images_classes() -> tuple[str, ...]:
    return tuple(str(digit) for digit in range(10))


def test_a_run_that_diverged_is_a_record_without_accuracies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A learning rate at which plain gradient descent cannot but fail, by the command itself."""
    words = ["train", "--preset", "quick", "--limit", "60", "--method", "bp", "--optimizer", "sgd"]
    words += ["--lr", "10", "--weight-decay", "10", "--epochs", "60", "--out", str(tmp_path)]
    assert main(words) == 1
    pattern = r"the loss of component 1 is not finite in epoch (\d+), step (\d+)"
    found = re.search(pattern, capsys.readouterr().err)
    (record,) = records.find(tmp_path)
    assert isinstance(record, records.Record)
    assert record.results["state"] == "diverged"
    assert found is not None
    assert record.results["diverged"] == {
        "epoch": int(found[1]),
        "step": int(found[2]),
        "component": 1,
    }
    assert record.results["test_acc"] is None
    assert record.results["precision"] in ("float32", "bf16")
    assert len(record.history) == record.results["epochs"] == int(found[1]) - 1
    assert not list(tmp_path.glob("*/checkpoint.pt"))
    assert main(words) == 1  # the record is there, and says the same
    assert record.folder is not None
    path = record.folder / records.RECORD
    path.write_text(path.read_text().replace('"component"', '"part"'))
    with pytest.raises(RecordError, match="is not a readable record"):
        records.load(record.folder)
