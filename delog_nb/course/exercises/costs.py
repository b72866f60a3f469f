"""Exercises of lesson 9, What it costs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import nn

from delog_nb.course.exercises import Question, exercise, itself, many, once
from delog_nb.course.replies import ANYTHING, tell
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure.cost import parameter_counts
from delog_nb.pipeline.schedule import table_1

_LEAN = ("pool", "head_hidden", "head_dim")


def _peak_of_steps(counts: Sequence[int]) -> int:
    """Bytes of weights, moments and gradients, counted while components are updated in turn."""
    with LiveBytes("meta") as live:
        weights = [nn.Parameter(torch.empty(count, device="meta")) for count in counts]
        moments = [(torch.empty_like(w.data), torch.empty_like(w.data)) for w in weights]
        for weight in weights:
            weight.grad = torch.empty_like(weight.data)
            weight.grad = None
    del moments
    return live.peak


def _parameter_counts(rng: Random) -> list[Question]:
    sizes = (1, 2, *(rng.randint(3, 6) for _ in range(4)))
    return [(rng.sample(range(10, 1000), size),) for size in sizes]


@exercise("bytes-of-a-step", _parameter_counts)
def bytes_of_a_step(given: float, counts: list[int]) -> str | None:
    """Peak bytes of weights, Adam's moments and gradients, components trained in turn."""
    right = _peak_of_steps(counts)
    said = f"for {counts} it gives {given}, and counting live tensors gives {right}"
    mistakes = [
        (16 * sum(counts), f"{said}: how many components have gradients at the same time?"),
        (12 * sum(counts), f"{said}: gradients take memory too, while they are there"),
        (right / 4, f"{said}: a number takes 4 bytes"),
    ]
    return tell(given, right, mistakes, said, rel_tol=0, abs_tol=0)


@exercise("lean-heads", once, itself, ANYTHING)
def lean_heads(answer: dict[str, Any]) -> str | None:
    """Heads with which Delog-SCL trains at most twice BP's parameters, the paper's ConvNet."""
    if not isinstance(answer, dict) or not set(answer) <= set(_LEAN):
        return f"give a dictionary with some of the keys {', '.join(map(repr, _LEAN))}"
    paper = Experiment(preset="paper", dataset="cifar10", method="delog-scl")
    try:
        chosen = paper.but(**answer)
    except ExperimentError as error:
        return str(error)
    if min(chosen.head_hidden, chosen.head_dim) < 128:
        return "keep at least 128 hidden units and 128 outputs"
    bp, found = parameter_counts(paper.but(method="bp")), parameter_counts(chosen)
    ratio = found.training / bp.training
    if ratio > 2:
        return (
            f"it trains {found.training:,} parameters, {ratio:.2f} times as many as BP: most are "
            f"in the first linear layers, one weight for each feature and hidden unit"
        )
    return None


def _times(rng: Random) -> Question:
    components = [rng.uniform(0.1, 2) for _ in range(rng.randint(2, 5))]
    return sum(components) * rng.uniform(0.6, 1.1), components


@exercise("best-pipeline", many(6, _times))
def best_pipeline(given: float, bp: float, components: list[float]) -> str | None:
    """How many times as fast as BP a pipeline of components becomes with very many batches."""
    batches = 400
    right = bp * batches / table_1(components, batches).makespan
    said = (
        f"BP {bp:.2f} s, components {', '.join(f'{c:.2f}' for c in components)} s: it gives "
        f"{given:.2f}, and a simulated pipeline of {batches} batches is {right:.2f} times as fast"
    )
    equal = f"{said}: components are not equally fast, and all wait for one of them"
    mistakes = [(bp * len(components) / sum(components), equal)]
    return tell(given, right, mistakes, said, rel_tol=0.02)
