"""Answers to the exercises of contrastive loss."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.losses import supervised_contrastive_loss


def loop_without_classes(z: Tensor, tau: float, norm: bool = True) -> float:
    n, total = len(z), 0.0
    if norm:
        z = z / z.norm(dim=1, keepdim=True)
    for i in range(n):
        partner = (i + n // 2) % n
        below = sum(math.exp(float(z[i] @ z[j]) / tau) for j in range(n) if j != i)
        total -= math.log(math.exp(float(z[i] @ z[partner]) / tau) / below)
    return total / n


def of_images(z: Tensor) -> Tensor:
    return torch.arange(len(z) // 2).repeat(2)


def with_anchor(z: Tensor, tau: float) -> Tensor:
    z = F.normalize(z, dim=1)
    return F.cross_entropy(z @ z.T / tau, torch.arange(len(z)).roll(len(z) // 2))


def two_of_each(labels: Tensor, size: int) -> list[int]:
    drawn: list[int] = []
    for c in torch.randperm(int(labels.max()) + 1)[: size // 2]:
        own = (labels == c).nonzero()[:, 0]
        drawn += own[torch.randperm(len(own))[:2]].tolist()
    return drawn


def one_alone(labels: Tensor, size: int) -> list[int]:
    *drawn, _ = two_of_each(labels, size)
    own = (labels == labels[drawn[0]]).nonzero()[:, 0].tolist()
    return [*drawn, next(place for place in own if place not in drawn)]


RIGHT: list[tuple[str, Any]] = [
    ("contrastive-loss", loop_without_classes),
    ("contrastive-loss", lambda z, tau: supervised_contrastive_loss(z, of_images(z), tau)),
    ("broken-losses", "DBAC"),
    ("batch-without-views", two_of_each),
    ("batch-without-views", lambda labels, size: torch.tensor(two_of_each(labels, size))),
]


WRONG: list[tuple[str, Any, str]] = [
    ("contrastive-loss", lambda z, tau: len(z) * loop_without_classes(z, tau), "divide by"),
    ("contrastive-loss", lambda z, tau: loop_without_classes(z, tau, norm=False), "by its norm"),
    (
        "contrastive-loss",
        lambda z, tau: loop_without_classes(F.normalize(z, dim=0), tau, norm=False),
        "normalise along dim=1",
    ),
    ("contrastive-loss", with_anchor, "leave z_i · z_i out"),
    ("contrastive-loss", lambda z, tau: loop_without_classes(z, 1.0), "by tau"),
    (
        "contrastive-loss",
        lambda z, tau: supervised_contrastive_loss(
            z, torch.arange(len(z) // 2).repeat_interleave(2), tau
        ),
        "M rows away",
    ),
    ("contrastive-loss", lambda z, tau: -loop_without_classes(z, tau), "the loss is"),
    ("contrastive-loss", lambda z: 0, "it raised TypeError"),
    ("broken-losses", {"D", "B"}, "give the letters A to D"),
    ("broken-losses", "DDDD", "give the letters A to D"),
    ("broken-losses", "BDAC", "symptom 1 is not line B's: line B leaves the anchor"),
    ("broken-losses", "DABC", "symptom 2 is not line A's: without the normalisation"),
    ("broken-losses", "DBCA", "symptom 3 is not line C's: line C adds up"),
    ("broken-losses", "ADBC", "symptom 1 is not line A's"),
    ("batch-without-views", one_alone, "is drawn once: without a second view"),
    ("batch-without-views", lambda labels, n: torch.randperm(len(labels))[:n], "is drawn once"),
    ("batch-without-views", lambda labels, n: two_of_each(labels, n)[1:], "places where"),
    ("batch-without-views", lambda labels, n: 2 * two_of_each(labels, n // 2), "drawn twice"),
    ("batch-without-views", lambda labels, n: list(range(-n, 0)), "rows of labels, not classes"),
    ("batch-without-views", lambda labels, n: (labels == 0).nonzero()[:n, 0], "of class 0"),
    (
        "batch-without-views",
        lambda labels, n: [k for c in range(n // 2) for k in (labels == c).nonzero()[:2, 0]],
        "draw the same images",
    ),
    ("batch-without-views", lambda labels, n: n, "return a list of whole numbers"),
    ("batch-without-views", lambda labels, n: [0.5] * n, "return a list of whole numbers"),
]
