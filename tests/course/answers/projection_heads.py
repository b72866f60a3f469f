"""Answers to the exercises of projection heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def mlp_only(kind: str, c: int, _: int, p: int, h: int, o: int) -> int:
    return 0 if kind == "identity" else (c * p * p + 1) * h + (h + 1) * o


def size(kind: str, c: int, s: int, p: int, h: int, o: int) -> int:
    layers = {"identity": [], "linear": [(c * p * p, o)], "mlp": [(c * p * p, h), (h, o)]}
    return sum(a * b + b for a, b in layers[kind])


def halves(x: Tensor) -> Tensor:
    left, right = x[..., : x.shape[-1] // 2], x.flip(-1)[..., : x.shape[-1] // 2]
    return torch.stack([torch.maximum(left, right), torch.minimum(left, right)]).transpose(0, 1)


RIGHT: list[tuple[str, Any]] = [
    ("pooled-size", size),
    ("blind-to-mirrors", lambda x: (x + x.flip(-1)).flatten(1)),
    ("blind-to-mirrors", halves),
    ("lost-in-training", lambda z, z0, chance: 1 - (z - chance) / (z0 - chance)),
]


WRONG: list[tuple[str, Any, str]] = [
    ("pooled-size", mlp_only, "the linear head has"),
    ("pooled-size", lambda k, c, s, _, h, o: size(k, c, s, s, h, o), "without pooling"),
    ("pooled-size", lambda *_: 7, "parameters, not 7"),
    ("blind-to-mirrors", lambda x: x.flatten(1), "of its mirror differ"),
    ("blind-to-mirrors", lambda x: torch.zeros(len(x), 3), "get the same features"),
    ("blind-to-mirrors", lambda x: x.flatten(2).mean(2), "blind to quarter turns too"),
    ("blind-to-mirrors", lambda x: x.mean((1, 3)), "no more than half"),
    ("blind-to-mirrors", lambda x: x.sum(), "a row for each of the"),
    ("lost-in-training", lambda z, z0, _: (z0 - z) / z0, "measure from there, not from 0"),
    ("lost-in-training", lambda z, z0, c: (z - c) / (z0 - c), "the share that is left"),
    ("lost-in-training", lambda z, z0, _: z0 - z, "the share lost is"),
]
