"""Answers to the exercises of batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from delog_nb.losses import supervised_contrastive_loss


def groups_of(labels: Tensor, each: int, generator: Generator | None) -> dict[int, list[Tensor]]:
    found = {}
    for c in labels.unique().tolist():
        own = (labels == c).nonzero()[:, 0]
        own = own[torch.randperm(len(own), generator=generator)]
        found[c] = [part for part in own.split(each) if len(part) == each]
    return found


def fullest_first(labels: Tensor, classes: int, each: int, generator: Generator) -> list[Tensor]:
    left, batches = groups_of(labels, each, generator), []
    while sum(bool(own) for own in left.values()) >= classes:
        fullest = sorted(left, key=lambda c: -len(left[c]))[:classes]
        batches.append(torch.cat([left[c].pop() for c in fullest]))
    return batches


def with_replacement(labels: Tensor, classes: int, each: int, generator: Generator) -> list[Tensor]:
    batches = []
    for _ in range(12):
        chosen = torch.randperm(int(labels.max()) + 1, generator=generator)[:classes]
        groups = groups_of(labels, each, generator)
        batches.append(torch.cat([groups[int(c)][0] for c in chosen]))
    return batches


def at_random(labels: Tensor, classes: int, each: int, generator: Generator) -> list[Tensor]:
    order = torch.randperm(len(labels), generator=generator)
    return [*order.split(classes * each)][:-1]


def global_draws(labels: Tensor, classes: int, each: int, generator: Generator) -> list[Tensor]:
    generator.seed()
    return fullest_first(labels, classes, each, generator)


def in_parts(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    z, places, sums = F.normalize(z), torch.arange(len(z)), []
    for own in places.split(rows):
        itself = own[:, None] == places
        logits = (z[own] @ z.T / tau).masked_fill(itself, -torch.inf)
        positive = (labels[own, None] == labels) & ~itself
        log_share = logits.log_softmax(1).where(positive, 0)
        sums.append((log_share.sum(1) / positive.sum(1)).sum())
    return -torch.stack(sums).sum() / len(z)


def parts_alone(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    pairs = zip(z.split(rows), labels.split(rows), strict=True)
    return torch.stack([supervised_contrastive_loss(a, b, tau) for a, b in pairs]).mean()


def with_itself(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    z = F.normalize(z)
    positive = (labels[:, None] == labels).fill_diagonal_(False)
    log_share = (z @ z.T / tau).log_softmax(1)
    return -(log_share.where(positive, 0).sum(1) / positive.sum(1)).mean()


def mean_of_means(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    whole = supervised_contrastive_loss(z, labels, tau)
    return whole * (1 + 0.01 * (len(z) % rows))


def no_gradient(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    return supervised_contrastive_loss(z.detach(), labels, tau) + 0 * z.sum()


def controls(compared: dict[str, int], stepped: dict[str, int]) -> Callable[..., Any]:
    """The large run, changed as named; a change of 0 takes the small run's value."""

    def runs(small: dict[str, int], large: dict[str, int]) -> dict[str, dict[str, int]]:
        factor = large["batch_size"] // small["batch_size"]
        meant = {-1: lambda k: large[k] * factor, 0: lambda k: small[k]}

        def changed(by: dict[str, int]) -> dict[str, int]:
            return large | {k: meant[v](k) if v in meant else v for k, v in by.items()}

        return {"same negatives": changed(compared), "same steps": changed(stepped)}

    return runs


RIGHT: list[tuple[str, Any]] = [
    ("class-batches", fullest_first),
    ("loss-in-parts", in_parts),
    ("loss-in-parts", lambda z, labels, tau, _: supervised_contrastive_loss(z, labels, tau)),
    ("two-controls", controls({"negatives": 0}, {"epochs": -1})),
]


WRONG: list[tuple[str, Any, str]] = [
    ("class-batches", with_replacement, "in two batches of one epoch"),
    ("class-batches", at_random, "images of its classes"),
    ("class-batches", lambda *a: fullest_first(*a)[:1], "could show more"),
    ("class-batches", lambda y, k, n, _: fullest_first(y, k, n, Generator()), "draw with the gen"),
    ("class-batches", global_draws, "with this generator alone"),
    ("class-batches", lambda y, k, n, _: [torch.zeros(k * n).long()], "its own positive"),
    ("loss-in-parts", parts_alone, "within its part alone"),
    ("loss-in-parts", with_itself, "compared with itself"),
    ("loss-in-parts", mean_of_means, "the loss is"),
    ("loss-in-parts", no_gradient, "its gradient is not"),
    ("two-controls", controls({"batch_size": 0}, {"epochs": -1}), "keep the large one"),
    ("two-controls", controls({"negatives": 0, "epochs": -1}, {}), "other epochs"),
    ("two-controls", controls({}, {"epochs": -1}), "is to be compared with"),
    ("two-controls", controls({"negatives": 0}, {}), "are not as many steps"),
    ("two-controls", controls({"negatives": 0}, {"epochs": -1, "negatives": 0}), "leave the neg"),
    ("two-controls", lambda small, large: {"same negatives": large, "same steps": {}}, "has bat"),
]
