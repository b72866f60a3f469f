"""Exercises of lesson 1, One network, four ways."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import mean, stdev
from typing import Any

import torch

from delog_nb import methods
from delog_nb.course.exercises import exercise
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS


@exercise("count-components")
def count_components(answer: dict[str, int]) -> str | None:
    """Components of a network of six blocks and a classifier, by method."""
    if not isinstance(answer, dict) or set(answer) != set(METHODS.own):
        return f"give a dictionary with the keys {', '.join(map(repr, METHODS.own))}"
    for name in METHODS.own:
        with torch.device("meta"):
            built = methods.build(Experiment(preset="quick", method=name, depth=6))
        if answer[name] != len(built.components):
            return (
                f"{METHODS.label(name)} does not train {answer[name]!r} components here: count "
                f"the losses in its row of the picture, and think of two blocks more"
            )
    return None


@exercise("accuracy")
def accuracy(answer: Callable[[torch.Tensor, torch.Tensor], Any]) -> str | None:
    """Share of rows of logits whose largest entry is at the label."""
    for _ in range(20):
        count, classes = random.randint(1, 50), random.randint(2, 12)
        logits, labels = torch.randn(count, classes), torch.randint(0, classes, (count,))
        logits[0, labels[0]] = 9.0  # at least one hit
        rows = zip(logits.tolist(), labels.tolist(), strict=True)
        hits = sum(row.index(max(row)) == label for row, label in rows)
        found = float(answer(logits, labels))
        if math.isclose(found, 100 * hits / count, rel_tol=1e-5) and hits:
            return f"it gives {found:.1f} where {hits} of {count} are hits: a share is from 0 to 1"
        if not math.isclose(found, hits / count, rel_tol=1e-5):
            return (
                f"it gives {found:.3f} where {hits} of {count} rows have their maximum at the label"
            )
    return None


@exercise("spread")
def spread(answer: Callable[[list[float]], tuple[float, float]]) -> str | None:
    """Mean and sample standard deviation of the accuracies of several seeds."""
    for count in (2, 3, 10):
        values = [random.random() for _ in range(count)]
        found = tuple(float(x) for x in answer(values))
        if len(found) != 2:
            return f"return two numbers, the mean and the deviation: it returned {len(found)}"
        if not math.isclose(found[0], mean(values), rel_tol=1e-9):
            return f"the mean of {values} is {mean(values):.4f}, not {found[0]:.4f}"
        population = stdev(values) * math.sqrt((count - 1) / count)
        if math.isclose(found[1], population, rel_tol=1e-9):
            return "the deviation divides by n; of a sample of seeds it divides by n - 1"
        if not math.isclose(found[1], stdev(values), rel_tol=1e-9):
            return f"the deviation of {values} is {stdev(values):.4f}, not {found[1]:.4f}"
    return None
