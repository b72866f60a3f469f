"""Exercises of lesson 1, One network, four ways."""

from __future__ import annotations

import math
from random import Random
from statistics import mean, stdev

import torch
from torch import Tensor

from delog_nb import methods
from delog_nb.course import COMPARED
from delog_nb.course.exercises import Question, exercise, itself, many, once
from delog_nb.course.replies import ANYTHING, NUMBERS, shown, tell
from delog_nb.experiment import Experiment


@exercise("count-components", once, itself, ANYTHING)
def count_components(answer: dict[str, int]) -> str | None:
    """Components of a network of six blocks and a classifier, by method."""
    if not isinstance(answer, dict) or set(answer) != set(COMPARED):
        return f"give a dictionary with the keys {', '.join(map(repr, COMPARED))}"
    for name in COMPARED:
        with torch.device("meta"):
            built = methods.build(Experiment(preset="quick", method=name, depth=6))
        if answer[name] != len(built.components):
            return (
                f"{COMPARED[name].label} does not train {shown(answer[name])} components here: "
                f"count the losses in its row of the picture, and think of two blocks more"
            )
    return None


def _logits(rng: Random) -> Question:
    count, classes = rng.randint(1, 50), rng.randint(2, 12)
    logits, labels = torch.randn(count, classes), torch.randint(0, classes, (count,))
    logits[0, labels[0]] = 9.0  # at least one hit
    return logits, labels


@exercise("accuracy", many(20, _logits))
def accuracy(given: float, logits: Tensor, labels: Tensor) -> str | None:
    """Share of rows of logits whose largest entry is at the label."""
    rows = zip(logits.tolist(), labels.tolist(), strict=True)
    hits, count = sum(row.index(max(row)) == label for row, label in rows), len(labels)
    percent = f"it gives {given:.1f} where {hits} of {count} are hits: a share is from 0 to 1"
    otherwise = f"it gives {given:.3f} where {hits} of {count} rows have their maximum at the label"
    return tell(given, hits / count, [(100 * hits / count, percent)], otherwise, rel_tol=1e-5)


@exercise(
    "spread",
    lambda rng: [([rng.random() for _ in range(count)],) for count in (2, 3, 10)],
    wants=NUMBERS._replace(words="return two numbers, the mean and the deviation"),
)
def spread(given: list[float], values: list[float]) -> str | None:
    """Mean and sample standard deviation of the accuracies of several seeds."""
    middle, deviation = given
    first = f"the mean of {values} is {mean(values):.4f}, not {middle:.4f}"
    second = f"the deviation of {values} is {stdev(values):.4f}, not {deviation:.4f}"
    population = stdev(values) * math.sqrt((len(values) - 1) / len(values))
    by_n = "the deviation divides by n; of a sample of seeds it divides by n - 1"
    return tell(middle, mean(values), [], first) or tell(
        deviation, stdev(values), [(population, by_n)], second
    )
