"""Lesson 2: its functions against gradients made by hand, and its sentences against its outputs."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

import pytest
import torch
from support.lessons import definitions, told
from torch import Tensor
from torch.nn.functional import one_hot

LESSON = "02_gradient_flow"


@pytest.fixture
def lesson() -> dict[str, Any]:
    """What the lesson defines, on another batch."""
    torch.manual_seed(5)
    images, labels = torch.randn(20, 256), torch.arange(20) % 10
    return definitions(LESSON, {"x": images, "y": labels, "steps": 3})


def by_hand(layers: Any, x: Tensor, y: Tensor) -> list[Tensor]:
    """Gradients at the features of a plain stack of ReLUs, in float64, from the last one down."""
    weights = [layer.linear.weight.double() for layer in layers]
    features = [x.double()]
    for weight in weights:
        features.append((features[-1] @ weight.T).clamp(min=0))
    classifier = layers[-1].exit
    logits = features[-1] @ classifier.weight.double().T + classifier.bias.double()
    down = (logits.softmax(1) - one_hot(y, 10)) / len(y) @ classifier.weight.double()
    found = [down]
    for weight, r in zip(reversed(weights[1:]), reversed(features[2:]), strict=True):
        down = (down * (r > 0)) @ weight
        found.insert(0, down)
    return found


def test_norms_are_those_of_gradients_made_by_hand(lesson: Any) -> None:
    layers = lesson["stack"](6, v=2)
    expected = [g.norm().item() for g in by_hand(layers, lesson["x"], lesson["y"])]
    assert lesson["gradient_norms"](layers) == pytest.approx(expected, rel=1e-4)


def test_a_cut_is_a_fresh_start(lesson: Any) -> None:
    layers, x, y = lesson["stack"](6, v=2), lesson["x"], lesson["y"]
    whole = lesson["norms_when_cut"](layers, 6)
    assert whole == lesson["gradient_norms"](layers)
    halves = lesson["norms_when_cut"](layers, 3)
    below = [g.norm().item() for g in by_hand(layers[:3], x, y)]
    assert halves == pytest.approx([*below, *whole[3:]], rel=1e-4)


@pytest.mark.parametrize("v", [1 / 3, 2, 8])
def test_the_rule_of_q(lesson: Any, v: float) -> None:
    """By the mean over draws of the squared norms, from r_5 to r_1."""
    draws = [lesson["gradient_norms"](lesson["stack"](5, v=v, seed=seed)) for seed in range(40)]
    squared = math.fsum((norms[0] / norms[-1]) ** 2 for norms in draws) / 40
    assert squared ** (1 / 8) == pytest.approx(math.sqrt(v / 2), rel=0.05)


def test_batch_norm_cancels_the_size_of_the_weights(lesson: Any) -> None:
    left = [lesson["left"](8, v=v, batch_norm=True) for v in (1 / 3, 2, 8)]
    assert left == pytest.approx([left[0]] * 3, rel=0.02)


def test_a_shortcut_adds_the_input(lesson: Any) -> None:
    first, second = lesson["stack"](2, shortcut=True)
    r = first(lesson["x"])
    torch.testing.assert_close(first(lesson["x"]), torch.relu(first.linear(lesson["x"])))
    torch.testing.assert_close(second(r), r + torch.relu(second.linear(r)))


def test_draws_agree_at_the_top_and_fan_out_below() -> None:
    ((below, above),) = re.findall(r"came out: ([\d.]+) times; ([\d.]+) times at", told(LESSON))
    assert float(below) > 10
    assert float(above) < 1.5


def numbers(pattern: str) -> list[float]:
    """What the pattern's groups find in the outputs, in order."""
    found = re.findall(pattern, told(LESSON), re.MULTILINE)
    assert found, pattern
    return [float(n) for groups in found for n in ([groups] if isinstance(groups, str) else groups)]


def test_the_network_guesses_at_every_rate() -> None:
    losses = numbers(r"at rate [\d.]+: loss ([\d.]+)")
    assert len(losses) == 3
    assert losses == pytest.approx([math.log(10)] * 3, abs=0.05)


def test_q_of_the_repairs_is_as_the_text_says() -> None:
    plain, batch_norm, shortcuts = (
        numbers(rf"{name} +([\d.]+) +([\d.]+) +([\d.]+)\n")
        for name in ("plain", "BatchNorm", "shortcuts")
    )
    assert plain == pytest.approx([math.sqrt(v / 2) for v in (1 / 3, 2, 8)], rel=0.1)
    assert 50 < batch_norm[0] ** 23 < 200  # about a hundredfold over 24 layers
    # squared: slopes 1/2, over the variance of a ReLU's features instead of their mean square
    assert batch_norm[0] == pytest.approx(math.sqrt(0.5 / (0.5 - 0.5 / math.pi)), rel=0.03)
    assert batch_norm == pytest.approx([batch_norm[0]] * 3, abs=0.02)
    assert all(q > 1 for q in shortcuts)
    assert shortcuts[2] > plain[2]


def test_early_gradients_are_unstable_and_a_cut_steadies_them() -> None:
    rows = re.findall(
        r"He's weights, (not cut|cut after every layer) +([\d.]+) +([\d.]+)% +([\d.]+) +([\d.]+)%",
        told(LESSON),
    )
    whole, cut = ([float(n) for n in row[1:]] for row in rows)
    assert whole[0] > 3 * whole[2]  # 20 draws, at r_1 and r_24
    assert whole[1] > 3 * whole[3]  # from step to step
    assert cut[0] < whole[0] / 3
    assert cut[1] < whole[1] / 3


def test_what_the_relus_alone_leave() -> None:
    assert round(2 ** (23 / 2), -2) == 2900  # 23 of them


def test_neither_the_longest_nor_the_shortest_flow_wins() -> None:
    table = re.findall(
        r"^ +(1|3|8|24) +([\d.]+) ± [\d.]+ +([\d.]+) ± [\d.]+ +(\S+)(.*)",
        told(LESSON),
        re.MULTILINE,
    )
    plain = {int(row[0]): float(row[1]) for row in table}
    hes = {int(row[0]): float(row[2]) for row in table}
    assert list(plain) == [1, 3, 8, 24]
    assert max(plain[3], plain[8]) < min(plain[1], plain[24])
    assert plain[24] == pytest.approx(math.log(10), abs=0.05)
    assert hes[24] < min(hes.values()) + 0.001  # next to nothing gained by cutting
    assert hes[24] < min(plain.values())
    assert float(table[-1][3]) < min(plain.values())  # BatchNorm
    alone, both = (
        float(n) for n in re.findall(r"([\d.]+) ±", table[-1][4].partition(" 2.30")[0])[-2:]
    )
    assert both < float(table[-1][3]) < min(plain.values()) < alone  # shortcuts


def test_learning_climbs_from_the_bottom() -> None:
    text = told(LESSON).partition("Cut after every layer: the loss of each layer's exit.")[2]
    row = r"^ +(\d+)" + 4 * r" +([\d.]+)" + r" +2\.3$"
    rows = re.findall(row, text, re.MULTILINE)
    assert [int(found[0]) for found in rows] == list(range(1, 25))
    for column in (2, 3, 4):  # after step 1
        losses = [float(found[column]) for found in rows]
        assert sum(a < b + 0.05 for a, b in pairwise(losses)) > 0.8 * 23
        assert losses[0] < losses[-1] / 2
    upper = [float(found[3]) for found in rows[12:]]  # at step 100
    assert max(upper) - min(upper) < 0.1
    assert max(upper) < math.log(10) - 0.3


def test_features_vanish_where_gradients_do() -> None:
    plain, he, norm, shortcut = (
        [float(x) for x in re.search(rf"{name} +(\de\S+) +(\S+) +(\S+)", told(LESSON)).groups()]
        for name in ("PyTorch's weights", "He's weights", "BatchNorm", "shortcuts")
    )
    assert max(plain) < 1e-8  # Adam's epsilon: features, and the first and last weights' gradients
    assert 0.1 < he[0] < 10
    assert 0.1 < norm[0] < 10
    assert shortcut[0] > 100
