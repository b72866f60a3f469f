"""Lesson 7: what it counts and measures is so, and its checks know right from wrong."""

from __future__ import annotations

import math

import pytest
import torch
from support.lessons import defined
from support.runs import tiny

from delog_nb import data, lab, methods
from delog_nb.components import Batch
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.batches import (
    GradientNoise,
    chances_of_positives,
    gradient_noise,
    gradients_by_component,
)
from delog_nb.measure.pairs import loss_costs
from delog_nb.records import record_of
from delog_nb.training import Event, Stepped, train


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


def test_updates_are_the_steps_of_training() -> None:
    images = defined("07_batch_size", "images_per_epoch")
    updates = defined("07_batch_size", "updates_per_epoch", math=math, images_per_epoch=images)
    for size in (16, 32):
        steps: list[Event] = []
        run = train(tiny(batch_size=size, epochs=2, limit=100, depth=1), steps.append)
        record = record_of(run)
        assert images(record) == 90  # 100 less a tenth for validation
        assert 2 * updates(record) == sum(isinstance(step, Stepped) for step in steps)


def test_shares_of_anchors_are_those_of_the_batches_that_are_drawn() -> None:
    """All labels in one batch: nothing is left to chance."""
    count = defined("07_batch_size", "count_positives", torch=torch)
    draw = defined(
        "07_batch_size", "share_of_anchors", lab=lab, count_positives=count,
        chances_of_positives=chances_of_positives,
    )  # fmt: skip
    shown = draw(torch.tensor([0, 0, 0, 1]), batch_size=4, classes=2, views=1)
    assert shown.table["counted"].to_dict() == {0: 25, 1: 0, 2: 75, 3: 0}
    assert shown.table["formula"].to_dict() == pytest.approx({0: 12.5, 1: 37.5, 2: 37.5, 3: 12.5})
    assert shown.says == (
        "Of 3 other views, 1.50 are positives on average by the formula; 1.50 were counted."
    )
