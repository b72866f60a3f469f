"""Exercises of lesson 7, Batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import ANYTHING, close
from delog_nb.losses import supervised_contrastive_loss


def _epoch(rng: Random) -> Question:
    """Labels of a training set in any order, and the shape of a batch."""
    classes, each = rng.randint(5, 9), rng.randint(2, 4)
    counts = [each * rng.randint(4, 9) + rng.randint(0, each - 1) for _ in range(classes)]
    labels = torch.arange(classes).repeat_interleave(torch.tensor(counts))
    return labels[torch.randperm(len(labels))], rng.randint(2, classes), each


def _two_epochs(answer: Callable[..., Any], *question: Any) -> list[Any]:
    return [answer(*question, torch.Generator().manual_seed(seed)) for seed in (0, 1, 0)]


def _most_batches(labels: Tensor, classes: int, each: int) -> int:
    """With G_c groups of images a class, b batches are possible if sum_c min(G_c, b) >= b K."""
    groups = labels.bincount() // each
    possible = range(1, len(labels))
    return max((b for b in possible if groups.clamp(max=b).sum() >= b * classes), default=0)


@exercise(
    "class-batches",
    many(6, _epoch),
    _two_epochs,
    ANYTHING._replace(words="return a list of tensors: the numbers of each batch's images"),
)
def class_batches(given: list[Any], labels: Tensor, classes: int, each: int) -> str | None:
    """Batches of so many classes with so many images each, none twice in an epoch."""
    for batches in given:
        for batch in batches:
            counts = labels[batch].bincount()
            counts = counts[counts > 0]
            if len(batch.unique()) < len(batch):
                return "an image is in one batch twice: it would be its own positive"
            if len(counts) != classes or (counts != each).any():
                return (
                    f"a batch is to have {classes} classes with {each} images each, and one has "
                    f"{', '.join(map(str, counts.tolist()))} images of its classes"
                )
        seen = torch.cat(list(batches)) if batches else torch.empty(0)
        if len(seen.unique()) < len(seen):
            return "an image is in two batches of one epoch: draw without putting back"
        if len(batches) < 0.6 * _most_batches(labels, classes, each):
            return f"an epoch shows only {len(seen)} of {len(labels)} images, and could show more"
    one, other, again = (torch.cat(list(batches)) for batches in given)
    if torch.equal(one, other):
        return "another generator gives the same batches: draw with the generator"
    if not torch.equal(one, again):
        return "the same generator gives other batches: draw with this generator alone"
    return None


def _views(rng: Random) -> Question:
    """Two views of images, and how many rows a part has; the last part may be smaller."""
    images = rng.randint(9, 20)
    labels = (torch.arange(images) % 3).repeat(2)
    return torch.randn(2 * images, 5), labels, rng.choice((0.1, 0.5)), rng.randint(4, 7)


def _with_gradient(
    answer: Callable[..., Tensor], z: Tensor, labels: Tensor, tau: float, rows: int
) -> list[Tensor]:
    leaf = z.clone().requires_grad_()
    loss = answer(leaf, labels, tau, rows)
    loss.backward()
    return [loss.detach(), leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)]


def _of_parts(z: Tensor, labels: Tensor, tau: float, rows: int) -> Tensor:
    """The mean of the losses of the parts, each by itself."""
    parts = zip(z.split(rows), labels.split(rows), strict=True)
    return torch.stack([supervised_contrastive_loss(a, b, tau) for a, b in parts]).mean()


def _with_itself(z: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Eq. 2 where an anchor is compared with itself as well."""
    z = F.normalize(z)
    positive = (labels[:, None] == labels).fill_diagonal_(False)
    log_share = (z @ z.T / tau).log_softmax(1)
    return -(log_share.where(positive, 0).sum(1) / positive.sum(1)).mean()


@exercise(
    "loss-in-parts",
    many(5, _views),
    _with_gradient,
    ANYTHING._replace(words="return the loss, a tensor that has a gradient"),
)
def loss_in_parts(
    given: list[Tensor], z: Tensor, labels: Tensor, tau: float, rows: int
) -> str | None:
    """Eq. 2 of a whole batch, computed a few anchors at a time."""
    loss, gradient = given
    leaf = z.clone().requires_grad_()
    right = supervised_contrastive_loss(leaf, labels, tau)
    right.backward()
    if close(loss, _of_parts(z, labels, tau, rows), rtol=1e-4):
        return "an anchor is compared within its part alone: the whole batch has more to compare"
    if close(loss, _with_itself(z, labels, tau), rtol=1e-4):
        return "an anchor is compared with itself: its column is not its row's number in the part"
    if not close(loss, right, rtol=1e-4, atol=1e-6):
        last = len(z) % rows
        return f"for {len(z)} views in parts of {rows} the loss is {right:.5f}, not {loss:.5f}" + (
            f"; mind that the last part has {last} rows only" if last else ""
        )
    if not close(gradient, leaf.grad, rtol=1e-3, atol=1e-6):
        return "the loss is right and its gradient is not: the gradient goes through all z"
    return None


Run = Mapping[str, int]


def _two_runs(rng: Random) -> Question:
    factor, small = rng.choice((4, 8, 16)), rng.choice((16, 32, 64))
    epochs, views = rng.randint(4, 40), 9 * small // 5
    return (
        {"batch_size": small, "epochs": epochs, "negatives": views},
        {"batch_size": factor * small, "epochs": epochs, "negatives": factor * views},
    )


@exercise(
    "two-controls",
    many(5, _two_runs),
    wants=ANYTHING._replace(words='return two runs, "same negatives" and "same steps"'),
)
def two_controls(given: dict[str, Run], small: Run, large: Run) -> str | None:
    """Beside a small and a large batch, the runs that tell negatives and steps apart."""
    compared, stepped = dict(given["same negatives"]), dict(given["same steps"])
    factor = large["batch_size"] // small["batch_size"]
    for name, run in (("same negatives", compared), ("same steps", stepped)):
        if run.keys() != large.keys():
            return f"{name}: a run has batch_size, epochs and negatives"
        if run["batch_size"] != large["batch_size"]:
            return (
                f"{name}: with another batch size, steps and noise change too: keep the large one"
            )
    if compared["epochs"] != large["epochs"]:
        return "same negatives: with other epochs the number of steps changes too"
    if compared["negatives"] != small["negatives"]:
        return (
            f"same negatives: an anchor is to be compared with {small['negatives']} negatives, "
            f"as in the small batch, not with {compared['negatives']}"
        )
    if stepped["negatives"] != large["negatives"]:
        return "same steps: leave the negatives as they are in the large batch"
    if stepped["epochs"] != factor * large["epochs"]:
        return (
            f"same steps: a batch {factor} times as large makes {factor} times fewer steps in an "
            f"epoch, so {stepped['epochs']} epochs are not as many steps as {small['epochs']} of "
            f"the small batch"
        )
    return None
