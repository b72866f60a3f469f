"""Answers to the exercises of contrastive loss."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.losses import supervised_contrastive_loss


def loop_without_classes(z: Tensor, tau: float) -> float:
    n, total = len(z), 0.0
    for i in range(n):
        partner = (i + n // 2) % n
        below = sum(math.exp(float(z[i] @ z[j]) / tau) for j in range(n) if j != i)
        total -= math.log(math.exp(float(z[i] @ z[partner]) / tau) / below)
    return total / n


def least(classes: int, views: int, tau: float, own: int = 1, sign: int = 1) -> float:
    far = math.exp(-(1 + 1 / (classes - 1)) / tau)
    return sign * math.log(views - own + (classes - 1) * views * far)


def of_images(z: Tensor) -> Tensor:
    return torch.arange(len(z) // 2).repeat(2)


def with_anchor(z: Tensor, tau: float) -> Tensor:
    return F.cross_entropy(z @ z.T / tau, torch.arange(len(z)).roll(len(z) // 2))


RIGHT: list[tuple[str, Any]] = [
    ("count-pairs", lambda n, c: (2 * n / c - 1, 2 * n * (1 - 1 / c))),
    ("count-pairs", lambda n, c: [2 * n // c - 1, 2 * n - 2 * n // c]),
    ("contrastive-loss", loop_without_classes),
    ("contrastive-loss", lambda z, tau: supervised_contrastive_loss(z, of_images(z), tau)),
    ("least-loss", least),
    ("least-loss", lambda c, m, tau: torch.tensor(least(c, m, tau))),
]


WRONG: list[tuple[str, Any, str]] = [
    (
        "count-pairs",
        lambda n, c: 2 * n // c - 1,
        "return two numbers, positives and negatives, not",
    ),
    ("count-pairs", lambda n, c: (1, 2, 3), "return two numbers"),
    ("count-pairs", lambda n, c: (2 * n // c, 2 * n - 2 * n // c), "not a positive of its own"),
    ("count-pairs", lambda n, c: (n // c - 1, n - n // c), "every image comes in two views"),
    ("count-pairs", lambda n, c: (2 * n // c - 1, 2 * n), "negatives, not"),
    ("contrastive-loss", lambda z, tau: len(z) * loop_without_classes(z, tau), "divide by"),
    ("contrastive-loss", with_anchor, "leave z_i · z_i out"),
    ("contrastive-loss", lambda z, tau: loop_without_classes(z, 1.0), "by tau"),
    (
        "contrastive-loss",
        lambda z, tau: supervised_contrastive_loss(
            z, torch.arange(len(z) // 2).repeat_interleave(2), tau
        ),
        "N rows away",
    ),
    ("contrastive-loss", lambda z, tau: -loop_without_classes(z, tau), "the loss is"),
    ("contrastive-loss", lambda z: 0, "it raised TypeError"),
    ("least-loss", lambda c, m, tau: math.log(max(m - 1, 1)), "the negatives are missing"),
    ("least-loss", lambda c, m, tau: least(c, m, tau, own=0), "the anchor is not in the sum"),
    ("least-loss", lambda c, m, tau: least(c, m, tau, sign=-1), "the sign is wrong"),
    ("least-loss", lambda c, m, tau: 1 + least(c, m, tau), "the loss is"),
]
