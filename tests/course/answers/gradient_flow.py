"""Answers to the exercises of gradient flow."""

from __future__ import annotations

import math
from typing import Any

import torch


def _up(weights: Any, x: torch.Tensor) -> list[torch.Tensor]:
    features = [x]
    for weight in weights[:-1]:
        features.append((weight @ features[-1]).clamp(min=0))
    return [*features, weights[-1] @ features[-1]]


def _by_jacobians(weights: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Whole matrices multiplied, from the first layer up."""
    *features, output = _up(weights, x)
    product = torch.diag((features[1] > 0).double())
    for weight, r in zip(weights[1:-1], features[2:], strict=True):
        product = torch.diag((r > 0).double()) @ weight @ product
    return torch.outer((output - y) @ weights[-1] @ product, x)


def _by_autograd(weights: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    first = weights[0].requires_grad_()
    loss = (_up([first, *weights[1:]], x)[-1] - y).square().sum() / 2
    return torch.autograd.grad(loss, first)[0]


def _without(weights: Any, x: torch.Tensor, y: torch.Tensor, slopes: int) -> torch.Tensor:
    """Without the slopes of the first layers."""
    features = _up(weights, x)
    delta = features[-1] - y
    for place in range(len(weights) - 1, 0, -1):
        delta = weights[place].T @ delta
        if place > slopes:
            delta = delta * (features[place] > 0)
    return torch.outer(delta, x)


def _cuts(depth: int, factor: float, limit: float = 100) -> list[int]:
    """By growing each component until the next layer would be too far away."""
    places, norm = [], 1.0
    for layer in range(1, depth):
        norm *= factor
        if not 1 / limit <= norm * (1 + 1e-9) or norm > limit * (1 + 1e-9):
            places.append(layer)
            norm = 1.0
    return places


def _one_too_short(depth: int, factor: float) -> list[int]:
    """Counts a factor for each layer of a component, one too many."""
    size = max(1, int(math.log(100) / max(1e-9, abs(math.log(factor)))))
    return list(range(size, depth, size))


RIGHT: list[tuple[str, Any]] = [
    ("gradient-by-hand", _by_jacobians),
    ("gradient-by-hand", _by_autograd),
    ("gradient-by-hand", lambda W, x, y: _without(W, x, y, 0)),
    ("shortcut", lambda layer, r: layer(r) + r),
    ("shortcut", lambda layer, r: sum([r.clone(), layer(r.clone())])),
    ("fewest-cuts", _cuts),
    ("fewest-cuts", lambda depth, factor: set(_cuts(depth, factor))),
]


WRONG: list[tuple[str, Any, str]] = [
    ("gradient-by-hand", lambda W, x, y: _by_jacobians(W, x, y).T, "transposed"),
    ("gradient-by-hand", lambda W, x, y: _by_jacobians(W, x, y)[:, 0], "the last factor"),
    ("gradient-by-hand", lambda W, x, y: W[-1], "its shape is"),
    ("gradient-by-hand", lambda W, x, y: _without(W, x, y, 9), "no unit's slope is in it"),
    ("gradient-by-hand", lambda W, x, y: _without(W, x, y, 1), "the slope of r₁ is missing"),
    ("gradient-by-hand", lambda W, x, y: -_by_autograd(W, x, y), "its sign is wrong"),
    ("gradient-by-hand", lambda W, x, y: torch.ones_like(W[0]), "a unit of layer 1 that is off"),
    ("gradient-by-hand", lambda W, x, y: 2 * _by_jacobians(W, x, y), "it is not the gradient"),
    ("shortcut", lambda layer, r: r.detach().clone() + layer(r), "no gradient passes through"),
    ("shortcut", lambda layer, r: r + layer(r.detach()), "but the layer's part is missing"),
    ("shortcut", lambda layer, r: layer(r), "the output is not r + layer(r)"),
    ("shortcut", lambda layer, r: r + layer(r).detach(), "own weights do not get"),
    ("shortcut", lambda layer, r: r.detach() + layer(r.detach()), "no gradient arrives at r"),
    ("shortcut", lambda layer, r: (r + layer(r)).detach(), "own weights do not get"),
    ("fewest-cuts", lambda depth, factor: list(range(1, depth)), "every cut costs a loss"),
    ("fewest-cuts", lambda depth, factor: [], "arrives at layer 1 with norm 4.6e-13"),
    ("fewest-cuts", lambda depth, factor: _cuts(depth, min(factor, 1.0)), "one component"),
    ("fewest-cuts", _one_too_short, "every cut costs a loss"),
    ("fewest-cuts", lambda depth, factor: [0, depth], "name layers from 1 to 31"),
    ("fewest-cuts", lambda depth, factor: 3, "return a list of layers"),
]
