"""Exercises of lesson 8, Associated learning and Early Exit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.components.component import Component
from delog_nb.course.exercises import Question, exercise, seeded
from delog_nb.course.replies import ANYTHING, TENSOR, names_in
from delog_nb.methods.al import AssociatedLearning, AssociatedObjective


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


# the detaches of a component of AL, and the module that a loss reaches where one is missing
_DETACHES = ("r", "t", "below")


def _reached(missing: Sequence[str]) -> tuple[list[str], list[str]]:
    """Modules that get a gradient from A_2 and from R_2 in linear components, asked of autograd."""

    def cut(name: str, x: Tensor) -> Tensor:
        return x if name in missing else x.detach()

    modules = {
        name: nn.Linear(3, 3) for name in ("f1", "b1", "enc1", "inv1", "f2", "b2", "enc2", "inv2")
    }
    r, below = modules["f1"](torch.randn(4, 3)), modules["enc1"](torch.randn(4, 3))
    r, below = modules["f2"](cut("r", r)), cut("below", below)
    t = modules["enc2"](below)
    losses = (
        (modules["b2"](r) - cut("t", t)).square().mean(),
        (modules["inv2"](t) - below).square().mean(),
    )
    weights = [module.weight for module in modules.values()]
    found = []
    for loss in losses:
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        found.append([n for n, g in zip(modules, gradients, strict=True) if g is not None])
    return found[0], found[1]


def _every_case(rng: Random) -> list[Question]:
    cases = [[d for k, d in enumerate(_DETACHES) if n >> k & 1] for n in range(8)]
    return [_reached(missing) for missing in rng.sample(cases, len(cases))]


@exercise("missing-detach", _every_case, wants=ANYTHING._replace(words="return a set of names"))
def missing_detach(
    found: Any, by_association: list[str], by_reconstruction: list[str]
) -> str | None:
    """Which detaches a component of AL lacks, by the modules that its two losses reach."""
    cases = ([d for k, d in enumerate(_DETACHES) if n >> k & 1] for n in range(8))
    reached = (by_association, by_reconstruction)
    (right,) = (case for case in cases if _reached(case) == reached)
    names = names_in(found)
    if names == set(right):
        return None
    given = ", ".join(sorted(names)) or "none"
    said = (
        f"where A₂ reaches {', '.join(by_association)} and R₂ reaches "
        f"{', '.join(by_reconstruction)}, it says {given}"
    )
    whys = {
        "r": "f1 is reached by A₂ only where the features of the block below come in undetached",
        "t": "the bridge's target is a constant unless A₂ reaches enc2",
        "below": "the code of the component below comes in undetached where R₂ reaches enc1",
    }
    wrong = next(d for d in _DETACHES if (d in found) != (d in right))
    return f"{said}: {whys[wrong]}"


@exercise(
    "codes-apart",
    lambda rng: [(classes, 50) for classes in (2, 10, rng.randint(11, 20))],
    wants=TENSOR._replace(words="return the codes, a tensor"),
)
def codes_apart(found: Tensor, classes: int, size: int) -> str | None:
    """Codes from -1 to 1, any two of them a quarter of the range apart (root mean square)."""
    if found.shape != (classes, size):
        return (
            f"for {classes} classes and codes of {size} numbers its shape is "
            f"{tuple(found.shape)}, not {(classes, size)}"
        )
    codes = found.double()
    if not bool((codes.abs() <= 1).all()):
        return "tanh gives numbers from -1 to 1: no bridge can meet a code beyond them"
    for one in range(classes):
        for other in range(one):
            apart = (codes[one] - codes[other]).square().mean().sqrt().item() / 2
            if apart < 0.25:
                return (
                    f"for {classes} classes the codes of classes {other} and {one} are "
                    f"{100 * apart:.1f} % of the range apart: at least 25 % are asked for"
                )
    return None
