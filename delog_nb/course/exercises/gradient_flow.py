"""Exercises of lesson 2, How long is a gradient flow?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import torch
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import ANYTHING, TENSOR, close, shown

MOST = 100.0  # a gradient's norm may grow or shrink by this factor


def _matrices(hidden: int, rng: Random) -> Question:
    """W_1 ... W_{H+1}, an image, a target; some gradient arrives at W_1."""
    while True:
        sizes = [rng.randint(9, 12), *(rng.randint(3, 8) for _ in range(hidden + 1))]
        weights = [
            torch.randn(rows, columns, dtype=torch.float64) for columns, rows in pairwise(sizes)
        ]
        x, y = (torch.randn(size, dtype=torch.float64) for size in (sizes[0], sizes[-1]))
        if _by_autograd(weights, x, y).any() and _off(weights, x):
            return weights, x, y


def _up(weights: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """r_0 ... r_H and the output."""
    features = [x]
    for weight in weights[:-1]:
        features.append((weight @ features[-1]).relu())
    return [*features, weights[-1] @ features[-1]]


def _off(weights: Sequence[Tensor], x: Tensor) -> bool:
    """Whether some unit of every hidden layer is off."""
    return all(bool((r == 0).any()) for r in _up(weights, x)[1:-1])


def _by_autograd(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
    first = weights[0].clone().requires_grad_()
    output = _up([first, *weights[1:]], x)[-1]
    return torch.autograd.grad((output - y).square().sum() / 2, first)[0]


def _without_slopes(weights: Sequence[Tensor], x: Tensor, y: Tensor, first: bool) -> Tensor:
    """The product with the slopes left out: all of them, or only that of the first layer."""
    features = _up(weights, x)
    delta = features[-1] - y
    for place in range(len(weights) - 1, 0, -1):
        delta = weights[place].T @ delta
        if first and place > 1:
            delta = delta * (features[place] > 0)
    return torch.outer(delta, x)


@exercise(
    "gradient-by-hand", lambda rng: [_matrices(h, rng) for h in (3, 2, 4, 1, 5)], wants=TENSOR
)
def gradient_by_hand(found: Tensor, weights: list[Tensor], x: Tensor, y: Tensor) -> str | None:
    """The gradient of a stack of ReLU layers with respect to its first matrix."""
    right, hidden = _by_autograd(weights, x, y), len(weights) - 1
    if found.shape != right.shape:
        if found.shape == right.T.shape:
            return f"its shape is {tuple(found.shape)}, that of W₁ transposed: rows are units"
        if found.shape == right.shape[:1]:
            return "it ends at the first layer's units: the last factor, from r₁ to W₁, is missing"
        return f"its shape is {tuple(found.shape)} where W₁ has {tuple(right.shape)}"
    found = found.to(right)
    if close(found, right):
        return None
    missing = {False: "no unit's slope is in it", True: "the slope of r₁ is missing"}
    for first, words in missing.items():
        if close(found, _without_slopes(weights, x, y, first)):
            return f"{words}: a unit whose input is below 0 passes nothing on"
    if close(-found, right):
        return "its sign is wrong: the derivative of ½‖ŷ − y‖² by ŷ is ŷ − y"
    if not (found[right.abs().sum(1) == 0] == 0).all():
        return "a unit of layer 1 that is off gets a gradient: its slope is 0"
    return f"with H = {hidden} it is not the gradient: compare one factor after the other"


def _branch(seed: int, width: int) -> nn.Module:
    with seeded(seed):
        return nn.Sequential(nn.Linear(width, width), nn.Tanh()).double()


def _with_gradients(
    answer: Callable[[nn.Module, Tensor], Tensor], seed: int, r: Tensor, upper: Tensor
) -> list[Tensor | None]:
    """The output, and the gradients that arrive at r and at the layer's weights."""
    layer, below = _branch(seed, r.shape[1]), r.requires_grad_()
    output = answer(layer, below)
    if not output.requires_grad:
        return [output, None, None]
    wanted = [below, next(layer.parameters())]
    return [output, *torch.autograd.grad(output, wanted, upper, allow_unused=True)]


def _shortcut_question(rng: Random) -> Question:
    width = rng.randint(2, 6)
    r, upper = torch.randn(2, 3, width, dtype=torch.float64)
    return rng.getrandbits(32), r, upper


@exercise("shortcut", many(5, _shortcut_question), _with_gradients, ANYTHING)
def shortcut(found: list[Tensor | None], seed: int, r: Tensor, upper: Tensor) -> str | None:
    """A layer with a shortcut around it, in both directions."""
    output, below, weights = found
    layer = _branch(seed, r.shape[1])
    right = _with_gradients(lambda layer, r: r + layer(r), seed, r.clone(), upper)
    if not close(output, right[0]):
        return "the output is not r + layer(r)"
    if weights is None or not close(weights, right[2]):
        return "the layer's own weights do not get their gradient: it has to go through the layer"
    if below is None:
        return "no gradient arrives at r: neither the layer nor the shortcut hands one down"
    if close(below, right[1]):
        return None
    if close(below, upper):
        return "the shortcut hands the gradient down, but the layer's part is missing"
    if close(below, torch.autograd.grad(layer(leaf := r.clone().requires_grad_()), leaf, upper)[0]):
        return (
            "the output is right, but no gradient passes through the shortcut: the factor is the "
            "layer's alone, without the 1"
        )
    return "the gradient at r is not that of r + layer(r)"


def _stacks(rng: Random) -> list[Question]:
    return [
        (32, 0.4), (32, 1.4), (16, 1.0), (3, 0.5),
        *((rng.randint(2, 60), rng.choice([0.05, 0.2, 0.6, 0.9, 1.1, 1.5, 3.0])) for _ in range(8)),
    ]  # fmt: skip


@exercise("fewest-cuts", _stacks, wants=ANYTHING._replace(words="return a list of layers"))
def fewest_cuts(found: Sequence[int], depth: int, factor: float) -> str | None:
    """Where to cut a stack, as seldom as possible, so that no gradient vanishes or explodes."""
    case = f"with {depth} layers and a factor of {factor:g}"
    places = [int(place) for place in found]
    if len(set(places)) < len(places) or not all(0 < place < depth for place in places):
        return f"{case} it returned {shown(found)}: name layers from 1 to {depth - 1}, each once"
    ends = [0, *sorted(places), depth]
    steps = 1e9 if factor == 1 else math.log(MOST) / abs(math.log(factor)) + 1e-9
    for before, last in pairwise(ends):
        norm = factor ** (last - before - 1)
        if last - before - 1 > steps:
            return (
                f"{case} layers {before + 1} to {last} are one component, and the gradient arrives "
                f"at layer {before + 1} with norm {norm:.1e}"
            )
    fewest = math.ceil(depth / (math.floor(steps) + 1)) - 1
    if len(places) > fewest:
        return (
            f"{case} {len(places)} cut{'s' if len(places) > 1 else ''} will do, but so will "
            f"{fewest}, and every cut costs a loss of its own"
        )
    return None
