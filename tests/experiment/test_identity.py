"""A run's id is what makes its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.runs import make_folder, plugged, tiny

import delog_nb
from delog_nb import Experiment, ExperimentError, data, records, train
from delog_nb.data import DataError
from delog_nb.experiment import Option, RecordError, plugins, registry
from delog_nb.experiment.fields import option_of
from delog_nb.experiment.identity import identity
from delog_nb.experiment.schema import FIELDS
from delog_nb.grids import grid
from delog_nb.training import device, planned

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "cpu"
CARRIED = json.loads(Path(__file__).with_name("carried.json").read_text())

# written down: no change of the code may change them, but a raised revision
IDS = {
    "digits-convnet-delog-scl-s0-5c93c3b932": {"preset": "lesson"},
    "digits-convnet-bp-s1-1199adb34f": {"preset": "paper", "method": "bp", "seed": 1},
    "cifar10-vgg-al-s0-e7ee00c8c7": {
        "preset": "paper", "method": "al", "net": "vgg", "dataset": "cifar10",
    },
    "cifar100-resnet-early-exit-s2-83c3732a52": {
        "preset": "paper", "method": "early-exit", "net": "resnet", "dataset": "cifar100",
        "seed": 2, "components": 3, "shortcut": "1x1",
    },
    "cifar10-resnet-cifar-bp-s0-e709e15277": {
        "preset": "paper", "method": "bp", "net": "resnet-cifar", "dataset": "cifar10",
    },
    "digits-vit-early-exit-s0-88674cf316": {
        "preset": "paper", "method": "early-exit", "net": "vit", "heads": 2, "cut": "layer",
    },
    "folder-convnet-delog-scl-s0-3d6cbcdfe9": {
        "preset": "quick", "dataset": "folder", "data_id": "0123456789abcdef", "head": "linear",
        "optimizer": "sgd", "momentum": 0.5, "width": 0.25,
    },
}  # fmt: skip


def made(name: str) -> Experiment:
    return Experiment(**{"precision": "float32"} | IDS[name])


def all_ids() -> list[str]:
    return [made(name).run_id for name in IDS]


def test_ids_are_as_they_were_written_down() -> None:
    assert all_ids() == list(IDS)


def test_a_new_field_option_method_net_or_data_set_changes_no_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a field of every run, at its default
    monkeypatch.setitem(FIELDS, "patience", Option("patience", 3, "a new field"))
    # an option of a method that is there
    entry = registry.METHODS["delog-scl"]
    wider = (*entry.options, Option("margin", 0.0, "a new option", group="method"))
    registry.METHODS._entries["delog-scl"] = replace(entry, options=wider)
    plugged("mean_exit")
    plugged("dropout_net")

    @delog_nb.dataset("mine", label="Mine", channels=1, size=16, classes=10)
    def mine(folder: Path | None) -> Any:
        raise NotImplementedError

    assert Experiment(precision="float32").margin == 0.0
    assert all_ids() == list(IDS)
    # and off its default it is another run
    assert Experiment(**IDS[next(iter(IDS))], precision="float32", margin=0.5).run_id not in IDS


def test_names_labels_places_and_this_machines_precision_are_not_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = Experiment(preset="lesson", precision="float32")
    explicit = Experiment(**(run.choices() | {"preset": "paper"}))
    assert explicit.preset == "paper"
    assert explicit.run_id == run.run_id
    for changes in ({"dataset_label": "Numbers"}, {"data_dir": tmp_path}, {"device": "cpu"}):
        assert run.but(**changes).run_id == run.run_id
    for fast in (True, False):
        monkeypatch.setattr(device, "pick_precision", lambda *_, fast=fast: "bf16" if fast else "")
        assert Experiment(precision="float32").run_id == run.run_id
    assert planned(run) is run
    with pytest.raises(ExperimentError, match="precision = 'auto' is not settled"):
        _ = Experiment(preset="lesson").run_id


def test_every_choice_that_is_read_makes_another_run() -> None:
    run = Experiment(precision="float32")
    others = [
        run.but(**change)
        for change in (
            {"seed": 1}, {"method": "bp"}, {"net": "vgg"}, {"tau": 0.2}, {"components": 3},
            {"cut": "layer"}, {"epochs": 3}, {"precision": "bf16"}, {"head": "linear"},
            {"optimizer": "sgd"}, {"norm": "none"}, {"limit": 100}, {"augment": "weak"},
        )
    ]  # fmt: skip
    assert len({e.run_id for e in (run, *others)}) == len(others) + 1
    assert run.but(components=5).run_id == run.run_id  # what it is by default


def test_where_a_method_cuts_by_itself_is_a_choice_like_others() -> None:
    own = Experiment(method="dgl", precision="float32")
    assert own.cut == own.choices()["cut"] == identity(own)["choices"]["cut"] == "layer"
    assert own.but(cut="layer").run_id == own.run_id
    assert "cut" not in own.given
    blocks = own.but(cut="block")
    assert "cut" not in identity(blocks)["choices"]
    assert (blocks.num_components, blocks.run_id != own.run_id) == (5, True)
    assert (own.but(method="bp").cut, blocks.but(seed=1).cut) == ("block", "block")
    # a number of components that depends on an option is left out of the id where it is the default
    deep = Experiment(method="auglocal", auglocal_depth=3, precision="float32")
    assert deep.but(components=5).run_id == deep.run_id
    assert "components" not in identity(deep)["choices"]


def test_a_raised_revision_makes_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = Experiment(precision="float32"), Experiment(method="bp", precision="float32")
    before, of_other = run.run_id, other.run_id
    entry = registry.METHODS["delog-scl"]
    registry.METHODS._entries["delog-scl"] = replace(entry, revision=2)
    assert run.run_id != before
    assert identity(run)["revisions"] == {"training": 2, "method": 2}
    assert other.run_id == of_other


def test_the_same_images_are_the_same_run_wherever_they_lie(tmp_path: Path) -> None:
    one, other = make_folder(tmp_path / "a" / "images"), tmp_path / "b" / "images"
    shutil.copytree(one, other)

    def run(folder: Path) -> Experiment:
        return planned(tiny(dataset="folder", data_dir=folder, limit=None))

    assert run(one).run_id == run(other).run_id
    (other / "train" / "cat" / "0.png").write_bytes((one / "train/dog/0.png").read_bytes())
    assert run(one).run_id != run(other).run_id
    with pytest.raises(DataError, match="holds other images than data_id"):
        data.load(run(one).but(data_dir=other))


def test_a_relative_folder_is_not_taken_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, count in (("A", 3), ("B", 4)):
        make_folder(tmp_path / place / "D", count=count)
    ids = []
    for place in "AB":
        monkeypatch.chdir(tmp_path / place)
        ids.append(planned(tiny(dataset="folder", data_dir="D", limit=None)).run_id)
    assert len(set(ids)) == 2


def test_a_record_is_held_to_its_folder_and_its_choices(tmp_path: Path) -> None:
    folder = records.save(records.record_of(train(tiny(epochs=1))), tmp_path)
    content = json.loads((folder / "record.json").read_text())

    def refused(where: Path, words: str, **changes: Any) -> None:
        (where / "record.json").write_text(json.dumps(content | changes))
        with pytest.raises(RecordError, match=words):
            records.load(where)

    refused(folder, "its experiment has lr", experiment=content["experiment"] | {"lr": 0.5})
    refused(folder, "its experiment has clip", experiment=content["experiment"] | {"clip": 0.5})
    refused(folder, "its identity that of", identity=content["identity"] | {"seed": 5})
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    refused(moved, "its folder is moved")


def test_the_recorded_runs_were_carried_over() -> None:
    """57 in, 57 out: all but ``experiment`` byte for byte, under the id that they had before."""
    found = [item for item in records.find(RESULTS) if isinstance(item, records.Record)]
    assert {r.carried_from: r.run_id for r in found} == CARRIED
    assert len(found) == len(set(CARRIED.values())) == 57
    digest = hashlib.sha256()
    for old, new in sorted(CARRIED.items()):
        content = json.loads((RESULTS / new / "record.json").read_text())
        kept = [content[name] for name in ("results", "machine", "versions", "finished")]
        digest.update(f"{old} {json.dumps(kept)}".encode())
        digest.update((RESULTS / new / "history.csv").read_bytes())
    assert digest.hexdigest() == "77091608fb2967ad869d82210547dc02b6c211a0216e90949112b38e681bc1d1"
    assert {r.revisions["training"] for r in found} == {1}


@pytest.mark.parametrize(("name", "count"), [("table2", 36), ("table8", 12), ("table9", 9)])
def test_lessons_find_records_by_choices_on_a_machine_without_images_and_bf16(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "pick_precision", None)  # nothing is asked of the hardware
    monkeypatch.setattr(data, "content_id", None)  # nor of the images
    described = grid.read(RESULTS / "grids" / f"{name}.yaml")
    wanted = described.experiments()
    kept = records.readable(RESULTS)
    assert len(grid.records_of(described, kept)) == len(wanted) == count
    assert not records.matching(wanted, kept)  # this code makes another revision
    with_auto = [e.but(precision="auto") for e in wanted]
    assert len(records.matching(with_auto, kept, described.revisions)) == count


def test_two_records_that_fit_one_run_are_refused(tmp_path: Path) -> None:
    for precision in ("float32", "bf16"):
        run = train(tiny(method="bp", precision=precision, epochs=1))
        records.save(records.record_of(run), tmp_path)
    kept = records.readable(tmp_path)
    (one,) = records.matching([tiny(method="bp", precision="bf16", epochs=1)], kept)
    assert one.experiment.precision == "bf16"
    with pytest.raises(RecordError, match="several records fit one run: digits-"):
        records.matching([tiny(method="bp", precision="auto", epochs=1)], kept)


def test_a_plugins_source_is_in_the_id(tmp_path: Path) -> None:
    path = plugged("mean_exit")
    first = tiny(method="mean-exit").run_id
    other = tmp_path / "mine.py"
    other.write_text(path.read_text() + "\n# changed\n")
    registry.use(plugins.read(other))
    assert tiny(method="mean-exit").run_id != first
    registry.use(plugins.read(path))
    assert tiny(method="mean-exit").run_id == first


def test_a_field_is_its_own_base_unless_it_says_otherwise() -> None:
    from delog_nb.experiment.fields import field_of

    class Later(Experiment):
        patience: int = field_of(5, "a default that has changed", "training", base=3)

    option = option_of("patience", Later.model_fields["patience"])
    assert (option.default, option.base) == (5, 3)
    assert all(o.base == o.default for _, o in registry.declared_options())
