"""Exercises of lesson 9, What it costs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from delog_nb.course.exercises import exercise
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


@exercise("bytes-of-a-step")
def bytes_of_a_step(answer: Callable[[list[int]], float]) -> str | None:
    """Peak bytes of weights, Adam's moments and gradients, components trained in turn."""
    for size in (1, 2, *(random.randint(3, 6) for _ in range(4))):
        counts = random.sample(range(10, 1000), size)
        right, found = _peak_of_steps(counts), answer(list(counts))
        if found == right:
            continue
        said = f"for {counts} it gives {found}, and counting live tensors gives {right}"
        if found == 16 * sum(counts):
            return f"{said}: how many components have gradients at the same time?"
        if found == 12 * sum(counts):
            return f"{said}: gradients take memory too, while they are there"
        if 4 * found == right:
            return f"{said}: a number takes 4 bytes"
        return said
    return None


@exercise("lean-heads")
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


@exercise("best-pipeline")
def best_pipeline(answer: Callable[[float, list[float]], float]) -> str | None:
    """How many times as fast as BP a pipeline of components becomes with very many batches."""
    batches = 400
    for _ in range(6):
        components = [random.uniform(0.1, 2) for _ in range(random.randint(2, 5))]
        bp = sum(components) * random.uniform(0.6, 1.1)
        right = bp * batches / table_1(components, batches).makespan
        found = float(answer(bp, list(components)))
        if math.isclose(found, right, rel_tol=0.02):
            continue
        times = ", ".join(f"{c:.2f}" for c in components)
        said = (
            f"BP {bp:.2f} s, components {times} s: it gives {found:.2f}, and a simulated pipeline "
            f"of {batches} batches is {right:.2f} times as fast"
        )
        if math.isclose(found, bp * len(components) / sum(components), rel_tol=1e-6):
            return f"{said}: components are not equally fast, and all wait for one of them"
        return said
    return None
