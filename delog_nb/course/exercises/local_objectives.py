"""Exercises of lesson 8, Associated learning and Early Exit."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.components.component import Component
from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import TENSOR, tell
from delog_nb.methods.al import AssociatedLearning, AssociatedObjective


@exercise(
    "code-distance",
    lambda _: [(10, 1, 1.0), (10, 4, 0.25), (100, 3, 0.5), (2, 2, 0.25)],
)
def code_distance(given: float, classes: int, layers: int, slope: float) -> str | None:
    """Distance of the codes of two classes after some encoders at PyTorch's first weights."""
    start, factor = math.sqrt(2 / classes), slope / math.sqrt(3)
    right = start * factor**layers
    said = f"for {classes} classes, {layers} encoders and slope {slope:g} it gives {given:.4g}"
    mistakes = [
        (start * slope**layers, f"{said}: each linear layer also divides the distance by √3"),
        (
            start / math.sqrt(3) ** layers,
            f"{said}: each activation also multiplies it by the slope",
        ),
        (factor**layers, f"{said}: at the start the distance is √(2/K), not 1"),
        (start * factor, f"{said}: every encoder shrinks the distance, not one alone"),
    ]
    return tell(given, right, mistakes, f"{said}, and the formula {right:.4g}", rel_tol=1e-3)


def _codes(rng: Random) -> Question:
    return (torch.rand(rng.randint(2, 12), rng.randint(2, 40)) * rng.choice((1, 1e-2)),)


_TOLD_APART = [(torch.tensor([[0.0, 1.0, 0.0], [2.0, 5.0, 1.0]]),)]  # all the usual mistakes


@exercise("blind-bridge", many(10, _codes, after=_TOLD_APART))
def blind_bridge(given: float, codes: Tensor) -> str | None:
    """The lowest loss A of a bridge that gives the same code for every image."""
    # independent of any formula: the best constant, found by least squares
    ones = torch.ones(len(codes), 1, dtype=torch.float64)
    best = torch.linalg.lstsq(ones, codes.double()).solution
    right = (ones @ best - codes).square().mean().item()
    count, size = codes.shape
    mistakes = [
        (
            right * count / (count - 1),
            "it divides by K - 1: the loss is a mean over all K classes",
        ),
        (
            codes.square().mean().item(),
            "a bridge that always gives zeros is not the best blind one: which code is?",
        ),
        (
            right * size,
            f"it sums over the {size} coordinates: MSE is a mean over them too",
        ),
        (
            (codes - codes.mean()).square().mean().item(),
            "it gives one number for all coordinates: a bridge gives one for each of them",
        ),
    ]
    otherwise = (
        f"for codes of shape ({count}, {size}) it gives {given:.4g}, and the best {right:.4g}"
    )
    return tell(given, right, mistakes, otherwise, rel_tol=1e-3)


def _network(seed: int, depth: int = 4) -> list[Component]:
    """A small AL network of linear blocks."""
    classes, code, side = 3, 4, 5

    def component(number: int) -> Component:
        below = classes if number == 0 else code
        objective = AssociatedObjective(
            nn.Sequential(nn.Linear(side, code), nn.Tanh()),
            nn.Sequential(nn.Linear(below, code), nn.Tanh()),
            nn.Linear(code, below),
            classes,
        )
        return Component([nn.Linear(side, side), nn.Tanh()], objective)

    with seeded(seed):
        return [component(number) for number in range(depth)]


def _images(rng: Random) -> list[Question]:
    seed, images = rng.getrandbits(32), torch.randn(6, 5)
    return [(seed, images, block) for block in (4, 1, 2, 3)]


def _prediction(
    answer: Callable[[list[Component], Tensor, int], Any], seed: int, images: Tensor, block: int
) -> Any:
    with torch.no_grad():
        return answer(_network(seed), images, block)


@exercise("short-path", _images, _prediction, TENSOR._replace(words="return the logits, a tensor"))
def short_path(found: Tensor, seed: int, images: Tensor, block: int) -> str | None:
    """AL's prediction that turns around after block l."""
    r, parts = images, _network(seed)
    for part in parts[:block]:
        r = part.layers(r)
    way = AssociatedLearning(parts).ways_out()[block - 1]
    right = way(r) if way else r
    if found.shape != right.shape:
        return (
            f"after block {block} of 4 it gives shape {tuple(found.shape)} for 6 images "
            f"and 3 classes: did it go down through decoder {block} to decoder 1?"
        )
    if not torch.allclose(found.to(right), right, atol=1e-5):
        return (
            f"after block {block} of 4 the logits differ: up through {block} blocks, over "
            f"bridge {block}, down through the decoders from {block} to 1"
        )
    return None
