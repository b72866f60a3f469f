"""Exercises of lesson 6, Projection heads."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from delog_nb.components import heads
from delog_nb.components.component import count_parameters
from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.replies import ANYTHING, close, tell


def _heads(rng: Random) -> list[Question]:
    most = (40, 16, 4, 99, 99)  # channels, side, pool, hidden, outputs
    least = (1, 5, 1, 2, 2)
    return [(kind, *map(rng.randint, least, most)) for kind in ("mlp", "linear", "identity", "mlp")]


@exercise("pooled-size", _heads)
def pooled_size(
    given: float, kind: str, channels: int, side: int, pool: int, hidden: int, outputs: int
) -> str | None:
    """Parameters of a head of each kind on C channels of S x S, pooled to P x P."""

    def count(**pooling: int) -> int:
        with torch.device("meta"):
            head = heads.projection_head(
                kind, (channels, side, side), hidden=hidden, dim=outputs, **pooling
            )
        return count_parameters(head.parameters())

    right = count(pool=pool)
    case = f"{channels} channels of {side} x {side}, pooled to {pool} x {pool}"
    flat = f"{given:,} is the {kind} head without pooling: the first layer sees {case}"
    otherwise = (
        f"{case}, {hidden} hidden units, {outputs} outputs: the {kind} head has {right:,} "
        f"parameters, not {given}"
    )
    return tell(given, right, [(count(), flat)], otherwise, rel_tol=0, abs_tol=0)


def _images(rng: Random) -> Question:
    """Images, their mirror images, and the images after a quarter turn."""
    count, side = rng.randint(2, 6), rng.choice((4, 6, 8))
    # some lighter than others, so that a mean alone tells them apart
    light = torch.linspace(0.3, 1, count).view(-1, 1, 1, 1)
    images = light * torch.rand(count, rng.choice((1, 3)), side, side)
    return images, images.flip(-1), images.rot90(1, (2, 3))


def _features(answer: Callable[[Tensor], Tensor], *batches: Tensor) -> list[Tensor]:
    return [answer(batch) for batch in batches]


@exercise(
    "blind-to-mirrors",
    many(5, _images),
    _features,
    ANYTHING._replace(words="return features, a tensor"),
)
def blind_to_mirrors(given: list[Tensor], images: Tensor, *_: Tensor) -> str | None:
    """Features (B, D) that are the same for an image and its mirror, and keep the rest."""
    found, mirrored, turned = given
    if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != len(images):
        return f"return a tensor with a row for each of the {len(images)} images"
    if not close(found, mirrored, atol=1e-4):
        return "the features of an image and of its mirror differ: nothing may tell them apart"
    if close(found[0], found[1], atol=1e-3):
        return "two different images get the same features: forget the mirror, keep the rest"
    if close(found, turned, atol=1e-3):
        return "the features are blind to quarter turns too: forget no more than the mirror"
    if found.flatten(1).shape[1] < images[0].numel() // 2:
        return (
            f"{found.flatten(1).shape[1]} features are left of {images[0].numel()} pixels: a "
            f"mirror needs no more than half of them to be given up"
        )
    return None


def _accuracies(rng: Random) -> Question:
    chance = rng.choice((0.1, 0.25, 0.5))
    z0 = rng.uniform(chance + 0.1, 1)
    return rng.uniform(chance, z0), z0, chance


@exercise("lost-in-training", many(10, _accuracies))
def lost_in_training(given: float, z: float, z0: float, chance: float) -> str | None:
    """Share of what is above chance behind an untrained head that training took away."""
    right, case = (z0 - z) / (z0 - chance), f"z {z:.3f}, z₀ {z0:.3f}, guessing {chance}"
    mistakes = [
        (
            (z0 - z) / z0,
            f"{case}: at guessing nothing is left, so measure from there, not from 0",
        ),
        (
            1 - right,
            f"{case}: {given:.3f} is the share that is left, not the share that is lost",
        ),
    ]
    return tell(given, right, mistakes, f"{case}: the share lost is {right:.3f}, not {given:.3f}")
