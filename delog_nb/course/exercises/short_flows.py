"""Exercises of lesson 5, several short flows or one long one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from delog_nb.course.exercises import exercise
from delog_nb.measure.early import separation as right_separation


@exercise("first-epoch-above")
def first_epoch_above(answer: Callable[[Sequence[float], float], int | None]) -> str | None:
    """The first epoch whose accuracy is at least the goal, counted from 1; None where none is."""
    for _ in range(20):
        curve = [random.randint(0, 9) / 10 for _ in range(random.randint(3, 8))]
        for goal in (0.0, curve[-1], random.choice(curve), 1.0):
            right = next((n for n, share in enumerate(curve, 1) if share >= goal), None)
            found = answer(list(curve), goal)
            if found == right and not isinstance(found, bool):
                continue
            said = f"for {curve} and {goal} it gives {found}, not {right}"
            if right is None:
                return f"{said}: the goal is never reached"
            if found == right - 1:
                return f"{said}: epochs are counted from 1"
            if found is None or (found > right and curve[right - 1] == goal):
                return f"{said}: an accuracy equal to the goal reaches it"
            return said
    return None


@exercise("class-separation")
def class_separation(answer: Callable[[Tensor, Tensor], float]) -> str | None:
    """The share of the variance of features that lies between classes."""
    for _ in range(10):
        classes, dim = random.randint(2, 5), random.randint(1, 6)
        labels = torch.arange(classes).repeat_interleave(torch.randint(1, 9, (classes,)))
        labels = labels[torch.randperm(len(labels))]
        features = torch.randn(len(labels), dim) + 2 * torch.randn(classes, dim)[labels] + 5
        right = right_separation(features, labels)
        found = float(answer(features.clone(), labels.clone()))
        if math.isclose(found, right, abs_tol=1e-4):
            continue
        said = (
            f"for {len(labels)} images of {classes} classes it gives {found:.3f}, not {right:.3f}"
        )
        if math.isclose(found, 1 - right, abs_tol=1e-4):
            return f"{said}: that is the share within classes"
        if math.isclose(found, _unweighted(features, labels), abs_tol=1e-4):
            return f"{said}: a class counts as often as it has images"
        if not 0 <= found <= 1:
            return f"{said}: a share lies between 0 and 1"
        return f"{said}: distances are taken from the mean of all images"
    return None


def _unweighted(features: Tensor, labels: Tensor) -> float:
    """The separation if every class had the same number of images."""
    centred = features - features.mean(0)
    means = torch.stack([centred[labels == label].mean(0) for label in labels.unique()])
    between = means.square().sum() * len(labels) / len(means)
    return float(between / centred.square().sum())


@exercise("paired-t")
def paired_t(answer: Callable[[Sequence[float], Sequence[float]], float]) -> str | None:
    """Student's t of the differences by seed."""
    for _ in range(20):
        count = random.randint(2, 8)
        seeds = np.random.default_rng().normal(0.5, 0.2, count)  # what both have from their seed
        one, other = (seeds + np.random.default_rng().normal(0, 0.05, count) for _ in range(2))
        right = float(stats.ttest_rel(one, other).statistic)
        found = float(answer(one.tolist(), other.tolist()))
        if math.isclose(found, right, rel_tol=1e-6):
            continue
        said = f"for {count} seeds it gives {found:.3f}, not {right:.3f}"
        for told, other_value in {
            "the sign: it is the first minus the second": -right,
            "the standard deviation divides by the number of seeds minus 1": right
            * math.sqrt(count / (count - 1)),
            "the mean's standard error is the deviation divided by √n": right / math.sqrt(count),
            "that treats the two lists as unrelated, but they share seeds": float(
                stats.ttest_ind(one, other).statistic
            ),
        }.items():
            if math.isclose(found, other_value, rel_tol=1e-6):
                return f"{said}: {told}"
        return f"{said}: first take the difference of each seed"
    return None
