"""Exercises of lesson 3, The supervised contrastive loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from delog_nb.course.exercises import Question, exercise, itself, many, once, seeded
from delog_nb.course.replies import ANYTHING, Kind, tell
from delog_nb.losses import supervised_contrastive_loss


def _views(rng: Random) -> Question:
    z = torch.randn(2 * rng.randint(3, 12), 5)
    return z * (0.5 + 2 * torch.rand(len(z), 1)), rng.choice([0.1, 0.2, 0.5, 2.0])


@exercise("contrastive-loss", many(10, _views))
def contrastive_loss(given: float, z: Tensor, tau: float) -> str | None:
    """The contrastive loss without classes: the positive of i is the other view of its image."""
    images, partner = len(z) // 2, torch.arange(len(z)).roll(len(z) // 2)
    labels = torch.arange(images).repeat(2)
    right = supervised_contrastive_loss(z, labels, tau).item()
    raw = supervised_contrastive_loss(z, labels, tau, normalize=False).item()
    columns = supervised_contrastive_loss(F.normalize(z, dim=0), labels, tau, normalize=False)
    unit = F.normalize(z, dim=1)
    mistakes = [
        (len(z) * right, "it gives the sum over the views: divide by their number"),
        (raw, "it depends on the norms of z: divide each row of z by its norm first"),
        (
            columns.item(),
            "it divides each column of z by its norm: a view is a row, so normalise along dim=1",
        ),
        (
            F.cross_entropy(unit @ unit.T / tau, partner).item(),
            "the anchor itself is in the sum below the fraction: leave z_i · z_i out",
        ),
        (
            supervised_contrastive_loss(z, labels, 1.0).item(),
            f"it gives the loss of tau = 1 where tau is {tau}: divide every z_i · z_j by tau",
        ),
        (
            supervised_contrastive_loss(z, labels.sort().values, tau).item(),
            "it pairs neighbouring rows: the views are in the order 1, 2, …, M, 1, 2, …, M, so "
            "the other view of row i is M rows away",
        ),
    ]
    otherwise = f"with {images} images and tau = {tau} the loss is {right:.4f}, not {given:.4f}"
    return tell(given, right, mistakes, otherwise, rel_tol=1e-4, abs_tol=1e-5)


def _eq2(z: Tensor, labels: Tensor, tau: float, line: str) -> float:
    """The lesson's `eq2` with one of its lines replaced."""
    z = z if line == "A" else F.normalize(z, dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~own
    logits = z @ z.T / tau
    if line != "B":
        logits = logits.masked_fill(own, -torch.inf)
    sums = torch.where(positive, logits.log_softmax(1), 0.0).sum(1)
    counts = positive.sum(1)
    if line == "C":
        return (-sums.sum() / (counts > 0).sum()).item()
    if line == "D":
        return (-(sums / counts).mean()).item()
    return (-(sums / counts.clamp_min(1)).sum() / (counts > 0).sum()).item()


def _not_a_number(line: str) -> bool:
    z = torch.eye(6)
    one_alone = _eq2(z, torch.tensor([0, 0, 1, 1, 1, 2]), 0.1, line)
    return math.isnan(one_alone) and not math.isnan(_eq2(z, torch.arange(3).repeat(2), 0.1, line))


def _anchor_counts(line: str) -> bool:
    alike = torch.eye(3)[:1].expand(8, -1)
    return math.isclose(
        _eq2(alike, torch.arange(4).repeat(2), 0.1, line), math.log(8), abs_tol=1e-4
    )


def _norm_counts(line: str) -> bool:
    z, labels = torch.eye(3).repeat(2, 1), torch.arange(3).repeat(2)
    return not math.isclose(
        _eq2(z, labels, 0.5, line), _eq2(2 * z, labels, 0.5, line), abs_tol=1e-4
    )


def _classes_size_counts(line: str) -> bool:
    alike = torch.eye(3)[:1].expand(8, -1)
    few, many_views = torch.arange(4).repeat(2), torch.arange(2).repeat(4)
    losses = [_eq2(alike, labels, 0.1, line) for labels in (few, many_views)]
    return not math.isclose(*losses, abs_tol=1e-4)


SYMPTOMS: tuple[Callable[[str], bool], ...] = (
    _not_a_number,
    _anchor_counts,
    _norm_counts,
    _classes_size_counts,
)
_EFFECTS = {
    "A": "without the normalisation the loss depends on the norms of z, not on their angles alone",
    "B": "line B leaves the anchor among the views that share the answer",
    "C": "line C adds up what the positives get, where Eq. 2 takes their mean",
    "D": "line D divides by the number of positives, also where there is none",
}


@exercise("broken-losses", once, itself, ANYTHING)
def broken_losses(answer: str) -> str | None:
    """Which broken line is behind each symptom: a letter for each, in order."""
    if not isinstance(answer, str) or sorted(answer) != sorted(_EFFECTS):
        return "give the letters A to D in the order of the symptoms, such as 'ABCD'"
    for number, (shows, letter) in enumerate(zip(SYMPTOMS, answer, strict=True), 1):
        if not shows(letter):
            return f"symptom {number} is not line {letter}'s: {_EFFECTS[letter]}"
    return None


_CALLS = 8


def _labelled_images(rng: Random) -> Question:
    classes = rng.randint(4, 12)
    labels = torch.arange(classes).repeat(rng.randint(5, 9))
    return labels[torch.randperm(len(labels))], 2 * rng.randint(2, classes)


def _drawn(draw: Callable[[Tensor, int], Any], labels: Tensor, size: int) -> list[Any]:
    found = []
    for call in range(_CALLS):
        with seeded(call):
            found.append(draw(labels, size))
    return found


def _places(reply: Any) -> list[list[int]]:
    found = [torch.as_tensor(places) for places in reply]
    if len(found) != _CALLS or any(one.ndim != 1 or one.is_floating_point() for one in found):
        raise TypeError
    return [one.tolist() for one in found]


@exercise(
    "batch-without-views",
    many(10, _labelled_images, after=[(torch.arange(5).repeat(6), 4)]),
    _drawn,
    Kind("return a list of whole numbers, the places of the images", _places),
)
def batch_without_views(given: list[list[int]], labels: Tensor, size: int) -> str | None:
    """Images for a batch of one view each, in which every anchor has a positive and a negative."""
    for places in given:
        if len(places) != size:
            return f"it returned {len(places)} places where {size} are asked for"
        if not all(0 <= place < len(labels) for place in places):
            return f"places are from 0 to {len(labels) - 1}: they are rows of labels, not classes"
        if len(set(places)) < size:
            return "an image is drawn twice: it would be its own positive, and teach nothing"
        counts = torch.bincount(labels[places])
        if (counts == 1).any():
            lone = int((counts == 1).nonzero()[0])
            return (
                f"class {lone} is drawn once: without a second view this anchor has no positive, "
                f"and no term in the loss"
            )
        if (counts > 0).sum() == 1:
            return (
                f"all images drawn are of class {int(labels[places[0]])}: there is no negative, "
                f"and one point for all has the least loss"
            )
    if len({frozenset(places) for places in given}) == 1:
        return f"{_CALLS} calls draw the same images: all others never come up"
    return None
