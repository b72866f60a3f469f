"""The similarity matching loss, by loops in float64 and by values from the authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from support.reference import LABELS, assert_golden, features
from torch import Tensor

from delog_nb.losses import channel_deviation, similarity_matching_loss, similarity_matrix


def by_loops(z: Tensor, labels: Tensor, classes: int) -> float:
    def similarity(a: list[float], b: list[float]) -> float:
        a, b = ([x - sum(row) / len(row) for x in row] for row in (a, b))
        product = sum(x * y for x, y in zip(a, b, strict=True))
        return product / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    one_hot = torch.nn.functional.one_hot(labels, classes).double().tolist()
    rows, n = z.tolist(), len(z)
    each = [
        (similarity(rows[i], rows[j]) - similarity(one_hot[i], one_hot[j])) ** 2
        for i in range(n)
        for j in range(n)
    ]
    return sum(each) / n**2


@pytest.mark.parametrize(("n", "d", "classes"), [(2, 2, 2), (6, 5, 3), (9, 40, 10)])
def test_equals_the_formula_by_loops(n: int, d: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (n,), generator=generator)
    expected = by_loops(z, labels, classes)
    assert similarity_matching_loss(z, labels, classes).item() == pytest.approx(expected, rel=1e-7)


def test_golden_similarities() -> None:
    found = similarity_matrix(channel_deviation(features(8, 4)))
    assert found[0, 1].item() == pytest.approx(0.215119, abs=5e-7)
    assert found[0, 2].item() == pytest.approx(-0.197660, abs=5e-7)


@pytest.mark.parametrize(
    ("of", "loss", "gradient"),
    [
        (channel_deviation, 0.505666, 0.323140),
        (lambda r: r.flatten(1), 0.343316, 0.034438),
        (lambda r: channel_deviation(r.flatten(1)[:, :10]), 0.540067, 0.183965),
    ],
)
def test_golden_losses(of: Callable[[Tensor], Tensor], loss: float, gradient: float) -> None:
    assert_golden(
        lambda r: similarity_matching_loss(of(r), LABELS, 3), features(8, 4), loss, gradient
    )


def test_gradient_by_finite_differences() -> None:
    r = features(8, 4).requires_grad_()

    def loss(x: Tensor) -> Tensor:
        return similarity_matching_loss(channel_deviation(x), LABELS, 3)

    assert torch.autograd.gradcheck(loss, (r,))


@pytest.mark.parametrize("shape", [(6, 8, 4, 4), (6, 3, 4, 4), (6, 8, 1, 1), (6, 1, 1, 1)])
def test_dead_samples_and_dead_channels_have_finite_gradients(shape: tuple[int, ...]) -> None:
    """The root of a sum of squares has none at 0: the authors' gradient is not a number there."""
    r = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu()
    r[0] = 0
    r[:, 0] = 0
    r.requires_grad_()
    similarity_matching_loss(channel_deviation(r), LABELS, 3).backward()
    assert r.grad is not None
    assert r.grad.isfinite().all()
    assert not r.grad[0].any()
    assert r.grad.norm() < 1e3


def test_what_is_compared_by_channel_and_what_as_it_is() -> None:
    r = features(8, 4)
    by_hand = torch.stack([m.std() for sample in r for m in sample]).view(6, 8)
    torch.testing.assert_close(channel_deviation(r), by_hand)
    assert torch.equal(channel_deviation(r[:, :3]), r[:, :3].flatten(1))
    assert torch.equal(channel_deviation(r[:, :, :1]), r[:, :, :1].flatten(1))
    assert channel_deviation(r.bfloat16()).dtype == torch.float32


def test_it_is_computed_in_float32_under_autocast() -> None:
    z = channel_deviation(features(8, 4)).float()
    expected = similarity_matching_loss(z, LABELS, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(similarity_matching_loss(z, LABELS, 3), expected)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"z must be \(N, D\) and labels \(N,\): got \(6, 8, 4"):
        similarity_matching_loss(features(8, 4), LABELS, 3)
