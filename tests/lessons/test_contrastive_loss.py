"""Lesson 3: what it measures, what it draws, and the checks of its exercises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from delog_nb import lab
from delog_nb.data import load
from delog_nb.lab.lessons.contrastive_loss import SmallBatch, circle, pairs, small_batch
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.pairs import loss_cost, loss_costs, pair_angles


def at(*degrees: float) -> Tensor:
    """Points of the circle."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_angles_of_pairs_are_those_between_the_points() -> None:
    z = 3 * at(0, 20, 350, 80)  # lengths do not matter
    found = pair_angles(z, torch.tensor([0, 0, 1, 1]))
    assert found.positive_mean == pytest.approx((20 + 90) / 2)
    assert found.negative_least == pytest.approx(10)
    assert pair_angles(at(0, 180), torch.tensor([0, 1])).negative_least == pytest.approx(180)
    nobody = pair_angles(at(0, 1), torch.tensor([4, 4]))
    assert nobody.positive_mean == pytest.approx(1)
    assert math.isnan(nobody.negative_least)


def test_a_loss_costs_the_bytes_that_it_makes() -> None:
    z = torch.randn(100, 100)
    cost = loss_cost(lambda z: (z + 1).sum(), z)
    assert cost.seconds > 0
    assert 40_000 <= cost.peak_bytes < 90_000  # z + 1, and then the gradient of the sum
    assert loss_cost(lambda z: (z @ z.T).exp().sum(), z).peak_bytes >= 80_000


@pytest.fixture(scope="module")
def batch() -> SmallBatch:
    experiment = lab.experiment(dataset="digits", preset="quick")
    return small_batch(load(experiment), experiment, [3, 2, 1])


def masks(batch: SmallBatch) -> dict[str, Tensor]:
    other = ~torch.eye(12, dtype=torch.bool)
    return {
        "by image": (batch.image[:, None] == batch.image) & other,
        "by class": (batch.labels[:, None] == batch.labels) & other,
    }


def test_a_small_batch_holds_two_views_of_each_image(batch: SmallBatch) -> None:
    assert batch.labels.tolist() == [0, 0, 0, 1, 1, 2] * 2
    assert batch.image.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert batch.pixels.shape == (12, 1, 16, 16)
    assert 0 <= batch.pixels.min() <= batch.pixels.max() <= 1
    assert all((batch.pixels[k] != batch.pixels[k + 6]).any() for k in range(6))


def test_pairs_are_counted_and_drawn(batch: SmallBatch) -> None:
    shown = pairs(batch, masks(batch))
    assert shown.table["by image: positives of a view"].tolist() == [1] * 6
    assert shown.table["by class: positives of a view"].tolist() == [5, 5, 5, 3, 3, 1]
    assert shown.table["by class: negatives"].tolist() == [6, 6, 6, 8, 8, 10]
    for panel, mask in zip(shown.figure.data[:2], masks(batch).values(), strict=True):
        signs = np.array(panel.text)
        assert ((signs == "+") == mask.numpy()).all()
        assert ((signs == "·") == np.eye(12, dtype=bool)).all()
    places = {(i.xref, i.x, i.y) for i in shown.figure.layout.images}
    assert len(places) == len(shown.figure.layout.images) == 2 * 2 * 12


@pytest.fixture(scope="module")
def path() -> tuple[list[tuple[Tensor, float]], Tensor]:
    """Three classes that come together and go apart, as straight lines over the angles."""
    labels = torch.arange(3).repeat(2)
    begin = torch.tensor([0.0, 50, 100, 150, 200, 250])
    end = labels * 120.0
    moved = [at(*(begin + (end - begin) * k / 30).tolist()).float() for k in range(31)]
    return [(z, supervised_contrastive_loss(z, labels, 0.5).item()) for z in moved], labels


def test_the_circle_shows_start_middle_and_end(path: Any) -> None:
    steps, labels = path
    figure = circle(steps, labels, 0.5).figure
    assert not figure.frames
    dots = [trace for trace in figure.data if str(trace.name).startswith("class")]
    assert len(dots) == 9
    assert sum(trace.showlegend for trace in dots) == 3
    assert dots[0].x == pytest.approx(steps[0][0][labels == 0, 0].tolist())
    assert dots[-1].y == pytest.approx(steps[-1][0][labels == 2, 1].tolist())
    (dashed,) = [trace for trace in figure.data if "evenly" in str(trace.name)]
    assert dashed.y[0] == pytest.approx(steps[-1][1])  # the end is the even arrangement
    half = (steps[0][1] + steps[-1][1]) / 2
    (marks,) = [trace for trace in figure.data if trace.name == "shown above"]
    start, middle, end = marks.x
    assert (start, end) == (0, 30)
    assert steps[middle][1] <= half < steps[middle - 1][1]
    assert dots[3].x == pytest.approx(steps[middle][0][labels == 0, 0].tolist())


def test_the_circle_as_an_animation_shows_every_moment(path: Any) -> None:
    steps, labels = path
    figure = circle(steps, labels, 0.5, animate=True).figure
    names = [frame.name for frame in figure.frames]
    assert names == [str(k) for k in range(31)]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == names
    for frame in figure.frames:
        z, loss = steps[int(frame.name)]
        *dots, now = frame.data  # these replace the figure's first traces
        assert [trace.name for trace in figure.data[: len(frame.data)]] == [
            trace.name for trace in frame.data
        ]
        for c, trace in enumerate(dots):
            assert trace.name == f"class {c + 1}"
            assert trace.x == pytest.approx(z[labels == c, 0].tolist())
        assert (now.x, now.y) == ((int(frame.name),), pytest.approx((loss,)))


def test_the_table_of_the_circle(path: Any) -> None:
    steps, labels = path
    table = circle(steps, labels, 0.5).table
    assert table["Step"].tolist() == [0, 1, 2, 5, 10, 20, 30]
    assert table["Loss"].tolist()[::6] == [steps[0][1], steps[-1][1]]
    assert table["Angle of positive pairs, mean (°)"].iloc[-1] == pytest.approx(0, abs=1e-4)
    assert table["Angle of negative pairs, least (°)"].iloc[-1] == pytest.approx(120)


def test_a_short_path_has_no_step_twice_in_its_table() -> None:
    table = circle([(at(0, 90), 1.0)] * 11, torch.tensor([0, 1]), 0.5).table
    assert table["Step"].tolist() == [0, 1, 2, 5, 10]


def test_the_lessons_formulas_of_push_and_pull_are_the_gradient() -> None:
    """exp((s - 1) / tau) is each negative's push; log(1 + 10 exp(-s / tau)) is the loss."""
    tau, s = 0.3, torch.tensor([0.9, -0.5, 0.1, 0.4, 1.0], dtype=torch.float64)
    s.requires_grad_()  # the first is the positive
    (-(s / tau).log_softmax(0)[0]).backward()
    relative = s.grad[1:] / s.grad[-1]
    torch.testing.assert_close(relative, torch.exp((s.detach()[1:] - 1) / tau))
    assert s.grad.sum().item() == pytest.approx(0, abs=1e-12)

    axes = torch.eye(12, dtype=torch.float64)
    positive = (0.6 * axes[0] + 0.8 * axes[11])[None]  # s = 0.6; ten negatives at a right angle
    z = torch.cat([axes[:1], positive, axes[1:11]])
    logits = (z @ z[0] / tau)[1:]
    loss = math.log(1 + 10 * math.exp(-0.6 / tau))
    assert -logits.log_softmax(0)[0].item() == pytest.approx(loss)


def test_prices_leave_out_what_is_too_slow() -> None:
    ways = {"slow": supervised_contrastive_loss, "fast": supervised_contrastive_loss}
    costs = loss_costs(ways, (8, 16), {"slow": 8})
    assert {name: list(by_size) for name, by_size in costs.items()} == {
        "slow": [8],
        "fast": [8, 16],
    }
    assert all(cost.seconds > 0 for by_size in costs.values() for cost in by_size.values())
