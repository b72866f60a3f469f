"""Exercises of lesson 2, How long is a gradient flow?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import torch
from torch import Tensor, nn

from delog_nb.course.exercises import Question, exercise, many, seeded
from delog_nb.course.replies import ANYTHING, NUMBERS, TENSOR, close
from delog_nb.measure.flows import Stack


@exercise(
    "flow-lengths",
    lambda rng: [(hidden,) for hidden in (3, *rng.sample(range(1, 20), 3))],
    wants=NUMBERS._replace(words="return three numbers, as (BP, hidden component, last)"),
)
def flow_lengths(found: list[float], hidden: int) -> str | None:
    """Local gradients of BP, of a hidden component and of the last one, for H hidden layers."""
    names = ("BP's flow", "the flow of a hidden component", "the last component's flow")
    stack = Stack(hidden)
    whole, local = stack.build(1).parts(), stack.build(hidden + 1).parts()
    right = [whole[0].flow_length, local[0].flow_length, local[-1].flow_length]
    for name, given, count in list(zip(names, found, right, strict=True)):  # raises unless three
        if given != count:
            return (
                f"with {hidden} hidden layer{'s' if hidden > 1 else ''} {name} is a product of "
                f"{count} local gradients, not {given}: write the fractions down and count them"
            )
    return None


def _relu_layer(rng: Random) -> Question:
    weight = torch.randn(rng.randint(2, 6), rng.randint(7, 11), dtype=torch.float64)
    below = torch.randn(weight.shape[1], dtype=torch.float64)
    signs = torch.tensor([-1, 1]) * (weight[:2] @ below).sign()
    weight[:2] *= signs[:, None]  # at least one unit is off, and one on
    return weight, below


@exercise("local-gradient", many(10, _relu_layer), wants=TENSOR)
def local_gradient(found: Tensor, weight: Tensor, below: Tensor) -> str | None:
    """The Jacobian of r = relu(W r_below), (outputs, inputs)."""
    right: Tensor = torch.func.jacrev(lambda r: (weight @ r).relu())(below)
    if found.shape == right.T.shape:
        return f"its shape is {tuple(found.shape)}: rows are outputs, so transpose it"
    if found.shape != right.shape:
        return f"its shape is {tuple(found.shape)} where W has {tuple(right.shape)}"
    if torch.allclose(found.to(weight), weight):
        return "it is W itself: a unit whose input is below 0 passes nothing on"
    if not torch.allclose(found.to(weight), right):
        row = int((found.to(weight) - right).abs().sum(1).argmax())
        side = "above" if float((weight @ below)[row]) > 0 else "below"
        return f"row {row} is wrong: there the unit's input (W r) is {side} 0"
    return None


def _layers(seed: int, count: int) -> list[nn.Module]:
    with seeded(seed):
        return [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(count)]


def _gradients(output: Tensor, layers: Sequence[nn.Module]) -> list[Tensor | None]:
    """Of the output's sum with respect to each layer's weights; None where no path leads to it."""
    if not output.requires_grad:
        return [None for _ in layers]
    weights = [next(layer.parameters()) for layer in layers]
    return list(torch.autograd.grad(output.sum(), weights, allow_unused=True, retain_graph=True))


def _outputs_and_gradients(
    answer: Callable[[Sequence[nn.Module], Tensor], Sequence[Tensor]],
    seed: int,
    count: int,
    x: Tensor,
) -> list[tuple[Tensor, list[Tensor | None]]]:
    layers = _layers(seed, count)
    return [(output, _gradients(output, layers)) for output in answer(layers, x)]


@exercise(
    "cut-forward",
    many(5, lambda rng: (rng.getrandbits(32), rng.randint(2, 5), torch.randn(3, 4))),
    _outputs_and_gradients,
    ANYTHING,
)
def cut_forward(
    found: list[tuple[Tensor, list[Tensor | None]]], seed: int, count: int, x: Tensor
) -> str | None:
    """Outputs of all layers, where no gradient flows from one layer into another."""
    if len(found) != count:
        return f"return one output for each of the {count} layers: it returned {len(found)}"
    r, right = x, []
    for place, (layer, (output, _)) in enumerate(zip(_layers(seed, count), found, strict=True), 1):
        own = layer(r)
        right += _gradients(own, [layer])
        r = own.detach()
        if not close(output, r, atol=1e-6):
            return f"the output of layer {place} is not what the uncut network computes"
    for place, ((_, gradients), wanted) in enumerate(zip(found, right, strict=True), 1):
        reached = [k for k, gradient in enumerate(gradients, 1) if gradient is not None]
        if place not in reached:
            return f"layer {place} gets no gradient from its own output: detach what goes in"
        if len(reached) > 1:
            return f"the gradient of layer {place}'s output also flows into layer {min(reached)}"
        if not close(gradients[place - 1], wanted, rtol=1e-4, atol=1e-6):
            return f"the gradient of layer {place}'s output is not that of this layer by itself"
    return None
