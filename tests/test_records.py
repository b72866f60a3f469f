from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import same_history, tiny

from delog_nb import data, records, train
from delog_nb.experiment import WriteError
from delog_nb.instruments.files import write_atomically


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
    assert content["experiment"] == run.experiment.model_dump(mode="json")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "list indices"),
        ('{"schema": 99}', "schema 99 where 1 is known"),
        ('{"schema": 1}', "'experiment'"),
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


def test_mean_and_std() -> None:
    assert records.mean_and_std([2.0, 4.0, 9.0]) == (5.0, math.sqrt((9 + 1 + 16) / 2))
    mean, std = records.mean_and_std([2.0])
    assert mean == 2
    assert math.isnan(std)
    assert all(math.isnan(x) for x in records.mean_and_std([]))
