"""Features in motion: what is kept, against networks that are looked at by hand."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.runs import tiny
from torch import Tensor

from delog_nb import Experiment, data, train
from delog_nb.data import ImageData, Split
from delog_nb.experiment import ExperimentError, RecordError
from delog_nb.instruments.run_files import FEATURES, FEATURES_PART
from delog_nb.measure.features import (
    DIMENSIONS,
    FeatureKeeper,
    Features,
    features_in_training,
    head_outputs,
    kept_epochs,
    plane,
    read_features,
    reduced,
    separation,
)
from delog_nb.measure.probes import block_outputs
from delog_nb.training import EpochEnded, Run


def kept(folder: Path, experiment: Experiment, **options: Any) -> Run:
    return train(experiment, FeatureKeeper(folder), **options)


def test_some_twenty_epochs_from_before_the_first_to_the_last() -> None:
    for epochs in (1, 2, 12, 19, 20, 150, 100_000):
        found = kept_epochs(epochs)
        assert found == sorted(set(found))
        assert found[0] == 0
        assert found[-1] == epochs
        assert len(found) == min(20, epochs + 1)


def test_distances_of_the_last_epoch_are_those_of_the_networks_features(tmp_path: Path) -> None:
    """16 dimensions of features that have no more, turned and rounded: distances stay."""
    run = kept(tmp_path / "run", tiny(method="delog-scl", epochs=3, width=0.05, limit=200))
    found = read_features(tmp_path / "run")
    images = data.load(run.experiment)
    assert found.epochs == [0, 1, 2, 3]
    assert len(found.images) == len(set(found.images)) == 200
    assert found.labels == images.test.labels[found.images].tolist()
    assert found.scores.shape == (4, run.experiment.depth, 200, DIMENSIONS)
    chosen = Split(images.test.images[found.images], images.test.labels[found.images])
    (outputs,) = block_outputs(run, images, chosen)
    for block, r in enumerate(outputs):
        assert r.shape[1] <= DIMENSIONS
        exact = torch.cdist(*[r.mean((2, 3)).double()] * 2)
        mine = torch.cdist(*[torch.from_numpy(found.scores[-1, block]).double()] * 2)
        assert (exact - mine).abs().max() < 0.03 * exact.max()
        assert found.shares[block] == pytest.approx(1)


def test_blocks_are_turned_towards_the_one_above() -> None:
    """A block whose features are those above, turned about, lies just where they do."""
    generator = torch.Generator().manual_seed(0)
    above = torch.randn(3, 50, 20, generator=generator).double()
    turn, _ = torch.linalg.qr(torch.randn(20, 20, generator=generator).double())
    scores, shares = reduced([above @ turn, above])
    torch.testing.assert_close(scores[:, 0], scores[:, 1], rtol=1e-3, atol=1e-3)
    assert shares[0] == pytest.approx(shares[1])
    assert 0.8 < shares[0] < 1


def test_a_run_that_is_taken_up_keeps_what_a_whole_one_does(tmp_path: Path) -> None:
    experiment = tiny(method="bp", epochs=4)
    kept(tmp_path / "whole", experiment)
    asked = itertools.count()
    folder, checkpoint = tmp_path / "again", tmp_path / "checkpoint.pt"
    stopped = kept(folder, experiment, checkpoint=checkpoint, should_stop=lambda: next(asked) > 30)
    assert stopped.stopped
    assert 0 < len(stopped.history) < 4
    assert (folder / FEATURES_PART).exists()
    assert not (folder / FEATURES).exists()
    kept(folder, experiment, checkpoint=checkpoint)
    assert not (folder / FEATURES_PART).exists()
    one, other = read_features(tmp_path / "whole"), read_features(folder)
    assert replace(one, scores=other.scores) == other
    assert np.array_equal(one.scores, other.scores)


def test_it_is_small_and_the_images_stand_beside_it(tmp_path: Path) -> None:
    run = kept(tmp_path / "run", tiny(method="bp", epochs=30, limit=64))
    assert len(kept_epochs(30)) == 20
    assert (tmp_path / "run" / FEATURES).stat().st_size < 500_000
    found = read_features(tmp_path / "run")
    with Image.open(io.BytesIO(found.sprite)) as sprite:
        assert "test images of Digits" in sprite.text["Source"]  # type: ignore[attr-defined]
        pixels = np.array(sprite)
    images, side = data.load(run.experiment).test.images, run.experiment.image_size
    for place in (0, 21, 199):
        row, column = divmod(place, 20)
        tile = pixels[row * side : (row + 1) * side, column * side : (column + 1) * side, 0]
        assert np.array_equal(tile, images[found.images[place], 0].numpy())


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"has no features.npz: sweep with --keep-features"):
        read_features(tmp_path)
    path = tmp_path / FEATURES
    large = io.BytesIO()
    np.savez_compressed(large, codes=np.zeros(200_000_000, np.int8))
    wrong = io.BytesIO()
    np.savez_compressed(wrong, codes=np.zeros((1, 1, 1, 16), np.int8), scale=np.zeros((1, 2)))
    objects = io.BytesIO()
    np.savez(objects, codes=np.array([{}], dtype=object))
    for content in (b"", b"PK", large.getvalue(), wrong.getvalue(), objects.getvalue()):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"features.npz is damaged: .") as caught:
            read_features(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_run_that_ends_early_leaves_no_features(tmp_path: Path) -> None:
    listen = FeatureKeeper(tmp_path / "run")
    asked: list[object] = []

    def on_event(event: object) -> None:
        listen(event)  # type: ignore[arg-type]
        if isinstance(event, EpochEnded):
            asked.append(event)

    train(tiny(method="bp", epochs=5), on_event, lambda: bool(asked))
    assert not (tmp_path / "run" / FEATURES).exists()


def made(seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, 2, 40, DIMENSIONS)) * np.linspace(3, 0.1, DIMENSIONS)
    labels = (np.arange(40) % 4).tolist()
    return Features([0, 1, 2], [*range(40)], labels, scores.astype(np.float32), [1.0, 1.0], b"")


def test_the_plane_is_the_widest_after_the_last_epoch_and_the_same_before() -> None:
    features = made()
    found = plane(features)
    for block in range(2):
        scores = features.scores[:, block].astype(float)
        centred = scores - scores[-1].mean(0)
        values, vectors = np.linalg.eigh(centred[-1].T @ centred[-1])
        own = centred @ vectors[:, -2:]  # whichever way it is turned, distances are the same
        for epoch in range(3):
            assert distances(found[epoch, block]) == pytest.approx(distances(own[epoch]), abs=1e-6)
        assert np.square(found[-1, block]).sum() == pytest.approx(values[-2:].sum())


def test_a_turned_copy_is_turned_back() -> None:
    features = made()
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = plane(features)
    assert plane(features, found[-1, -1] @ turn)[-1, -1] == pytest.approx(found[-1, -1] @ turn)
    twice = replace(features, scores=np.repeat(features.scores[:, :1], 2, 1)[..., ::-1].copy())
    lower, upper = plane(twice)[-1]
    assert lower == pytest.approx(upper)


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points, axis=-1)


def test_separation_is_a_ratio_of_mean_distances() -> None:
    features = made()
    for epoch, block in itertools.product(range(3), range(2)):
        scores = features.scores[epoch, block].astype(float)
        within, between = [], []
        for i, j in itertools.combinations(range(40), 2):
            same = features.labels[i] == features.labels[j]
            (within if same else between).append(np.linalg.norm(scores[i] - scores[j]))
        expected = np.mean(between) / np.mean(within)
        assert separation(features)[epoch, block] == pytest.approx(expected)


def test_small_features_before_training_are_not_rounded_away(tmp_path: Path) -> None:
    """Scores of an epoch have a unit of their own: features that grow hide no earlier ones."""
    points = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))

    def look(run: Run, _: ImageData, chosen: Tensor) -> list[Tensor]:
        apart = points[: len(chosen)] * (1e-4 if not run.history else 1.0)
        return [apart, torch.ones_like(apart)]

    run = train(tiny(method="bp", epochs=1), FeatureKeeper(tmp_path / "run", look))
    found = read_features(tmp_path / "run")
    assert len(run.history) == 1
    times = separation(found)
    assert times[0, 0] == pytest.approx(times[1, 0], rel=1e-3)
    assert np.isnan(times[:, 1]).all()  # all images in one place: nothing is apart


def test_a_run_is_trained_and_looked_at_in_one_go() -> None:
    experiment = tiny(method="bp", epochs=1)
    found = features_in_training(experiment, data.load(experiment))
    assert found.epochs == [0, 1]
    assert len(found.sprite) > 1000


def test_z_is_kept_as_the_loss_sees_it(tmp_path: Path) -> None:
    """A head with few outputs: 16 components hold them all, so their distances are exact."""
    experiment = tiny(method="delog-scl", epochs=1, head_dim=8)
    run = train(experiment, FeatureKeeper(tmp_path / "run", head_outputs))
    images, found = data.load(experiment), read_features(tmp_path / "run")
    chosen = Split(images.test.images[found.images], images.test.labels[found.images])
    (outputs,) = block_outputs(run, images, chosen)
    for block, (part, r) in enumerate(zip(run.model.parts(), outputs, strict=False)):
        z = part.objective.get_submodule("head")(r).detach().double()
        exact = torch.cdist(*[z / z.norm(dim=1, keepdim=True)] * 2)
        mine = torch.cdist(*[torch.from_numpy(found.scores[-1, block]).double()] * 2)
        rounded = abs(found.scores[:, block]).max() / 127  # 8 dimensions of two points
        assert (exact - mine).abs().max() < 8**0.5 * rounded


def test_z_is_asked_of_networks_with_heads_alone() -> None:
    experiment = tiny(method="early-exit")
    with pytest.raises(ExperimentError, match="Early Exit has projection heads after 0 of 4"):
        features_in_training(experiment, data.load(experiment), head_outputs)
