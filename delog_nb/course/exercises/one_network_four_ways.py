"""Exercises of lesson 1, One network, four ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, itself, many, once, seeded
from delog_nb.course.replies import ANYTHING, NUMBERS, close, shown, tell


def _blocks_and_cuts(rng: Random) -> Question:
    blocks = [f"f{n + 1}" for n in range(rng.randint(2, 9))]
    cuts = sorted(rng.sample(range(1, len(blocks)), rng.randint(0, len(blocks) - 1)))
    return blocks, cuts


@exercise(
    "cut-after",
    many(12, _blocks_and_cuts, after=[(["f1", "f2", "f3"], [1])]),
    wants=ANYTHING._replace(words="return a list of pieces, each a list of blocks"),
)
def cut_after(given: list[list[str]], blocks: list[str], cuts: list[int]) -> str | None:
    """The pieces that cuts after some of the blocks make."""
    pieces = [list(piece) for piece in given]
    ends = [*cuts, len(blocks)]
    right = [blocks[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    if pieces == right:
        return None
    said = f"cuts after {cuts or 'no block'} of {len(blocks)} blocks give {shown(pieces)}"
    there = [block for piece in pieces for block in piece]
    if there == [block for piece in right[:-1] for block in piece]:
        return f"{said}: the blocks after the last cut are missing"
    if there != blocks:
        return f"{said}: together the pieces have to be all blocks, each once and in order"
    return f"{said}, and the first piece has to end with block {ends[0]}"


class _Scaled(nn.Module):
    """A local loss with a module of its own; a factor of 0 leaves no gradient."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.own, self.factor = nn.Linear(4, 4), factor

    def forward(self, r: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return self.factor * (self.own(r) - target).square().mean(), target


Parts = tuple[list[nn.Sequential], list[_Scaled], list[torch.optim.Optimizer], Tensor, Tensor]


def _parts(seed: int, factors: list[float]) -> Parts:
    """Pieces, a loss for each with its factor, their optimizers, a batch and its target."""
    with seeded(seed):
        pieces = [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in factors]
        goals = [_Scaled(factor) for factor in factors]
        batch, target = torch.randn(6, 4), torch.randn(6, 4)
    both = [nn.ModuleList(pair) for pair in zip(pieces, goals, strict=True)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.SGD(module.parameters(), 0.1) for module in both
    ]
    return pieces, goals, optimizers, batch, target


def _changed(step: Callable[..., Any], seed: int, count: int) -> Any:
    """By loss, which pieces and which losses' modules a step with this loss alone changes.

    Or a text, where a loss flowed into a graph that had been freed.
    """
    found = []
    for place in range(count):
        factors = [float(n == place) for n in range(count)]
        pieces, goals, optimizers, batch, target = _parts(seed, factors)
        modules = [*pieces, *goals]
        before = [[p.detach().clone() for p in module.parameters()] for module in modules]
        try:
            step(pieces, goals, optimizers, batch, target)
        except RuntimeError as error:
            if "second time" not in str(error):
                raise
            return str(error)
        found.append(
            [
                any(not torch.equal(p, q) for p, q in zip(module.parameters(), old, strict=True))
                for module, old in zip(modules, before, strict=True)
            ]
        )
    return found


@exercise(
    "repaired-step", lambda rng: [(rng.getrandbits(32), n) for n in (1, 3)], _changed, ANYTHING
)
def repaired_step(given: Any, seed: int, count: int) -> str | None:  # noqa: ARG001
    """A step in which each loss changes its own piece and its own module, and nothing else."""
    if isinstance(given, str):
        return (
            "a loss flows down into the piece below, whose graph is freed by then: nothing is "
            "detached between the pieces"
        )
    if [len(changed) for changed in given] != [2 * count] * count:
        raise TypeError
    for place, changed in enumerate(given):
        pieces, goals = changed[:count], changed[count:]
        if not pieces[place]:
            return (
                f"loss {place + 1} of {count} does not change its own piece: what stands between "
                f"the two?"
            )
        if not goals[place]:
            return f"loss {place + 1} of {count} does not change its own module"
        others = [n + 1 for n in range(count) if n != place and (pieces[n] or goals[n])]
        if others:
            return f"loss {place + 1} of {count} also changes piece {others[0]}"
    return None


def _after_two(step: Callable[..., Any], seed: int, count: int) -> list[list[Tensor]]:
    """The parameters of pieces and of losses' modules before, and after one step and two."""
    pieces, goals, optimizers, batch, target = _parts(seed, [1.0] * count)

    def now() -> list[Tensor]:
        vectors = [nn.utils.parameters_to_vector(m.parameters()) for m in (*pieces, *goals)]
        return [vector.detach().clone() for vector in vectors]

    found = [now()]
    for _ in range(2):
        step(pieces, goals, optimizers, batch, target)
        found.append(now())
    return found


def _whole(pieces: Any, goals: Any, optimizers: Any, batch: Tensor, target: Tensor) -> None:
    loss, _ = goals[-1](nn.Sequential(*pieces)(batch), target)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


@exercise(
    "whole-step", lambda rng: [(rng.getrandbits(32), n) for n in (3, 1)], _after_two, ANYTHING
)
def whole_step(given: Any, seed: int, count: int) -> str | None:
    """BP on a list of pieces: one backward pass, from the last of the losses."""
    right = _after_two(_whole, seed, count)
    if [[vector.shape for vector in row] for row in given] != [
        [vector.shape for vector in row] for row in right
    ]:
        raise TypeError
    before, first, second = given
    for n in range(count):
        if torch.equal(first[n], before[n]):
            return (
                f"piece {n + 1} of {count} keeps its weights: either no gradient comes to it, or "
                f"its optimizer does not step"
            )
    for n in range(count, 2 * count - 1):
        if not torch.equal(second[n], before[n]):
            return f"the module of loss {n - count + 1} of {count} changes: only the last counts"
    if not all(map(close, first, right[1])):
        return f"{count} pieces change, but not as BP changes them: which losses reach them?"
    if not all(map(close, second, right[2])):
        return "the first step is right, the second is not: gradients of the first are still there"
    return None


KEPT = (40, 40, 20, 20, 10, 10, 5, 5)  # MB, by block


@exercise("two-cuts", once, itself, NUMBERS._replace(words="give two block numbers"))
def two_cuts(given: list[float]) -> str | None:
    """Cuts after two of eight blocks that leave the least in the largest piece."""
    cuts = sorted(given)
    if len(set(cuts)) != 2 or not all(cut in range(1, len(KEPT)) for cut in cuts):
        return f"give two different block numbers from 1 to {len(KEPT) - 1}, such as [3, 6]"
    a, b = map(int, cuts)
    kept = [sum(KEPT[:a]), sum(KEPT[a:b]), sum(KEPT[b:])]
    least = min(
        max(sum(KEPT[:i]), sum(KEPT[i:j]), sum(KEPT[j:]))
        for j in range(2, len(KEPT))
        for i in range(1, j)
    )
    if max(kept) == least:
        return None
    words = f"{kept[0]}, {kept[1]} and {kept[2]} MB"
    return f"the pieces keep {words}, so that a step takes {max(kept)} MB: it can do with less"


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
