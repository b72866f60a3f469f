"""Exercises of lesson 8, Associated learning and Early Exit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.course.exercises import exercise
from delog_nb.methods.al import AssociatedLearning, AssociatedObjective
from delog_nb.methods.component import Component


@exercise("code-distance")
def code_distance(answer: Callable[[int, int, float], float]) -> str | None:
    """Distance of the codes of two classes after some encoders at PyTorch's first weights."""
    for classes, layers, slope in ((10, 1, 1.0), (10, 4, 0.25), (100, 3, 0.5), (2, 2, 0.25)):
        found = float(answer(classes, layers, slope))
        start = math.sqrt(2 / classes)
        right = start * (slope / math.sqrt(3)) ** layers
        asked = f"{classes} classes, {layers} encoders and slope {slope:g}"
        for wrong, why in (
            (start * slope**layers, "each linear layer also divides the distance by √3"),
            (start / math.sqrt(3) ** layers, "each activation also multiplies it by the slope"),
            ((slope / math.sqrt(3)) ** layers, "at the start the distance is √(2/K), not 1"),
            (start * slope / math.sqrt(3), "every encoder shrinks the distance, not one alone"),
        ):
            if math.isclose(found, wrong, rel_tol=1e-6) and not math.isclose(found, right):
                return f"for {asked} it gives {found:.4g}: {why}"
        if not math.isclose(found, right, rel_tol=1e-3):
            return f"for {asked} it gives {found:.4g}, and the formula {right:.4g}"
    return None


@exercise("blind-bridge")
def blind_bridge(answer: Callable[[Tensor], Any]) -> str | None:
    """The lowest loss A of a bridge that gives the same code for every image."""
    for _ in range(10):
        codes = torch.rand(random.randint(2, 12), random.randint(2, 40)) * random.choice((1, 1e-2))
        found = float(answer(codes))
        # independent of any formula: the best constant, found by least squares
        ones = torch.ones(len(codes), 1, dtype=torch.float64)
        best = torch.linalg.lstsq(ones, codes.double()).solution
        right = (ones @ best - codes).square().mean().item()
        if math.isclose(found, right, rel_tol=1e-3):
            continue
        count, size = codes.shape
        if math.isclose(found, right * count / (count - 1), rel_tol=1e-3):
            return "it divides by K - 1: the loss is a mean over all K classes"
        if math.isclose(found, codes.square().mean().item(), rel_tol=1e-3):
            return "a bridge that always gives zeros is not the best blind one: which code is?"
        if math.isclose(found, right * size, rel_tol=1e-3):
            return f"it sums over the {size} coordinates: MSE is a mean over them too"
        whole = (codes - codes.mean()).square().mean().item()
        if math.isclose(found, whole, rel_tol=1e-3):
            return "it gives one number for all coordinates: a bridge gives one for each of them"
        return (
            f"for codes of shape ({count}, {size}) it gives {found:.4g}, and the best {right:.4g}"
        )
    return None


def _network(depth: int) -> list[Component]:
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

    return [component(number) for number in range(depth)]


@exercise("short-path")
def short_path(answer: Callable[[list[Component], Tensor, int], Tensor]) -> str | None:
    """AL's prediction that turns around after block l."""
    parts, images = _network(4), torch.randn(6, 5)
    with torch.no_grad():
        for block in (4, 1, 2, 3):
            r = images
            for part in parts[:block]:
                r = part.layers(r)
            way = AssociatedLearning(parts).ways_out()[block - 1]
            right = way(r) if way else r
            found = answer(parts, images, block)
            if not isinstance(found, Tensor):
                return f"return the logits, a tensor: it returned {type(found).__name__}"
            if found.shape != right.shape:
                return (
                    f"after block {block} of 4 it gives shape {tuple(found.shape)} for 6 images "
                    f"and 3 classes: did it go down through decoder {block} to decoder 1?"
                )
            if not torch.allclose(found, right, atol=1e-5):
                return (
                    f"after block {block} of 4 the logits differ: up through {block} blocks, over "
                    f"bridge {block}, down through the decoders from {block} to 1"
                )
    return None
