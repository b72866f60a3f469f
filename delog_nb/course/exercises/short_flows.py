"""Exercises of lesson 5, several short flows or one long one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import torch
from scipy import stats
from torch import Tensor

from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import NUMBER_OR_NONE, tell
from delog_nb.measure.early import separation as right_separation


def _goals(rng: Random) -> list[Question]:
    curves = [[rng.randint(0, 9) / 10 for _ in range(rng.randint(3, 8))] for _ in range(20)]
    return [(curve, goal) for curve in curves for goal in (0.0, curve[-1], rng.choice(curve), 1.0)]


@exercise("first-epoch-above", _goals, wants=NUMBER_OR_NONE)
def first_epoch_above(found: float | None, curve: Sequence[float], goal: float) -> str | None:
    """The first epoch whose accuracy is at least the goal, counted from 1; None where none is."""
    right = next((n for n, share in enumerate(curve, 1) if share >= goal), None)
    said = f"for {curve} and {goal} it gives {found}, not {right}"
    if found == right:
        return None
    if right is None:
        return f"{said}: the goal is never reached"
    if found == right - 1:
        return f"{said}: epochs are counted from 1"
    if found is None or (found > right and curve[right - 1] == goal):
        return f"{said}: an accuracy equal to the goal reaches it"
    return said


def _clouds(rng: Random) -> Question:
    classes, dim = rng.randint(2, 5), rng.randint(1, 6)
    labels = torch.arange(classes).repeat_interleave(torch.randint(1, 9, (classes,)))
    labels = labels[torch.randperm(len(labels))]
    return torch.randn(len(labels), dim) + 2 * torch.randn(classes, dim)[labels] + 5, labels


_TOLD_APART = [  # all the usual mistakes
    (torch.tensor([[0.0], [1.0], [2.0], [8.0]]), torch.tensor([0, 0, 0, 1])),
]


@exercise("class-separation", many(10, _clouds, after=_TOLD_APART))
def class_separation(given: float, features: Tensor, labels: Tensor) -> str | None:
    """The share of the variance of features that lies between classes."""
    right = right_separation(features, labels)
    said = (
        f"for {len(labels)} images of {len(labels.unique())} classes it gives {given:.3f}, not "
        f"{right:.3f}"
    )
    mistakes = [
        (1 - right, f"{said}: that is the share within classes"),
        (
            _unweighted(features, labels),
            f"{said}: a class counts as often as it has images",
        ),
    ]
    otherwise = (
        f"{said}: distances are taken from the mean of all images"
        if 0 <= given <= 1
        else f"{said}: a share lies between 0 and 1"
    )
    return tell(given, right, mistakes, otherwise, rel_tol=0, abs_tol=1e-4)


def _unweighted(features: Tensor, labels: Tensor) -> float:
    """The separation if every class had the same number of images."""
    centred = features - features.mean(0)
    means = torch.stack([centred[labels == label].mean(0) for label in labels.unique()])
    between = means.square().sum() * len(labels) / len(means)
    return float(between / centred.square().sum())


def _pairs(rng: Random) -> Question:
    seeds = [rng.gauss(0.5, 0.2) for _ in range(rng.randint(2, 8))]  # what both have from theirs
    return tuple([seed + rng.gauss(0, 0.05) for seed in seeds] for _ in range(2))


@exercise("paired-t", many(20, _pairs))
def paired_t(given: float, one: Sequence[float], other: Sequence[float]) -> str | None:
    """Student's t of the differences by seed."""
    count, right = len(one), float(stats.ttest_rel(one, other).statistic)
    said = f"for {count} seeds it gives {given:.3f}, not {right:.3f}"
    mistakes = [
        (-right, f"{said}: the sign: it is the first minus the second"),
        (
            right * math.sqrt(count / (count - 1)),
            f"{said}: the standard deviation divides by the number of seeds minus 1",
        ),
        (
            right / math.sqrt(count),
            f"{said}: the mean's standard error is the deviation divided by √n",
        ),
        (
            float(stats.ttest_ind(one, other).statistic),
            f"{said}: that treats the two lists as unrelated, but they share seeds",
        ),
    ]
    return tell(given, right, mistakes, f"{said}: first take the difference of each seed")
