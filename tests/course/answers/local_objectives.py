"""Answers to the exercises of local objectives."""

from __future__ import annotations

from typing import Any

import torch
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


def missing(a: list[str], r: list[str]) -> set[str]:
    rules = (("r", "f1" in a), ("t", "enc2" in a), ("below", "enc1" in r))
    return {name for name, there in rules if there}


def signs(classes: int, size: int) -> Tensor:
    """Rows of a Hadamard matrix: any two differ in half of their numbers."""
    matrix = torch.ones(1, 1)
    while len(matrix) < max(classes, size):
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix[:classes, :size]


def random_signs(classes: int, size: int) -> Tensor:
    return torch.randn(classes, size, generator=torch.Generator().manual_seed(1)).sign()


RIGHT: list[tuple[str, Any]] = [
    ("short-path", path),
    ("missing-detach", missing),
    ("missing-detach", lambda a, r: sorted(missing(a, r))),
    ("codes-apart", signs),
    ("codes-apart", random_signs),
]


WRONG: list[tuple[str, Any, str]] = [
    ("short-path", bridge_of_next, "the logits differ"),
    ("short-path", no_way_down, "did it go down"),
    ("short-path", lambda parts, images, block: None, "return the logits"),
    ("missing-detach", lambda a, r: missing(a, a), "comes in undetached where R₂ reaches enc1"),
    ("missing-detach", lambda a, r: missing(a, r) - {"t"}, "a constant unless A₂ reaches enc2"),
    ("missing-detach", lambda a, r: missing(a, r) | {"r"}, "f1 is reached by A₂ only where"),
    ("missing-detach", lambda a, r: "r", "return a set of names"),
    ("codes-apart", lambda k, n: torch.eye(k, n), "10.0 % of the range apart"),
    ("codes-apart", lambda k, n: 3 * signs(k, n), "no bridge can meet a code beyond"),
    ("codes-apart", lambda k, n: 0.3 * signs(k, n), "at least 25 % are asked for"),
    ("codes-apart", lambda k, n: signs(n, k), "its shape is (50, "),
    ("codes-apart", lambda k, n: None, "return the codes, a tensor"),
]
