"""Lesson 7: what it counts and measures is so, and its text says what its outputs show."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from support.lessons import defined, shown_by
from support.runs import tiny
from torch import Tensor, nn

import delog_nb
from delog_nb import data, lab, methods
from delog_nb.components import Batch
from delog_nb.course.assessing import Comparison, judge
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.batches import GradientNoise, gradient_noise, gradients_by_component

LESSON = "07_batch_size"


def loss_of(z: Tensor, labels: Tensor, kept: int, heavy: str = "", seed: int = 0) -> Tensor:
    """The lesson's loss with a head that leaves z as it is."""
    few = defined(
        LESSON, "FewNegatives", torch=torch, F=F, delog_nb=delog_nb, projection_head=itself
    )
    goal = few((2,), 2, few_kept=kept, few_heavy=heavy)
    generator = torch.Generator().manual_seed(seed)
    found: Tensor = goal(z, replace(Batch.of(labels), generator=generator))
    return found


def itself(*_: object, **__: object) -> nn.Module:
    return nn.Identity()


@pytest.mark.parametrize("kept", [12, 100])
@pytest.mark.parametrize("heavy", ["", "all"])
def test_with_all_negatives_it_is_eq2(kept: int, heavy: str) -> None:
    labels = torch.tensor([0, 1, 2, 0, 2, 1]).repeat(2)
    z = torch.randn(12, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z.requires_grad_()
    mine = loss_of(z, labels, kept, heavy)
    package = supervised_contrastive_loss(z, labels, 0.1)
    assert mine.item() == pytest.approx(package.item())
    one, other = (torch.autograd.grad(loss, z)[0] for loss in (mine, package))
    assert torch.allclose(one, other)


@pytest.mark.parametrize("heavy", ["", "one", "all"])
@pytest.mark.parametrize("kept", [1, 3, 100])
def test_negatives_are_drawn_and_positives_stay(kept: int, heavy: str) -> None:
    """All views of a class are one vector: it does not matter which negatives are drawn."""
    labels = torch.tensor([0, 0, 0, 1, 1]).repeat(2)
    points = torch.tensor([[1.0, 0], [0.6, 0.8]], dtype=torch.float64)
    same, other = math.exp(1 / 0.1), math.exp(0.6 / 0.1)
    expected = []
    for label in labels.tolist():
        positives = int((labels == label).sum()) - 1
        every = int((labels != label).sum())
        negatives = {"": min(kept, every), "one": 1, "all": every}[heavy]
        expected.append(-math.log(same / (positives * same + negatives * other)))
    found = loss_of(points[labels], labels, kept, heavy)
    assert found.item() == pytest.approx(sum(expected) / len(expected))


def test_every_draw_is_another_and_follows_the_generator() -> None:
    labels = torch.arange(8).repeat(2)
    z = torch.randn(16, 3, generator=torch.Generator().manual_seed(2))
    draws = [loss_of(z, labels, 2, "", seed).item() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_positives_and_negatives_are_counted() -> None:
    counted = defined(LESSON, "counted")
    labels = torch.tensor([0, 0, 0, 1])
    assert counted(labels) == pytest.approx((6 / 4, 6 / 4))


def test_as_many_steps_are_about_as_many() -> None:
    images = data.load(tiny(limit=200))
    assert len(images.train) == 180
    steps = defined(LESSON, "steps", images=images, math=math)
    plan = defined(LESSON, "as_many_steps", images=images, math=math, steps=steps)
    run = tiny(batch_size=32, epochs=5)
    assert steps(run) == 30
    other = plan(run, 128)
    assert (other.batch_size, other.epochs, steps(other)) == (128, 15, 30)


def test_signal_and_noise_of_a_known_gradient_are_found() -> None:
    """The mean of n numbers round 3 in 4 dimensions: signal 6, noise 2 / sqrt(n) by dimension."""
    mine = defined(LESSON, "signal_and_noise")
    generator = torch.Generator().manual_seed(0)
    for images in (1, 16):
        numbers = 3 + 2 * torch.randn(4000, images, 4, generator=generator)
        found = gradient_noise(numbers.mean(1))
        assert found.signal == pytest.approx(6, rel=0.02)
        assert found.noise == pytest.approx(math.sqrt(4 * 4 / images), rel=0.02)
        assert mine(numbers.mean(1)) == pytest.approx((found.signal, found.noise))


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


def test_verdicts_are_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    tell = defined(LESSON, "verdicts", judge=judge, Comparison=Comparison)
    tell({"up": ({0: 0.9, 1: 0.8}, {0: 0.5, 1: 0.4}), "open": ({0: 0.9, 1: 0.1}, {0: 0.5, 1: 0.4})})
    up, undecided = capsys.readouterr().out.splitlines()
    assert up == "up: +40.0 points (+40.0 to +40.0), above 0: holds"
    assert undecided.endswith("above 0: not decided (n = 2)")


# What the text says of its outputs


def told(part: str) -> str:
    """What came out, of the cell that has ``part`` in it."""
    return (
        shown_by(LESSON, part)
        .partition("It came out: ")[2]
        .partition(". You made no prediction")[0]
    )


def percentages(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"(\d+\.\d) %", text)]


def test_steps_decide_where_epochs_are_the_same() -> None:
    small, middle, large = percentages(told("lab.outcome(\n    epochs_question"))
    assert small > middle > large
    printed = shown_by(LESSON, 'the same epochs": (epochs[32]')
    epochs, stepped = re.findall(r"points \((\S+) to (\S+)\), above 0: (.+)", printed)
    assert epochs[2] == "holds"
    assert float(stepped[1]) > 0  # "does about as well as they do, or better"
    steps = dict(re.findall(r"(\d+) images, 8 epochs: (\d+) steps", printed))
    assert int(steps["512"]) < int(steps["128"]) < int(steps["32"])


def test_the_weight_of_the_negatives_counts_and_their_number_hardly() -> None:
    one, eight, every = percentages(told("lab.outcome(few_question"))
    assert one < eight < every - 1
    assert every - one > 10
    heavy, light, same = percentages(told("lab.outcome(\n    weight_question"))
    assert same == every
    assert abs(heavy - every) < 4  # a few points, and within 5
    assert light < every - 10
    lines = shown_by(LESSON, "1, heavy − all")
    found = re.findall(r"^(.+): ([-+].*) points \((\S+) to (\S+)\), above 0: (.+)$", lines, re.M)
    verdicts = {label: verdict for label, *_, verdict in found}
    assert verdicts["1 as it is − all"] == verdicts["all, light − all"] == "does not hold"
    ends = {label: (float(low), float(high)) for label, _, low, high, _ in found}
    assert ends["1, heavy − all"][0] > -5  # "a few points at most"
    low, high = ends["all, light − 1 as it is"]
    assert -3 < low < high < 3  # "about as much as leaving all but one out"


def test_noise_about_halves() -> None:
    (ratio,) = map(
        float, re.findall(r"divided by (\d\.\d)", told("lab.outcome(\n    noise_question"))
    )
    assert 1.6 <= ratio <= 2.6


def test_the_pilot_ends_with_the_largest_batch() -> None:
    rows = re.findall(r"batch size (\d+) +[*]*(\d+\.\d+)", shown_by(LESSON, 'recorded("table8")'))
    accuracies = {int(size): float(share) for size, share in rows}
    assert min(accuracies, key=accuracies.__getitem__) == 512
    assert math.ceil(4500 / 512) == 9
    assert 200 * math.ceil(50_000 / 128) == 78_200
