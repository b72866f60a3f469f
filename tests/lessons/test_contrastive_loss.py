"""Lesson 3: what it measures, what it draws, and the checks of its exercises."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.lessons import SOLUTIONS, defined
from torch import Tensor

from delog_nb import lab
from delog_nb.data import load
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.style import method_style
from delog_nb.lab.lessons.contrastive_loss import SmallBatch, circle, followed, small_batch
from delog_nb.losses import supervised_contrastive_loss
from delog_nb.measure.features import plane
from delog_nb.measure.pairs import loss_cost, loss_costs, pair_angles

LESSON = "03_contrastive_loss"


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


def test_a_small_batch_holds_two_views_of_each_image(batch: SmallBatch) -> None:
    assert batch.labels.tolist() == [0, 0, 0, 1, 1, 2] * 2
    assert batch.image.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert batch.pixels.shape == (12, 1, 16, 16)
    assert 0 <= batch.pixels.min() <= batch.pixels.max() <= 1
    assert all((batch.pixels[k] != batch.pixels[k + 6]).any() for k in range(6))


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


def test_classes_on_the_circle_have_no_methods_colour(path: Any) -> None:
    colours = {trace.marker.color for trace in circle(*path, 0.5).figure.data if trace.marker.color}
    assert not colours & {method_style(method)["color"] for method in METHODS}


def test_z_is_followed_as_it_lies() -> None:
    """In two dimensions nothing is lost: distances are those of z, images their own."""
    images, z = load(lab.experiment(dataset="digits")), torch.randn(3, 30, 2)
    found = followed(z, [0, 2, 5], images)
    assert (found.epochs, found.labels) == ([0, 2, 5], images.test.labels[:30].tolist())
    places = torch.from_numpy(plane(found)[:, 0])
    drawn, real = ((one[:, :, None] - one[:, None]).norm(dim=3) for one in (places, z.double()))
    torch.testing.assert_close(drawn, real, atol=1e-5, rtol=1e-5)
    side = images.shape[1]
    with Image.open(io.BytesIO(found.sprite)) as sheet:
        tile = np.array(sheet.crop((9 * side, side, 10 * side, 2 * side)))
    assert (tile == images.test.images[29].permute(1, 2, 0).numpy()).all()


EQ2 = defined(LESSON, "eq2", torch=torch, F=F)
BY_LOOPS = defined(LESSON, "eq2_by_loops", torch=torch, F=F)
PUSHES = defined(LESSON, "pushes", torch=torch, eq2=EQ2)


@pytest.mark.parametrize("tau", [0.05, 0.5])
@pytest.mark.parametrize("way", [EQ2, BY_LOOPS])
def test_the_lessons_losses_are_the_packages_for_z_of_any_norm(way: Any, tau: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(9, 4, dtype=torch.float64, generator=generator) * torch.arange(1, 10)[:, None]
    labels = torch.tensor([0, 1, 0, 2, 2, 1, 0, 3, 2])  # class 3 is there once
    found = [z.clone().requires_grad_() for _ in range(2)]
    losses = [way(found[0], labels, tau), supervised_contrastive_loss(found[1], labels, tau)]
    torch.testing.assert_close(*losses)
    gradients = [torch.autograd.grad(*pair)[0] for pair in zip(losses, found, strict=True)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(way(7 * z, labels, tau), losses[0])


@pytest.mark.parametrize("way", [EQ2, BY_LOOPS])
def test_a_batch_without_positives_has_a_loss_of_0(way: Any) -> None:
    assert way(torch.eye(5), torch.arange(5), 0.1) == 0


def test_a_push_is_the_slope_of_the_loss_along_the_circle() -> None:
    """Against finite differences of Eq. 2 written with math alone."""
    degrees, tau = [0.0, 18.0, 90.0, 150.0, 180.0], 0.2

    def loss(angles: list[float]) -> float:
        below = math.exp(1 / tau) + sum(math.exp(math.cos(a) / tau) for a in angles)
        return -math.log(math.exp(1 / tau) / below)

    found = PUSHES(torch.tensor(degrees), tau)
    angles, step = [math.radians(d) for d in degrees], 1e-6
    for k, push in enumerate(found.tolist()):
        ends = [[a + sign * step * (j == k) for j, a in enumerate(angles)] for sign in (1, -1)]
        slope = (loss(ends[0]) - loss(ends[1])) / (2 * step)
        assert push == pytest.approx(-slope, abs=1e-8)
    assert found[0] == 0  # in the anchor's place, where p is largest
    assert found.argmax() == 1


def shown() -> str:
    """What the stored cells print and tell."""
    cells = json.loads((SOLUTIONS / f"{LESSON}.ipynb").read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join("".join(text) for text in texts)


def prose() -> str:
    cells = json.loads((SOLUTIONS / f"{LESSON}.ipynb").read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def number(pattern: str) -> float:
    (found,) = re.findall(pattern, shown())
    return float(found)


def test_the_nearest_tenth_gets_what_the_force_on_the_circle_gives_it() -> None:
    assert number(r"tau = 0.1: the nearest tenth gets (\d+)% of the push") == 67
    assert number(r"tau = 1.0: the nearest tenth gets (\d+)% of the push") < 12  # nearly alike
    assert number(r"pushed hardest\? It came out: the one at (\d+)°") == 18


def test_the_circle_ends_where_the_text_says() -> None:
    assert "positives 0° apart, the closest negatives 120° apart" in shown()
    ends = {
        tau: [
            int(angle)
            for angle in re.findall(
                r"(\d+)°",
                re.search(rf"tau = {tau}: positives .* closest negatives (.*)", shown())[1],
            )
        ]
        for tau in ("0.05", "0.1", "0.2", "0.5", "1.0")
    }
    for angles in zip(*ends.values(), strict=True):  # of one start
        assert list(angles) == sorted(angles)
        assert angles[0] < 90 < 119 < angles[-2]
    assert len(ends["0.1"]) == 4


def test_longer_vectors_lower_the_loss_without_normalisation_alone() -> None:
    rows = re.findall(r"z times \d: ([\d.]+) with normalisation, ([\d.]+) without", shown())
    with_it, without = zip(*[map(float, row) for row in rows], strict=True)
    assert len(set(with_it)) == 1
    assert with_it[0] == without[0] > without[1] > without[2]


def test_corner_cases_come_out_as_told() -> None:
    (norms,) = re.findall(r"came out: 5 of 5; norms (.*), loss", shown())
    assert float(norms.split(", ")[-1]) > 0.1  # the one that is alone
    assert "five classes: loss 0.00, largest norm of a gradient 0.00" in shown()
    alike = re.findall(r"views: loss ([\d.]+), log\(N − 1\) = ([\d.]+)", shown())
    assert len(alike) == 3
    assert all(loss == expected for loss, expected in alike)


def test_real_images_do_as_the_text_says() -> None:
    found = re.findall(r"tau = ([\d.]+): (\d+)° on average, the nearest ([\d°, ]+)", shown())
    (small, small_mean, small_nearest), (large, large_mean, large_nearest) = found
    assert (small, large) == ("0.1", "1.0")
    nearest = [
        [int(n) for n in re.findall(r"\d+", told)] for told in (small_nearest, large_nearest)
    ]
    assert [len(runs) for runs in nearest] == [3, 3]
    assert min(nearest[0]) > max(nearest[1])
    assert "by about 15°. But the nearest are closer, at about 30° against 40°." in prose()
    assert int(large_mean) - int(small_mean) == pytest.approx(15, abs=2)
    assert nearest[0] == pytest.approx([40] * 3, abs=4)
    assert nearest[1] == pytest.approx([30] * 3, abs=4)


def test_n_are_views_and_m_are_images() -> None:
    assert not re.search(r"2N\b|[^2]N\$ images|[^2]M\$ views", prose())


def test_prices_leave_out_what_is_too_slow() -> None:
    ways = {"slow": supervised_contrastive_loss, "fast": supervised_contrastive_loss}
    costs = loss_costs(ways, (8, 16), {"slow": 8})
    assert {name: list(by_size) for name, by_size in costs.items()} == {
        "slow": [8],
        "fast": [8, 16],
    }
    assert all(cost.seconds > 0 for by_size in costs.values() for cost in by_size.values())


def test_a_small_temperature_picks_the_hardest_negative_of_the_anchor_that_the_text_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """View 2 of image 4: its hardest negative is nearer than its positives."""
    monkeypatch.delenv("DELOG_NB_PRESET", raising=False)  # the lesson's own views
    run = lab.experiment(method="delog-scl")
    batch = small_batch(load(run), run, counts=[3, 2, 1])
    z = torch.nn.functional.normalize(batch.pixels.flatten(1).double(), dim=1)
    (anchor,) = (k for k in range(6, 12) if batch.image[k] == 3)  # view 2, image 4
    negatives = batch.labels != batch.labels[anchor]
    hardest = []
    for tau in (1.0, 0.1, 0.01):
        logits = z @ z[anchor] / tau
        logits[anchor] = -torch.inf
        hardest.append(logits.softmax(0)[negatives].max().item())
    assert hardest == sorted(hardest)
    assert hardest[0] < 0.15
    assert hardest[-1] > 0.9  # at tau = 0.01: all other pushes vanish
    assert logits.argmax() == 6 + 1  # view 2 of image 2
    assert "choose view 2 of image 4" in prose()
    logits = z @ z[0] / 0.01
    logits[0] = -torch.inf
    assert batch.image[logits.argmax()] == 0  # of view 1 of image 1 a positive is nearest
    assert logits.softmax(0)[batch.labels != batch.labels[0]].max() < 0.01
