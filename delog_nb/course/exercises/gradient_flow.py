"""Exercises of lesson 2, How long is a gradient flow?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb.course.exercises import exercise
from delog_nb.measure.flows import Stack


@exercise("flow-lengths")
def flow_lengths(answer: Callable[[int], tuple[int, int, int]]) -> str | None:
    """Local gradients of BP, of a hidden component and of the last one, for H hidden layers."""
    names = ("BP's flow", "the flow of a hidden component", "the last component's flow")
    for hidden in (3, *random.sample(range(1, 20), 3)):
        stack = Stack(hidden)
        whole, local = stack.build(1).parts(), stack.build(hidden + 1).parts()
        right = [whole[0].flow_length, local[0].flow_length, local[-1].flow_length]
        found = answer(hidden)
        if not isinstance(found, Sequence) or len(found) != 3:
            return f"return three numbers, as (BP, hidden component, last): it gave {found!r}"
        for name, given, count in zip(names, found, right, strict=True):
            if given != count:
                return (
                    f"with {hidden} hidden layer{'s' if hidden > 1 else ''} {name} is a product of "
                    f"{count} local gradients, not {given}: write the fractions down and count them"
                )
    return None


@exercise("local-gradient")
def local_gradient(answer: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """The Jacobian of r = relu(W r_below), (outputs, inputs)."""
    for _ in range(10):
        outputs, inputs = random.randint(2, 6), random.randint(7, 11)
        weight = torch.randn(outputs, inputs, dtype=torch.float64)
        below = torch.randn(inputs, dtype=torch.float64)
        for row, sign in enumerate((-1, 1)):  # at least one unit is off, and one on
            weight[row] *= sign * float((weight[row] @ below).sign())
        right: Tensor = torch.func.jacrev(lambda r, w=weight: (w @ r).relu())(below)
        found = torch.as_tensor(answer(weight, below))
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


@exercise("cut-forward")
def cut_forward(answer: Callable[[Sequence[nn.Module], Tensor], Sequence[Tensor]]) -> str | None:
    """Outputs of all layers, where no gradient flows from one layer into another."""
    for _ in range(5):
        count = random.randint(2, 5)
        layers = [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(count)]
        x = torch.randn(3, 4)
        found = list(answer(layers, x))
        if len(found) != count:
            return f"return one output for each of the {count} layers: it returned {len(found)}"
        r = x
        for place, (layer, output) in enumerate(zip(layers, found, strict=True), 1):
            r = layer(r).detach()
            if not torch.allclose(output, r, atol=1e-6):
                return f"the output of layer {place} is not what the uncut network computes"
        for place, output in enumerate(found, 1):
            if not output.requires_grad:
                return f"layer {place} gets no gradient from its own output: detach what goes in"
            wrong = _reached(layers, output) - {place}
            if wrong:
                return f"the gradient of layer {place}'s output also flows into layer {min(wrong)}"
    return None


def _reached(layers: Sequence[nn.Module], output: Tensor) -> set[int]:
    """The layers, from 1, whose parameters get a gradient from ``output``."""
    parameters: list[Any] = [next(layer.parameters()) for layer in layers]
    gradients = torch.autograd.grad(output.sum(), parameters, allow_unused=True, retain_graph=True)
    return {place for place, gradient in enumerate(gradients, 1) if gradient is not None}
