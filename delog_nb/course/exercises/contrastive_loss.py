"""Exercises of lesson 3, The supervised contrastive loss."""

from __future__ import annotations

import math
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import NUMBERS, tell
from delog_nb.losses import supervised_contrastive_loss


def _balanced_batch(rng: Random) -> Question:
    classes = rng.randint(2, 12)
    return classes * rng.randint(1, 9), classes


@exercise(
    "count-pairs",
    many(20, _balanced_batch),
    wants=NUMBERS._replace(words="return two numbers, positives and negatives"),
)
def count_pairs(given: list[float], images: int, classes: int) -> str | None:
    """Positives and negatives of an anchor in a balanced batch of two views of every image."""
    positives, negatives = given
    labels = torch.arange(images).remainder(classes).repeat(2)
    same = int((labels == labels[0]).sum())  # the anchor is one of them
    single = same // 2 - 1
    said = f"with {images} images of {classes} classes"
    mistakes = [
        (same, f"{said} it gives {same} positives: the anchor is not a positive of its own"),
        (single, f"{said} it gives {single} positives: every image comes in two views"),
    ]
    first = f"{said} an anchor has {same - 1} positives, not {positives:g}"
    second = f"{said} an anchor has {len(labels) - same} negatives, not {negatives:g}"
    return tell(positives, same - 1, mistakes, first) or tell(
        negatives, len(labels) - same, [], second
    )


def _views(rng: Random) -> Question:
    z = torch.randn(2 * rng.randint(2, 12), 5)
    return F.normalize(z, dim=1), rng.choice([0.1, 0.2, 0.5, 2.0])


@exercise("contrastive-loss", many(10, _views))
def contrastive_loss(given: float, z: Tensor, tau: float) -> str | None:
    """The contrastive loss without classes: the positive of i is the other view of its image."""
    images, logits = len(z) // 2, z @ z.T / tau
    labels = torch.arange(images).repeat(2)
    right = supervised_contrastive_loss(z, labels, tau).item()
    partner = torch.arange(2 * images).roll(images)
    neighbours = labels.sort().values
    mistakes = [
        (2 * images * right, "it gives the sum over the views: divide by their number, 2N"),
        (
            F.cross_entropy(logits, partner).item(),
            "the anchor itself is in the sum below the fraction: leave z_i · z_i out",
        ),
        (
            supervised_contrastive_loss(z, labels, 1.0).item(),
            f"it gives the loss of tau = 1 where tau is {tau}: divide every z_i · z_j by tau",
        ),
        (
            supervised_contrastive_loss(z, neighbours, tau).item(),
            "it pairs neighbouring rows: the views are in the order 1, 2, …, N, 1, 2, …, N, so "
            "the other view of row i is N rows away",
        ),
    ]
    otherwise = f"with {images} images and tau = {tau} the loss is {right:.4f}, not {given:.4f}"
    return tell(given, right, mistakes, otherwise, rel_tol=1e-4, abs_tol=1e-5)


@exercise(
    "least-loss",
    many(20, lambda rng: (rng.randint(2, 8), rng.randint(2, 9), rng.choice([0.5, 1.0, 2.0]))),
)
def least_loss(given: float, classes: int, views: int, tau: float) -> str | None:
    """The loss when each class is one point, and all classes are equally far from each other."""
    corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
    labels = torch.arange(classes).repeat(views)
    right = supervised_contrastive_loss(corners[labels], labels, tau).item()
    far = (classes - 1) * views * math.exp(-(1 + 1 / (classes - 1)) / tau)
    mistakes = [
        (
            math.log(views - 1),
            "the negatives are missing: they are far away, but still in the sum below",
        ),
        (
            math.log(views + far),
            f"the anchor is not in the sum: it has {views - 1} positives there, not {views}",
        ),
        (
            -right,
            "the sign is wrong: the logarithm of a share is below 0, and Eq. 2 has a minus",
        ),
    ]
    otherwise = (
        f"with {classes} classes of {views} views and tau = {tau} the loss is {right:.4f}, "
        f"not {given:.4f}"
    )
    return tell(given, right, mistakes, otherwise, rel_tol=1e-5)
