"""Exercises of lesson 3, The supervised contrastive loss."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.course.exercises import exercise
from delog_nb.losses import supervised_contrastive_loss


@exercise("count-pairs")
def count_pairs(answer: Callable[[int, int], Any]) -> str | None:
    """Positives and negatives of an anchor in a balanced batch of two views of every image."""
    for _ in range(20):
        classes, each = random.randint(2, 12), random.randint(1, 9)
        images = classes * each
        labels = torch.arange(images).remainder(classes).repeat(2)
        same = int((labels == labels[0]).sum())  # the anchor is one of them
        positives, negatives = same - 1, len(labels) - same
        given = tuple(round(float(x), 6) for x in answer(images, classes))
        if len(given) != 2:
            return f"return two numbers, positives and negatives: it returned {len(given)}"
        batch = f"with {images} images of {classes} classes"
        if given[0] == same:
            return f"{batch} it gives {same} positives: the anchor is not a positive of its own"
        if given[0] == each - 1:
            return f"{batch} it gives {each - 1} positives: every image comes in two views"
        if given[0] != positives:
            return f"{batch} an anchor has {positives} positives, not {given[0]:g}"
        if given[1] != negatives:
            return f"{batch} an anchor has {negatives} negatives, not {given[1]:g}"
    return None


@exercise("contrastive-loss")
def contrastive_loss(answer: Callable[[Tensor, float], Any]) -> str | None:
    """The contrastive loss without classes: the positive of i is the other view of its image."""
    for _ in range(10):
        images, tau = random.randint(2, 12), random.choice([0.1, 0.2, 0.5, 2.0])
        z = F.normalize(torch.randn(2 * images, 5), dim=1)
        labels = torch.arange(images).repeat(2)
        right = supervised_contrastive_loss(z, labels, tau).item()
        given = float(answer(z.clone(), tau))

        def near(value: float, given: float = given) -> bool:
            return math.isclose(given, value, rel_tol=1e-4, abs_tol=1e-5)

        if near(right):
            continue
        logits = z @ z.T / tau
        partner = logits[torch.arange(2 * images), torch.arange(2 * images).roll(images)]
        neighbour = labels.repeat_interleave(2)[: 2 * images]
        if near(2 * images * right):
            return "it gives the sum over the views: divide by their number, 2N"
        if near((logits.logsumexp(1) - partner).mean().item()):
            return "the anchor itself is in the sum below the fraction: leave z_i · z_i out"
        if near(supervised_contrastive_loss(z, labels, 1.0).item()):
            return f"it gives the loss of tau = 1 where tau is {tau}: divide every z_i · z_j by tau"
        if near(supervised_contrastive_loss(z, neighbour, tau).item()):
            return (
                "it pairs neighbouring rows: the views are in the order 1, 2, …, N, 1, 2, …, N, so "
                "the other view of row i is N rows away"
            )
        return f"with {images} images and tau = {tau} the loss is {right:.4f}, not {given:.4f}"
    return None


@exercise("least-loss")
def least_loss(answer: Callable[[int, int, float], Any]) -> str | None:
    """The loss when each class is one point, and all classes are equally far from each other."""
    for _ in range(20):
        classes, views = random.randint(2, 8), random.randint(2, 9)
        tau = random.choice([0.5, 1.0, 2.0])
        corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
        labels = torch.arange(classes).repeat(views)
        right = supervised_contrastive_loss(corners[labels], labels, tau).item()
        given = float(answer(classes, views, tau))
        if math.isclose(given, right, rel_tol=1e-5, abs_tol=1e-9):
            continue
        far = (classes - 1) * views * math.exp(-(1 + 1 / (classes - 1)) / tau)
        if math.isclose(given, math.log(views - 1) if views > 1 else 0.0, rel_tol=1e-5):
            return "the negatives are missing: they are far away, but still in the sum below"
        if math.isclose(given, math.log(views + far), rel_tol=1e-5):
            return f"the anchor is not in the sum: it has {views - 1} positives there, not {views}"
        if math.isclose(given, -right, rel_tol=1e-5):
            return "the sign is wrong: the logarithm of a share is below 0, and Eq. 2 has a minus"
        return (
            f"with {classes} classes of {views} views and tau = {tau} the loss is {right:.4f}, "
            f"not {given:.4f}"
        )
    return None
