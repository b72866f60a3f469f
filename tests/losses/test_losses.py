from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from delog_nb.instruments.memory import LiveBytes
from delog_nb.losses import contrastive
from delog_nb.losses import supervised_contrastive_loss as scl


def by_loops(z: Tensor, labels: Tensor, tau: float, scaling: str = "eq2") -> float:
    """Eq. 2 as it is written, in float64: sum over anchors, positives, others."""
    z = torch.nn.functional.normalize(z.double(), dim=1)
    n, terms = len(z), []
    for i in range(n):
        positives = [p for p in range(n) if p != i and labels[p] == labels[i]]
        if not positives:
            if scaling != "eq2":
                terms.append(0.0)
            continue
        below = sum(math.exp(float(z[i] @ z[j]) / tau) for j in range(n) if j != i)
        inner = sum(math.log(math.exp(float(z[i] @ z[p]) / tau) / below) for p in positives)
        count = len(positives) + (scaling == "authors")
        terms.append(-inner / count)
    return sum(terms) / len(terms) if terms else 0.0


def by_masks(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    """The usual masked N x N formula, differentiated by autograd."""
    z = torch.nn.functional.normalize(z, dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~own
    logits = z @ z.T / tau
    log_p = logits - logits.masked_fill(own, -torch.inf).logsumexp(1, keepdim=True)
    counts = positive.sum(1)
    each = -torch.where(positive, log_p, 0.0).sum(1) / counts.clamp_min(1)
    return each[counts > 0].mean()


def batch(n: int, d: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return z, torch.randint(0, classes, (n,), generator=generator)


@pytest.mark.parametrize("scaling", ["eq2", "all", "authors"])
@pytest.mark.parametrize("tau", [0.05, 0.1, 1.0])
@pytest.mark.parametrize(("n", "classes"), [(2, 1), (7, 3), (16, 4), (24, 40)])
def test_equals_eq_2_by_loops(n: int, classes: int, tau: float, scaling: str) -> None:
    z, labels = batch(n, 5, classes)
    expected = by_loops(z, labels, tau, scaling)
    assert scl(z, labels, tau, scaling=scaling).item() == pytest.approx(expected, rel=1e-10)


def test_identical_features_with_each_anchor_its_own_class_give_log_2n_minus_1() -> None:
    for n in (1, 2, 5, 64):
        labels = torch.arange(n).repeat(2)
        z = torch.ones(2 * n, 3, dtype=torch.float64)
        assert scl(z, labels).item() == pytest.approx(math.log(2 * n - 1), abs=1e-12)


def test_golden_values() -> None:
    axes = torch.eye(3, dtype=torch.float64)
    z = axes[[2, 1, 0, 2, 1, 0]]
    labels = torch.tensor([0, 0, 1, 0, 0, 1])
    expected = [1.5714991, 1.5714991, 0.9048324]
    assert scl(z, labels, 1.0).item() == pytest.approx(sum(expected) / 3, abs=1e-7)
    tetrahedron = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).double()
    assert scl(tetrahedron, torch.zeros(4)).item() == pytest.approx(math.log(3), rel=1e-12)


def test_the_order_of_the_batch_changes_nothing() -> None:
    z, labels = batch(20, 8, 4)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(scl(z, labels), scl(z[order], labels[order]))


def test_any_integers_are_labels() -> None:
    z, labels = batch(20, 8, 4)
    torch.testing.assert_close(scl(z, labels * 1000 - 77), scl(z, labels))


@pytest.mark.parametrize("scaling", ["eq2", "all", "authors"])
@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_by_finite_differences(scaling: str, normalize: bool) -> None:
    z, labels = batch(9, 4, 4)
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: scl(x, labels, 0.5, normalize, scaling), (z,))


@pytest.mark.parametrize("kept", [0, 10**9])
@pytest.mark.parametrize("tau", [0.1, 0.01])  # without a shift, and row by row with one
@pytest.mark.parametrize("rows", [1, 3, 8, 31, 10**4])
def test_blocks_of_any_size_give_the_same(
    rows: int, tau: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, labels = batch(31, 6, 5)
    expected_z = z.clone().requires_grad_()
    expected = by_masks(expected_z, labels, tau)
    expected.backward()
    monkeypatch.setitem(contrastive._BLOCK_ELEMENTS, "cpu", max(rows * rows, 31))
    monkeypatch.setattr(contrastive, "_KEPT_ELEMENTS", kept)
    z.requires_grad_()
    loss = scl(z, labels, tau)
    (3 * loss).backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(z.grad, 3 * expected_z.grad)


@pytest.mark.parametrize("tau", [1 / 64, 1 / 65])  # the last tau without a shift, the first with
def test_float32_at_the_smallest_tau_without_a_shift(tau: float) -> None:
    z, labels = batch(64, 8, 4)
    z = torch.cat([z, -z, z])  # from the smallest to the largest product there can be
    labels = labels.repeat(3)
    loss, gradient = finite_gradient(z.float(), labels, tau)
    expected_z = z.requires_grad_()
    expected = by_masks(expected_z, labels, tau)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert (gradient - expected_z.grad).norm() < 1e-4 * expected_z.grad.norm()


def test_memory_grows_with_n_not_with_its_square() -> None:
    def peak(n: int) -> int:
        z, labels = torch.randn(n, 16, requires_grad=True), torch.arange(n) % 10
        with LiveBytes() as live:
            scl(z, labels).backward()
        return live.peak

    assert peak(8192) < 2.5 * peak(4096)
    assert peak(8192) < 8192**2 * 4 / 20  # of a single N x N matrix


def test_float32_gradients_agree_with_float64_to_1e_5() -> None:
    z, labels = batch(512, 128, 10)
    expected = z.clone().requires_grad_()
    by_masks(expected, labels, 0.1).backward()
    single = z.float().requires_grad_()
    scl(single, labels).backward()
    error = (single.grad - expected.grad).norm() / expected.grad.norm()
    assert error < 1e-5


def finite_gradient(z: Tensor, labels: Tensor, tau: float = 0.1) -> tuple[float, Tensor]:
    z = z.clone().requires_grad_()
    loss = scl(z, labels, tau)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()
    return loss.item(), z.grad


def test_no_positives_give_zero_with_a_zero_gradient() -> None:
    loss, gradient = finite_gradient(torch.randn(6, 4), torch.arange(6))
    assert loss == 0
    assert (gradient == 0).all()


def test_anchors_without_positives_are_left_out_of_the_mean_but_stay_negatives() -> None:
    z, labels = batch(12, 4, 3)
    labels[0] = 99
    assert scl(z, labels).item() == pytest.approx(by_loops(z, labels, 0.1), rel=1e-10)


def test_one_class_alone() -> None:
    z, _ = batch(10, 4, 1)
    labels = torch.zeros(10, dtype=torch.long)
    assert scl(z, labels).item() == pytest.approx(by_loops(z, labels, 0.1), rel=1e-10)


def test_batch_of_one() -> None:
    loss, gradient = finite_gradient(torch.randn(1, 4), torch.tensor([3]))
    assert loss == 0
    assert (gradient == 0).all()


def test_small_tau_neither_overflows_nor_underflows() -> None:
    z, labels = batch(16, 8, 4)
    z = torch.cat([z, -z])
    labels = labels.repeat(2)
    loss, _ = finite_gradient(z.float(), labels, 0.01)
    assert loss == pytest.approx(scl(z, labels, 0.01).item(), rel=1e-4)
    assert loss == pytest.approx(by_masks(z, labels, 0.01).item(), rel=1e-4)


def test_zero_vectors_get_no_gradient() -> None:
    z = torch.randn(6, 4)
    z[2] = 0
    _, gradient = finite_gradient(z, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert (gradient[2] == 0).all()
    assert gradient.abs().max() < 100


def test_vectors_of_extreme_length_are_normalised() -> None:
    z, labels = batch(8, 4, 2)
    expected = scl(z, labels).item()
    for scale in (1e-12, 1e12):
        assert finite_gradient((z * scale).float(), labels)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_under_autocast_is_computed_in_float32(dtype: torch.dtype) -> None:
    z, labels = batch(64, 32, 5)
    half = z.to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = scl(half, labels)
    assert loss.dtype == torch.float32
    loss.backward()
    assert half.grad.dtype == dtype
    assert loss.item() == pytest.approx(by_masks(half.detach().double(), labels, 0.1).item(), 1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(3), torch.zeros(3)), r"z must be \(N, D\)"),
        ((torch.zeros(3, 2), torch.zeros(4)), r"got \(3, 2\) and \(4,\)"),
        ((torch.zeros(3, 2), torch.zeros(3), 0.0), "tau must be above 0"),
        ((torch.zeros(3, 2), torch.zeros(3), 1.0, True, "x"), "scaling must be"),
    ],
)
def test_wrong_arguments(arguments: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scl(*arguments)
