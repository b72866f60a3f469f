"""Where views lie, seen as pairs, and what one evaluation of a loss costs."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.instruments.memory import LiveBytes


class PairAngles(NamedTuple):
    """Angles between views of a batch, in degrees; NaN where there is no such pair."""

    positive_mean: float  # over pairs of the same class
    negative_least: float  # over pairs of different classes


def pair_angles(z: Tensor, labels: Tensor) -> PairAngles:
    """Angles between the views ``z`` (N, D) of classes ``labels`` (N,), as seen from the origin.

    With the distance d of two points on the unit sphere the angle is 2 asin(d / 2), which, unlike
    acos(z_i . z_j), is exact for small angles.

    >>> pair_angles(torch.tensor([[1.0, 0], [2, 0], [0, 1]]), torch.tensor([5, 5, 7]))
    PairAngles(positive_mean=0.0, negative_least=90.0)
    """
    z = F.normalize(z.detach().double(), dim=1)
    distances = (z[:, None] - z).norm(dim=2)  # (N, N)
    angles = (2 * (distances / 2).clamp(max=1).asin()).rad2deg()
    same = labels[:, None] == labels
    other = ~torch.eye(len(z), dtype=torch.bool)
    positive, negative = angles[same & other], angles[~same]
    return PairAngles(
        round(positive.mean().item(), 6),
        round(negative.min().item(), 6) if len(negative) else math.nan,
    )


class Cost(NamedTuple):
    """Seconds of one forward and backward pass, and the peak of live tensors in bytes."""

    seconds: float
    peak_bytes: int


def loss_cost(loss: Callable[[Tensor], Tensor], z: Tensor, repeats: int = 3) -> Cost:
    """What ``loss(z)`` and its gradient by ``z`` cost: the fastest of ``repeats``, and memory.

    Memory is counted in a pass of its own, because counting takes time; ``z`` itself is not in it.
    """

    def once() -> float:
        begin = time.perf_counter()
        torch.autograd.grad(loss(leaf), leaf)
        return time.perf_counter() - begin

    leaf = z.detach().clone().requires_grad_()
    with LiveBytes() as live:
        once()
    return Cost(min(once() for _ in range(repeats)), live.peak)


def loss_costs(
    ways: Mapping[str, Callable[..., Tensor]],
    sizes: Sequence[int],
    largest: Mapping[str, int] | None = None,
    repeats: int = 2,
) -> dict[str, dict[int, Cost]]:
    """`loss_cost` of several losses for random unit vectors of 128 dimensions in ten classes.

    Args:
        ways: losses of (z, labels, tau) by name
        sizes: numbers of views
        largest: of slow ways, the largest size to measure

    Returns:
        By name, by size.
    """
    costs: dict[str, dict[int, Cost]] = {name: {} for name in ways}
    for size in sizes:
        z = F.normalize(torch.randn(size, 128, generator=torch.Generator().manual_seed(0)), dim=1)
        labels = torch.arange(size) % 10
        for name, way in ways.items():
            if size <= (largest or {}).get(name, size):
                costs[name][size] = loss_cost(
                    partial(way, labels=labels, tau=0.1), z, repeats=repeats
                )
    return costs


def contrast_weights(z: Tensor, labels: Tensor, anchor: int, tau: float) -> Tensor:
    r"""What each view has in the gradient of an anchor's loss (Eq. 2), times tau.

    With unit vectors z and :math:`p_{ij}` the softmax of :math:`z_i \cdot z_j / \tau` over j != i,

    .. math::
        \tau \frac{\partial L_i}{\partial z_i} = \sum_{j \neq i} w_j z_j, \qquad
        w_j = p_{ij} - \frac{[j \in P(i)]}{|P(i)|}

    A step against the gradient pulls z_i to views with w < 0 and pushes it from those with w > 0;
    the weights add up to 0. An anchor without positives has no loss: all are 0.

    Args:
        z: (N, D), of any length
        labels: (N,)
        anchor: i
        tau: temperature, above 0

    Returns:
        (N,) in float64; the anchor's own is 0.

    >>> z = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    >>> contrast_weights(z, torch.tensor([0, 0, 1]), anchor=0, tau=0.1).tolist()
    [0.0, -0.5, 0.5]
    """
    z = F.normalize(z.detach().double(), dim=1)
    itself = torch.arange(len(z)) == anchor
    shares = (z @ z[anchor] / tau).masked_fill(itself, -math.inf).softmax(0)
    positive = (labels == labels[anchor]) & ~itself
    if not positive.any():
        return torch.zeros_like(shares)
    return shares - positive.double() / positive.sum()
