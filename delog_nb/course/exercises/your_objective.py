"""Exercises of lesson 12, Your own local objective.

Of ``own-objective`` the answer's process says what `check_method` says, and trains: whoever tampers
with it can forge both. Of the other two only what comes out is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from delog_nb import data, methods, train
from delog_nb.components import Batch
from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import ANYTHING, NUMBERS, close
from delog_nb.experiment import Experiment
from delog_nb.measure.checking import check_method
from delog_nb.measure.features import block_means
from delog_nb.nets import Shape

_CLASSES = 4


def _clouds(rng: Random) -> Question:
    """Centres of classes and what features add to them, (N, D) each, and labels."""
    labels = torch.arange(_CLASSES).repeat(15)[torch.randperm(60)]
    centres = torch.randn(_CLASSES, rng.randint(6, 12), dtype=torch.float64)
    return centres[labels], torch.randn(60, centres.shape[1], dtype=torch.float64), labels


def _scored(
    score: Callable[[Tensor, Tensor], Any], centres: Tensor, around: Tensor, labels: Tensor
) -> list[Any]:
    """Its value where classes are together, apart and far apart; scaled, moved, and in a point."""
    near = around + centres / 2
    features = [around, near, around + 2 * centres, 1000 * near, near + 10, 0 * near + 1]
    return [score(z, labels) for z in features]


@exercise("collapse-seen", many(4, _clouds), _scored, NUMBERS)
def collapse_seen(given: list[float], *_: Tensor) -> str | None:
    """A number that grows as classes move apart, and does not depend on unit or place."""
    values = torch.tensor(given, dtype=torch.float64)
    mixed, near, far, scaled, moved, point = values
    if not values[:5].isfinite().all():
        return f"it gives {given[:5]} for features that are finite and spread"
    still = close(near, mixed) or close(far, near)  # what rounding adds is no growth
    if far < near < mixed and not still:
        return "it falls as classes move apart, and it has to grow: turn it around"
    if still or not far > near > mixed:
        return (
            f"it gives {mixed:.4g} where classes have one centre, {near:.4g} where the centres "
            f"are apart, and {far:.4g} where they are four times as far apart: it has to grow"
        )
    if not close(scaled, near, rtol=1e-5):
        return (
            f"it gives {near:.4g} for z and {scaled:.4g} for 1000 z: divide a distance by a "
            f"distance, or features that shrink look better and better"
        )
    if not close(moved, near, rtol=1e-5):
        return (
            f"it gives {near:.4g} for z and {moved:.4g} for z + 10: cosines see where the zero "
            f"is; distances do not"
        )
    if not point < far:  # nor NaN
        return f"it gives {point:.4g} where all features are one point: that is the worst case"
    return None


def _blocks(rng: Random) -> Question:
    shapes = [(rng.randint(3, 8), side, side) for side in (8, 8, 4)]
    return rng.getrandbits(32), shapes, rng.randint(5, 12)


def _used(
    answer: Callable[..., Sequence[Any]],
    seed: int,
    shapes: list[Shape],
    classes: int,
) -> Any:
    """Which objectives each loss reaches, its gradient's norm in the features, and the directions.

    The directions are those after a step.
    """
    with seeded(seed):
        objectives = list(answer(shapes, classes))
        if len(objectives) != len(shapes):
            return f"it gives {len(objectives)} objectives for {len(shapes)} shapes"
        for number, objective in enumerate(objectives, 1):
            if objective.double().directions.dtype != torch.float64:
                return (
                    f"the directions of block {number} stay behind when the network is moved to "
                    f"another precision: only parameters and buffers move along"
                )
        labels, reached, norms = torch.arange(24) % classes, [], []
        for objective, shape in zip(objectives, shapes, strict=True):
            r = torch.randn(24, *shape, dtype=torch.float64, requires_grad=True)
            loss = objective(r, Batch.of(labels))
            own = [[p for p in other.parameters() if p.requires_grad] for other in objectives]
            flat = [r, *(p for some in own for p in some)]
            found = iter(torch.autograd.grad(loss, flat, retain_graph=True, allow_unused=True))
            felt = next(found)
            norms.append(0.0 if felt is None else felt.norm().item())
            arrived = [[next(found) for _ in some] for some in own]
            reached.append([any(g is not None for g in some) for some in arrived])
            loss.backward()
        with torch.no_grad():
            for p in {p for objective in objectives for p in objective.parameters()}:
                p -= 0 if p.grad is None else 0.1 * p.grad
        return reached, norms, [objective.directions for objective in objectives]


@exercise("one-table", lambda rng: [_blocks(rng) for _ in range(2)], _used, ANYTHING)
def one_table(given: Any, _: int, shapes: list[Shape], classes: int) -> str | None:
    """Objectives that share their directions, without a loss that reaches another's parameters."""
    if isinstance(given, str):
        return given or "it gives no objectives"
    reached, norms, directions = given
    first = torch.as_tensor(directions[0]).double()
    if first.ndim != 2 or len(first) != classes:
        return f"directions have shape {(*first.shape,)} for {classes} classes: a row for each"
    if torch.unique(first, dim=0).shape[0] < classes or not first.isfinite().all():
        return "two classes have the same direction: no loss can tell them apart"
    for loss, row in enumerate(reached, 1):
        for owner, arrives in enumerate(row, 1):
            if arrives and owner != loss:
                return (
                    f"the loss of block {loss} has a gradient for parameters that the objective "
                    f"of block {owner} learns: is the table still learned by both?"
                )
    for block, norm in enumerate(norms, 1):
        if not norm > 0:
            return f"block {block} gets no gradient: detach the directions, not the features"
    for block, other in enumerate(directions[1:], 2):
        if not close(torch.as_tensor(other).double(), first):
            return (
                f"after a step, blocks 1 and {block} have different directions: they do not agree"
            )
    if not len(reached) == len(norms) == len(directions) == len(shapes):
        return f"there are {len(shapes)} blocks, and replies for {len(reached)}"
    return None


_LESSONS_OWN = ("Pull", "Aim", "one_table", "Frozen", "Compass")
_SHORT = {
    "preset": "quick", "precision": "float32", "device": "cpu", "depth": 3, "val_fraction": 0,
    "limit": 400, "epochs": 8, "lr": 0.005, "evaluate_every": 8,
}  # fmt: skip
_APART = 1.35  # blocks that never learn, or collapse, end below 1.2; Delog-SCL above 1.6


def _tried(answer: Any, seed: int) -> Any:
    """What `check_method` says of it, and the last block's features (N, C) after training."""
    name = getattr(answer, "__name__", "")
    if not callable(answer) or not name:
        return "give the class of your objective, or your function of (net, options)"
    if answer.__module__.startswith("delog_nb.") or name in _LESSONS_OWN:
        return f"{name} is not yours: give an objective of your own"
    experiment = Experiment(**_SHORT, seed=seed)
    if said := check_method(methods.build(experiment, make=answer), net=experiment.net):
        return f"check_method says: {said[0]}"
    images = data.load(experiment)
    with seeded(seed):
        run = train(experiment, data=images, method=answer)
    return block_means(run, images, torch.arange(len(images.test)))[-1]


@exercise("own-objective", lambda rng: [(rng.randint(0, 2),)], _tried, ANYTHING)
def own_objective(given: Any, _: int) -> str | None:
    """A local objective that teaches the blocks to tell classes apart."""
    if isinstance(given, str):
        return given or "it gives no objective"
    z = torch.as_tensor(given).double()
    labels = data.load(Experiment(**_SHORT)).test.labels
    if z.ndim != 2 or len(z) != len(labels) or not z.isfinite().all():
        return "after a short training the features of the last block are not finite"
    distances = torch.cdist(z, z)
    alike, two = labels[:, None] == labels, ~torch.eye(len(z), dtype=torch.bool)
    times = (distances[~alike].mean() / distances[alike & two].mean()).item()
    if not times > _APART:
        return (
            f"it is local, but after a short training images of two classes are only {times:.2f} "
            f"times as far apart as images of one class, in the last block: frozen blocks come to "
            f"1.1, and {_APART} is asked for"
        )
    return None
