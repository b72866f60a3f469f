"""Exercises of lesson 6, Projection heads."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from delog_nb.course.exercises import exercise
from delog_nb.methods import heads
from delog_nb.methods.component import count_parameters


@exercise("pooled-size")
def pooled_size(answer: Callable[[str, int, int, int, int, int], int]) -> str | None:
    """Parameters of a head of each kind on C channels of S x S, pooled to P x P."""
    for kind in ("mlp", "linear", "identity", "mlp"):
        channels, pool = random.randint(1, 40), random.randint(1, 4)
        side, hidden, outputs = random.randint(5, 16), random.randint(2, 99), random.randint(2, 99)
        with torch.device("meta"):
            head = heads.projection_head(
                kind, (channels, side, side), hidden=hidden, dim=outputs, pool=pool
            )
        right = count_parameters(head.parameters())
        found = answer(kind, channels, side, pool, hidden, outputs)
        if found != right:
            case = f"{channels} channels of {side} x {side}, pooled to {pool} x {pool}"
            with torch.device("meta"):
                flat = heads.projection_head(
                    kind, (channels, side, side), hidden=hidden, dim=outputs
                )
            if found == count_parameters(flat.parameters()):
                return f"{found:,} is the {kind} head without pooling: the first layer sees {case}"
            return (
                f"{case}, {hidden} hidden units, {outputs} outputs: the {kind} head has {right:,} "
                f"parameters, not {found}"
            )
    return None


@exercise("blind-to-mirrors")
def blind_to_mirrors(answer: Callable[[Tensor], Tensor]) -> str | None:
    """Features (B, D) that are the same for an image and its mirror, and keep the rest."""
    for _ in range(5):
        count, side = random.randint(2, 6), random.choice((4, 6, 8))
        # some lighter than others, so that a mean alone tells them apart
        light = torch.linspace(0.3, 1, count).view(-1, 1, 1, 1)
        images = light * torch.rand(count, random.choice((1, 3)), side, side)
        found = answer(images)
        if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != count:
            return f"return a tensor with a row for each of the {count} images"
        if not torch.allclose(found, answer(images.flip(-1)), atol=1e-4):
            return "the features of an image and of its mirror differ: nothing may tell them apart"
        if torch.allclose(found[0], found[1], atol=1e-3):
            return "two different images get the same features: forget the mirror, keep the rest"
        if torch.allclose(found, answer(images.rot90(1, (2, 3))), atol=1e-3):
            return "the features are blind to quarter turns too: forget no more than the mirror"
        if found.flatten(1).shape[1] < images[0].numel() // 2:
            return (
                f"{found.flatten(1).shape[1]} features are left of {images[0].numel()} pixels: a "
                f"mirror needs no more than half of them to be given up"
            )
    return None


@exercise("lost-in-training")
def lost_in_training(answer: Callable[[float, float, float], float]) -> str | None:
    """Share of what is above chance behind an untrained head that training took away."""
    for _ in range(10):
        chance = random.choice((0.1, 0.25, 0.5))
        z0 = random.uniform(chance + 0.1, 1)
        z = random.uniform(chance, z0)
        right = (z0 - z) / (z0 - chance)
        found: Any = answer(z, z0, chance)
        case = f"z {z:.3f}, z₀ {z0:.3f}, guessing {chance}"
        if math.isclose(found, (z0 - z) / z0, rel_tol=1e-6):
            return f"{case}: at guessing nothing is left, so measure from there, not from 0"
        if math.isclose(found, 1 - right, rel_tol=1e-6):
            return f"{case}: {found:.3f} is the share that is left, not the share that is lost"
        if not math.isclose(found, right, rel_tol=1e-6, abs_tol=1e-9):
            return f"{case}: the share lost is {right:.3f}, not {found:.3f}"
    return None
