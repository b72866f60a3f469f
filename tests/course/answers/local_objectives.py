"""Answers to the exercises of local objectives."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from delog_nb.components.component import Component


def path(parts: list[Component], images: Tensor, block: int) -> Tensor:
    r = images
    for part in parts[:block]:
        r = part.layers(r)
    r = parts[block - 1].objective.get_submodule("bridge")(r)
    for part in reversed(parts[:block]):
        r = part.objective.get_submodule("decoder")(r)
    return r


def bridge_of_next(parts: list[Component], images: Tensor, block: int) -> Tensor:
    r = images
    for part in parts:
        r = part.layers(r)
    return path_down(parts, parts[block - 1].objective.get_submodule("bridge")(r), block)


def path_down(parts: list[Component], code: Tensor, block: int) -> Tensor:
    for part in parts[:block][::-1]:
        code = part.objective.get_submodule("decoder")(code)
    return code


def no_way_down(parts: list[Component], images: Tensor, block: int) -> Tensor:
    for part in parts[:block]:
        images = part.layers(images)
    return parts[block - 1].objective.get_submodule("bridge")(images)


RIGHT: list[tuple[str, Any]] = [
    ("code-distance", lambda k, n, a: (2 / k) ** 0.5 * a**n / 3 ** (n / 2)),
    ("blind-bridge", lambda t: t.var(0, unbiased=False).mean()),
    ("blind-bridge", lambda t: F.mse_loss(t.mean(0).expand_as(t), t)),
    ("short-path", path),
]


WRONG: list[tuple[str, Any, str]] = [
    ("code-distance", lambda k, n, a: (2 / k) ** 0.5 * a**n, "by √3"),
    ("code-distance", lambda k, n, a: (2 / k) ** 0.5 / 3 ** (n / 2), "by the slope"),
    ("code-distance", lambda k, n, a: (a / 3**0.5) ** n, "√(2/K), not 1"),
    ("code-distance", lambda k, n, a: (2 / k) ** 0.5 * a / 3**0.5, "not one alone"),
    ("code-distance", lambda k, n, a: 1.0, "and the formula"),
    ("blind-bridge", lambda t: t.var(0).mean(), "divides by K - 1"),
    ("blind-bridge", lambda t: t.square().mean(), "always gives zeros"),
    ("blind-bridge", lambda t: t.var(0, unbiased=False).sum(), "MSE is a mean over them"),
    ("blind-bridge", lambda t: t.var(unbiased=False), "one number for all coordinates"),
    ("blind-bridge", lambda t: 17.0, "and the best"),
    ("short-path", bridge_of_next, "the logits differ"),
    ("short-path", no_way_down, "did it go down"),
    ("short-path", lambda parts, images, block: None, "return the logits"),
]
