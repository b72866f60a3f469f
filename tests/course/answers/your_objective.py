"""Answers to the exercises of your own local objective."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb import Objective
from delog_nb.components import Batch, CrossEntropy
from delog_nb.components.component import Component, Method, cut_with_objectives

# --- a collapse that is seen


def pairs(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean distances between classes and within them."""
    distances = torch.cdist(z, z)
    alike = labels[:, None] == labels
    two = ~torch.eye(len(z), dtype=torch.bool)
    return distances[~alike].mean(), distances[alike & two].mean()


def ratio(z: Tensor, labels: Tensor) -> Tensor:
    between, within = pairs(z, labels)
    return between / within.clamp_min(1e-12)


def variances(z: Tensor, labels: Tensor) -> float:
    means = torch.stack([z[labels == k].mean(0) for k in range(int(labels.max()) + 1)])
    within = (z - means[labels]).square().sum().item()
    return (means - means.mean(0)).square().sum().item() / max(within, 1e-12)


def nearest_mean(z: Tensor, labels: Tensor) -> float:
    means = torch.stack([z[labels == k].mean(0) for k in range(int(labels.max()) + 1)])
    return (torch.cdist(z, means).argmin(1) == labels).double().mean().item()


def cosines(z: Tensor, labels: Tensor) -> Tensor:
    z = F.normalize(z, eps=1e-9)
    alike = labels[:, None] == labels
    return (z @ z.T)[alike].mean() - (z @ z.T)[~alike].mean()


# --- one table without a leak


class Aim(Objective):
    """As in the lesson."""

    def __init__(self, shape: tuple[int, int, int], directions: Tensor) -> None:
        super().__init__()
        self.head = nn.Linear(16 * shape[0], directions.shape[1])
        self.directions = directions

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z = F.normalize(self.head(F.adaptive_avg_pool2d(r, 4).flatten(1)))
        return F.cross_entropy(z @ F.normalize(self.directions).T / 0.1, batch.labels)


def constant(shapes: Any, classes: int) -> list[Aim]:
    table = torch.randn(classes, 32)
    return [Aim(shape, table) for shape in shapes]


def unlearned(shapes: Any, classes: int) -> list[Aim]:
    table = nn.Parameter(torch.randn(classes, 32), requires_grad=False)
    return [Aim(shape, table) for shape in shapes]


def the_first_learns(shapes: Any, classes: int) -> list[Aim]:
    table = nn.Parameter(torch.randn(classes, 32))
    return [Aim(shape, table if n == 0 else table.detach()) for n, shape in enumerate(shapes)]


def shared(shapes: Any, classes: int) -> list[Aim]:
    table = nn.Parameter(torch.randn(classes, 32))
    return [Aim(shape, table) for shape in shapes]


def one_each(shapes: Any, classes: int) -> list[Aim]:
    return [Aim(shape, torch.randn(classes, 32)) for shape in shapes]


def copies(shapes: Any, classes: int) -> list[Aim]:
    table = torch.randn(classes, 32)
    return [Aim(shape, nn.Parameter(table.clone())) for shape in shapes]


class Blind(Aim):
    """The features are detached where the directions should be."""

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return super().forward(r.detach(), batch)


def blind(shapes: Any, classes: int) -> list[Aim]:
    table = torch.randn(classes, 32)
    return [Blind(shape, table) for shape in shapes]


def too_few(shapes: Any, classes: int) -> list[Aim]:
    return constant(shapes[:2], classes)


def zeros(shapes: Any, classes: int) -> list[Aim]:
    return [Aim(shape, torch.zeros(classes, 32)) for shape in shapes]


# --- an objective of one's own


class BatchMeans(Objective):
    """Cross-entropy of the similarity to the mean of each class in the batch: no parameters."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z = F.normalize(F.adaptive_avg_pool2d(r, 4).flatten(1))
        z, labels = batch.join(z, batch.labels)
        means = F.one_hot(labels, self.classes).to(z.dtype).T @ z
        return F.cross_entropy(z @ F.normalize(means).T / 0.1, labels)


class MeanExit(Objective):
    """The cell of CONTRIBUTING.md, on features pooled to 4 x 4."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(16 * shape[0], classes)

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(
            self.classifier(F.adaptive_avg_pool2d(r, 4).flatten(1)), batch.labels
        )


def exits(net: Any, options: Any) -> Method:
    backbone = net()
    return cut_with_objectives(
        backbone,
        options.components,
        lambda end: MeanExit(backbone.shapes[end - 1], backbone.classes),
    )


class Alone(BatchMeans):
    """The same without `join`."""

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z = F.normalize(F.adaptive_avg_pool2d(r, 4).flatten(1))
        means = F.one_hot(batch.labels, self.classes).to(z.dtype).T @ z
        return F.cross_entropy(z @ F.normalize(means).T / 0.1, batch.labels)


class Together(Objective):
    """Pull of the lesson: it is local, and collapses."""

    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        z, labels = batch.join(F.normalize(r.flatten(1)), batch.labels)
        return (1 - z @ z.T)[labels[:, None] == labels].mean()


class Still(Objective):
    def forward(self, r: Tensor, batch: Batch) -> Tensor:
        return 0 * r.mean()


class Pull(Together):
    """Under the lesson's name."""


def leaking(net: Any, options: Any) -> Method:
    backbone = net()
    table = nn.Parameter(torch.randn(backbone.classes, 32))
    *blocks, classifier = backbone.layers()
    parts = [
        Component([block], Aim(shape, table))
        for block, shape in zip(blocks, backbone.shapes, strict=False)
    ]
    return Method([*parts, Component([classifier], CrossEntropy())])


RIGHT: list[tuple[str, Any]] = [
    ("collapse-seen", ratio),
    ("collapse-seen", variances),
    ("collapse-seen", nearest_mean),
    ("one-table", constant),
    ("one-table", unlearned),
    ("one-table", the_first_learns),
    ("own-objective", BatchMeans),
    ("own-objective", exits),
]


WRONG: list[tuple[str, Any, str]] = [
    ("collapse-seen", lambda z, labels: -pairs(z, labels)[1], "it has to grow"),
    ("collapse-seen", lambda z, labels: pairs(z, labels)[0], "divide a distance by a distance"),
    ("collapse-seen", lambda z, labels: 1 / ratio(z, labels), "turn it around"),
    ("collapse-seen", cosines, "where the zero is"),
    ("collapse-seen", lambda z, labels: torch.divide(*pairs(z, labels)), "that is the worst case"),
    ("collapse-seen", lambda z, labels: float("nan"), "finite and spread"),
    ("one-table", shared, "still learned by both"),
    ("one-table", one_each, "they do not agree"),
    ("one-table", copies, "they do not agree"),
    ("one-table", blind, "detach the directions, not the features"),
    ("one-table", zeros, "the same direction"),
    (
        "one-table",
        lambda shapes, classes: constant(shapes[:2], classes),
        "2 objectives for 3 shapes",
    ),
    ("own-objective", Alone, "batch.join"),
    ("own-objective", Together, "times as far apart"),
    ("own-objective", Still, "never gets a gradient"),
    ("own-objective", leaking, "has a gradient for component 1"),
    ("own-objective", Pull, "Pull is not yours"),
    ("own-objective", "compass", "give the class of your objective"),
]
