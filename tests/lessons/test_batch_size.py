"""Lesson 7: what it counts and measures is so, and its checks know right from wrong."""

from __future__ import annotations

import math

import pytest
import torch
from support.runs import tiny
from torch import Tensor

from delog_nb import data, lab, methods
from delog_nb.lab.lessons import batch_size as batches
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.batches import (
    GradientNoise,
    chances_of_positives,
    gradient_noise,
    gradients_by_component,
)
from delog_nb.measure.pairs import Cost, loss_costs
from delog_nb.methods import Batch
from delog_nb.records import Record, record_of
from delog_nb.training import train


@pytest.mark.parametrize(("images", "classes", "views"), [(1, 3, 1), (5, 2, 1), (4, 3, 2)])
def test_chances_of_positives_are_those_of_all_possible_batches(
    images: int, classes: int, views: int
) -> None:
    """Every way to give the images classes, each as likely as any other, counted one by one."""
    counted: dict[int, int] = {}
    for labels in torch.cartesian_prod(*[torch.arange(classes)] * images).view(-1, images):
        seen = labels.repeat(views)
        for positives in ((seen[:, None] == seen).sum(1) - 1).tolist():
            counted[positives] = counted.get(positives, 0) + 1
    total = sum(counted.values())
    chances = chances_of_positives(images, classes, views)
    assert chances == pytest.approx({k: counted.get(k, 0) / total for k in chances})
    mean = sum(k * chance for k, chance in chances.items())
    assert mean == pytest.approx(views * (images - 1) / classes + views - 1)


def test_signal_and_noise_of_a_known_gradient_are_found() -> None:
    """The mean of n numbers round 3 in 4 dimensions: signal 6, noise 2 / sqrt(n) by dimension."""
    generator = torch.Generator().manual_seed(0)
    for images in (1, 16):
        numbers = 3 + 2 * torch.randn(4000, images, 4, generator=generator)
        found = gradient_noise(numbers.mean(1))
        assert found.signal == pytest.approx(6, rel=0.02)
        assert found.noise == pytest.approx(math.sqrt(4 * 4 / images), rel=0.02)


def test_no_signal_is_found_where_there_is_none() -> None:
    found = gradient_noise(torch.tensor([[1.0], [-1.0]]))
    assert found == GradientNoise(0.0, math.sqrt(2))
    assert found.ratio == math.inf


def test_gradients_by_component_are_what_backward_leaves_in_the_layers() -> None:
    run = tiny(device="cpu", depth=2)
    images, method = data.load(run), methods.build(run)
    batch = next(lab.train_batches(run, images, 0))
    found = gradients_by_component(method, [batch, batch])
    assert [tuple(g.shape[:1]) for g in found] == [(2,)] * 3
    assert all(p.grad is None for p in method.parameters())
    r, told = batch[0], Batch.of(batch[1])
    for component, gradients in zip(method.parts(), found, strict=True):
        r, told, loss = component(r.detach(), told)
        loss.backward()
        own = [p.grad.flatten() for p in component.layers.parameters() if p.grad is not None]
        assert torch.allclose(gradients[0], torch.cat(own), rtol=1e-3, atol=1e-6)
        assert torch.equal(gradients[0], gradients[1])


def test_losses_are_priced_up_to_their_largest_size() -> None:
    ways = {"slow": supervised_contrastive_loss, "fast": supervised_contrastive_loss}
    costs = loss_costs(ways, sizes=(16, 32), largest={"slow": 16})
    assert {name: list(found) for name, found in costs.items()} == {"slow": [16], "fast": [16, 32]}
    assert all(cost.seconds > 0 and cost.peak_bytes > 0 for cost in costs["fast"].values())


@pytest.fixture(scope="module")
def runs() -> list[Record]:
    return [
        record_of(train(tiny(batch_size=size, seed=seed, epochs=2, limit=100, depth=1)))
        for size in (32, 16)
        for seed in (0, 1)
    ]


def test_updates_are_the_steps_of_training(runs: list[Record]) -> None:
    for run in runs:
        assert batches.training_images(run) == 90  # 100 less a tenth for validation
        assert lab.updates_per_epoch(run) == math.ceil(90 / run.experiment.batch_size)
    table = lab.budgets_table({"all": runs})
    assert table[["Batch size", "Updates", "Images seen"]].to_numpy().tolist() == [
        [16, "12", "180"],
        [32, "6", "180"],
    ]
    figure = lab.updates_figure(runs, "title")
    assert [list(line.x) for line in figure.data] == [[1, 2], [6, 12], [1, 2], [3, 6]]
    assert lab.updates_table(runs)["batch size 16: updates"].to_dict() == {1: "6", 2: "12"}


def test_accuracies_are_gathered_by_size(runs: list[Record]) -> None:
    found = lab.by_batch_size(runs)
    assert list(found) == [16, 32]
    assert found[16] == [r.results["test_acc"] for r in runs if r.experiment.batch_size == 16]
    series = {"here": {2: [0.5, 0.7], 8: [1.0]}}
    (line,) = lab.sizes_figure(series, "title", "Size").data
    assert list(line.x) == [2, 8]
    assert list(line.y) == pytest.approx([60, 100])
    assert list(line.error_y.array) == pytest.approx([100 * math.sqrt(0.02), 0])
    table = lab.sizes_table(series, "Size")
    assert table["here (%)"].to_dict() == {2: "60.00 ± 14.14", 8: "100.00"}


def test_figures_of_pairs_and_their_tables_hold_the_same_numbers() -> None:
    counted: Tensor = torch.tensor([1, 3, 3, 5])
    chances = {1: 0.25, 3: 0.5, 5: 0.25}
    bars, marks = lab.positives_figure(counted, chances, "title").data
    assert list(bars.x) == list(marks.x) == [1, 3, 5]
    assert list(bars.y) == list(marks.y) == [25, 50, 25]
    table = lab.positives_table(counted, chances, views=2)
    assert table["Positives, mean"].tolist() == ["3.00", "3.00"]
    assert table["Negatives, mean"].tolist() == ["2.00", "2.00"]
    assert table["Positives, 5 % to 95 %"][0] == "1 to 5"
    shares = {10: {8: 0.5, 16: 0.25}}
    assert [list(t.y) for t in lab.alone_figure(shares, shares).data] == [[50, 25]] * 2
    assert lab.alone_table(shares, shares).iloc[1].tolist() == ["25.00"] * 2


def test_figures_of_noise_and_price_and_their_tables_hold_the_same_numbers() -> None:
    noise = {"a": {4: GradientNoise(1.0, 2.0), 16: GradientNoise(2.0, 2.0)}}
    measured, line = lab.noise_figure(noise).data
    assert list(measured.y) == list(line.y) == [2, 1]
    assert lab.noise_table(noise)["Noise / signal"].tolist() == ["2.00", "1.00"]
    costs = {"a": {500: Cost(0.002, 3_000_000)}, "b": {500: Cost(0.001, 10_000), 1000: Cost(1, 1)}}
    table = lab.prices_table(costs)
    assert table["One N × N table (MB)"].to_dict() == {500: "1.00", 1000: "4.00"}
    assert table["a: memory (MB)"].to_dict() == {500: "3.00", 1000: "–"}
    lines = lab.prices_figure(costs).data
    assert [list(trace.y) for trace in lines[:3]] == [[1, 4], [3], [2]]
