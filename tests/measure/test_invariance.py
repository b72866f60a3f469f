"""Probes of what features hold, against features and images whose answers are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torchvision.transforms.functional as TF
from support.runs import tiny
from torch import nn

from delog_nb import data, lab, methods, records, train
from delog_nb.cli import main
from delog_nb.data import Split
from delog_nb.measure import invariance
from delog_nb.measure.invariance import ask, features, heads_by_block, probe_run
from delog_nb.measure.probes import block_features, linear_probe
from delog_nb.training import Run


def some(count: int = 40, channels: int = 3) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, 8, 8), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(count) % 5)


def untrained(**changes: object) -> Run:
    experiment = tiny(**changes)
    return Run(experiment, methods.build(experiment), "cpu", "float32", (), (0.5,), (0.5,))


@pytest.mark.parametrize("task", ["rotation", "flip", "colour"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_answer_is_the_change_that_was_made(task: str, channels: int) -> None:
    split = some(channels=channels)
    asked = ask(split, task, 1000, seed=3)
    assert asked.images.dtype == torch.uint8
    for before, after, answer in zip(split.images, asked.images, asked.labels, strict=True):
        if task == "rotation":
            wanted = TF.rotate(before, 90 * int(answer))
        elif task == "flip":
            wanted = TF.hflip(before) if answer else before
        elif answer:  # torchvision's, on the scale 0 to 1
            colour = (before / 255).expand(3, -1, -1)
            colour = TF.adjust_contrast(TF.adjust_brightness(colour, 1.4), 1.4)
            if channels == 3:
                colour = TF.adjust_hue(TF.adjust_saturation(colour, 1.4), 0.1)
            wanted = (255 * colour[:channels]).round()
        else:
            wanted = before
        torch.testing.assert_close(after.float(), wanted.float(), atol=1.0, rtol=0)
    counts = asked.labels.bincount()
    assert counts.max() == counts.min()
    assert len(counts) == invariance.CHANGES[task].choices


def test_answers_follow_from_the_seed_and_images_are_left_alone() -> None:
    split = some()
    kept = split.images.clone()
    one, again, other = (ask(split, "rotation", 20, seed) for seed in (0, 0, 1))
    assert torch.equal(split.images, kept)
    assert torch.equal(one.images, again.images)
    assert torch.equal(one.labels, again.labels)
    assert not torch.equal(one.labels, other.labels)
    assert ask(split, "class", 20, 0).labels.bincount().tolist() == [4] * 5  # classes balanced


@pytest.mark.parametrize("task", ["class", *invariance.CHANGES])
def test_each_image_may_be_asked_with_every_answer(task: str) -> None:
    split = some()
    asked = ask(split, task, 20, seed=0, every=True)
    once = ask(split, "class", 20, seed=0)
    if task == "class":
        assert torch.equal(asked.images, once.images)
        return
    change = invariance.CHANGES[task]
    assert len(asked) == 20 * change.choices
    for choice in range(change.choices):
        own = asked.images[asked.labels == choice]
        assert torch.equal(own, change.make(once.images, choice))


def test_r_and_z_are_what_the_networks_own_modules_give() -> None:
    run = untrained(pool=0, head="mlp")
    images = data.load(run.experiment)
    found = features(run, images, images.test)
    assert sorted({place for place, _ in found}) == [1, 2, 3, 4]
    for (place, _), plain in zip(
        [(place, "r") for place in range(1, 5)],
        block_features(run, images, images.test),
        strict=True,
    ):
        assert torch.equal(found[place, "r"], plain)
    mean, std = (torch.tensor(t).view(1, -1, 1, 1) for t in (images.mean, images.std))
    r = (images.test.images / 255 - mean) / std
    run.model.eval()
    with torch.no_grad():
        for place, part in enumerate(run.model.parts()[:-1], 1):
            r = part.layers(r)
            z = part.objective.get_submodule("head")(r)
            z = z / z.norm(dim=1, keepdim=True)
            torch.testing.assert_close(found[place, "z"], z, atol=1e-5, rtol=1e-4)


def test_z0_is_the_head_before_training() -> None:
    run = untrained(epochs=1)
    images = data.load(run.experiment)
    before = features(run, images, images.test)
    assert torch.equal(before[2, "z"], before[2, "z0"])
    head = heads_by_block(run.model)[2]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    after = features(run, images, images.test)
    assert not torch.equal(after[2, "z"], before[2, "z"])
    assert torch.equal(after[2, "z0"], before[2, "z0"])


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"method": "bp"}, []),
        ({"method": "early-exit"}, []),
        ({"method": "al"}, []),
        ({}, [1, 2, 3, 4]),
        ({"components": 3}, [1, 3]),  # layers 1 | 2 3 | 4 5
    ],
)
def test_heads_stand_where_components_end(changes: dict[str, object], places: list[int]) -> None:
    assert list(heads_by_block(untrained(**changes).model)) == places


class _Blind(nn.Module):
    """The mean of an image's rows over all turns and mirrors: the same for every one of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turned = [x.rot90(k, (2, 3)) for k in range(4)]
        return torch.stack([*turned, *(t.flip(-1) for t in turned)]).mean(0)


def test_probes_read_what_is_there_and_nothing_else() -> None:
    """Pixels tell whether a digit was turned or mirrored; what is blind to both does not."""
    run = untrained(method="bp", limit=None)
    images = data.load(run.experiment)
    layers = run.model.parts()[0].layers
    layers[0], layers[1] = nn.Identity(), _Blind()
    layers[2], layers[3] = nn.Identity(), nn.Identity()
    rows = {(row.block, row.task): row for row in probe_run(run, images, 1000)}
    assert set(rows) == {(b, t) for b in (1, 2, 3, 4) for t in invariance.TASKS}
    for task, low in (("rotation", 0.6), ("flip", 0.6), ("colour", 0.7), ("class", 0.8)):
        assert rows[1, task].accuracy > low
    for task in ("rotation", "flip"):
        assert abs(rows[2, task].accuracy - rows[2, task].chance) < 0.1
    assert rows[1, "rotation"].chance == pytest.approx(0.25, abs=0.01)
    assert rows[1, "class"].chance == pytest.approx(0.1, abs=0.01)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, bp without and Delog-SCL with its checkpoint."""
    out = tmp_path_factory.mktemp("runs")
    records.train_once(tiny(epochs=1, method="bp"), out)
    records.train_once(tiny(epochs=1), out, keep_checkpoint=True)
    return out


def test_the_command_writes_probes_once(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    shutil.copytree(kept, out)
    assert main(["probe", str(out), "--images", "60"]) == 1
    shown = capsys.readouterr()
    assert "bp" in shown.err
    assert (
        "has no checkpoint.pt: make the run with 'delog-nb sweep --keep-checkpoints'" in shown.err
    )
    (path,) = out.glob("*/probes.csv")
    assert f"{path}: 48 probes in" in shown.out  # 4 blocks, 4 tasks, r, z and z0
    experiment = tiny(epochs=1)
    assert path.parent.name == experiment.run_id
    run = train(experiment)  # the same weights again
    again = probe_run(run, data.load(experiment), 60)
    assert invariance.read_probes(path.parent) == again

    assert {probe.images for probe in again} == {60}

    written = path.stat().st_mtime_ns
    assert main(["probe", str(path.parent)]) == 0
    assert path.stat().st_mtime_ns == written
    (path.parent / records.CHECKPOINT).unlink()
    assert main(["probe", str(path.parent), "--again"]) == 0  # what cannot be redone stays
    assert path.stat().st_mtime_ns == written

    found = [r for r in records.find(out) if isinstance(r, records.Record)]
    table = lab.recorded_probes(found)
    assert list(table) == [
        *("run_id", "method", "net", "head", "seed"),
        *("block", "features", "task", "accuracy", "chance", "images"),
    ]
    assert len(table) == 48
    assert set(table["method"]) == {"delog-scl"}
    with pytest.raises(ValueError, match="none of these 1 runs has probes"):
        lab.recorded_probes([r for r in found if r.experiment.method == "bp"])
    path.write_text("block,features\n1,r\n")
    with pytest.raises(ValueError, match=r"probes.csv does not hold readable probes"):
        lab.recorded_probes(found)


def test_damaged_runs_are_named_and_the_others_probed(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    shutil.copytree(kept, out)
    bad = out / "a-bad-one"
    bad.mkdir()
    (bad / "record.json").write_text("{")
    (good,) = (path.parent for path in out.glob("*/checkpoint.pt"))
    moved = out / "b-moved"
    shutil.copytree(good, moved)
    torn = out / tiny(epochs=1, method="bp").run_id
    (torn / "checkpoint.pt").write_bytes(b"torn")
    assert main(["probe", str(out), "--images", "40"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert f"{bad / 'record.json'} is not a readable record" in lines[0]
    assert f"its folder is b-moved, its run_id {good.name}" in lines[1]
    assert f"checkpoint {torn / 'checkpoint.pt'} is damaged" in lines[2]
    assert [path.parent for path in out.glob("*/probes.csv")] == [good]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "the following arguments are required: runs"),
        (["none"], "none is not a folder: name one that train or sweep made"),
        (["EMPTY"], "no finished run in"),
        (["EMPTY", "--images", "0"], "images = '0' is not allowed: a whole number from 1 up"),
        (["EMPTY", "--images", "few"], "images = 'few' is not allowed"),
        (["EMPTY", "--image", "5"], "does not take '--image'"),
    ],
)
def test_mistakes_get_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *(w.replace("EMPTY", str(tmp_path)) for w in words)]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_probe_may_be_fitted_to_images_that_the_run_did_not_see(
    kept: Path, tmp_path: Path
) -> None:
    """Of the digits' 1,438 the runs saw at most 400; mean and deviation stay the run's."""
    out = tmp_path / "runs"
    shutil.copytree(kept, out)
    (folder,) = (path.parent for path in out.glob("*/checkpoint.pt"))
    sizes = ["--images", "60", "900", "--test-images", "200", "--tasks", "class"]
    assert main(["probe", str(folder), *sizes]) == 0
    seen = {row.images for row in invariance.read_probes(folder)}
    assert seen == {60, min(900, len(data.load(tiny(epochs=1)).train))}
    flips = ["--images", "60", "--tasks", "flip", "--every", "--again"]
    assert main(["probe", str(folder), *flips]) == 0
    assert {row.images for row in invariance.read_probes(folder)} == {120}  # each, and mirrored
    assert main(["probe", str(folder), *sizes, "--beyond", "--again"]) == 0
    rows = invariance.read_probes(folder)
    assert {(row.images, row.task) for row in rows} == {(60, "class"), (900, "class")}
    experiment = tiny(epochs=1)
    run = train(experiment)
    own = data.load(experiment)
    every = data.load(experiment.but(preset="paper", limit=None, val_fraction=0.0))
    split = ask(every.train, "class", 900, experiment.seed)
    test = ask(every.test, "class", 200, experiment.seed)
    fitted, scored = (features(run, own, s)[2, "r"] for s in (split, test))
    (row,) = (r for r in rows if (r.images, r.block, r.features) == (900, 2, "r"))
    assert row.accuracy == linear_probe((fitted, split.labels), (scored, test.labels))


@pytest.mark.parametrize("flags", [["--images", "0"], ["--test-images", "x"], ["--tasks", "age"]])
def test_probes_that_cannot_be_are_refused(
    flags: list[str], kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", str(kept), *flags]) == 2
    assert "is not allowed" in capsys.readouterr().err
