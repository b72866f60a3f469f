"""Answers to the exercises of projection heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def halves(x: Tensor) -> Tensor:
    left, right = x[..., : x.shape[-1] // 2], x.flip(-1)[..., : x.shape[-1] // 2]
    return torch.stack([torch.maximum(left, right), torch.minimum(left, right)]).transpose(0, 1)


def heavier_left(x: Tensor) -> Tensor:
    left, right = x.tensor_split(2, dim=-1)
    heavier = left.sum((1, 2, 3), keepdim=True) >= right.sum((1, 2, 3), keepdim=True)
    return torch.where(heavier, x, x.flip(-1))


def question(answers_of: Callable[..., Any], shift: int = 0) -> Callable[..., Any]:
    def ask(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        answers = answers_of(labels)
        turned = [x.rot90(int(k) + shift, (1, 2)) for x, k in zip(images, answers, strict=True)]
        return torch.stack(turned), answers

    return ask


def gap_of_gaps(mlp: float, none: float, own_mlp: float, own_none: float) -> float:
    return (mlp - none) - (own_mlp - own_none)


def renamed(labels: Tensor, samples: Tensor) -> Tensor:
    return torch.unique(samples, return_inverse=True)[1]


def shuffled(labels: Tensor, samples: Tensor) -> Tensor:
    half = len(labels) // 2
    return labels[:half][torch.randperm(half)].repeat(2)


def design(labels: Callable[..., Any] = renamed, support: Callable[..., Any] = gap_of_gaps) -> Any:
    return {"labels": labels, "support": support}


RIGHT: list[tuple[str, Any]] = [
    ("blind-to-mirrors", heavier_left),
    ("blind-to-mirrors", lambda x: heavier_left(x).flatten(1)),
    ("honest-question", question(lambda y: torch.randperm(len(y)) % 4)),
    ("honest-question", question(lambda y: torch.randint(4, (len(y),)))),
    ("honest-question", question(lambda y: torch.arange(len(y)) % 4)),
    ("silent-labels", design()),
    ("silent-labels", design(lambda labels, samples: samples)),
    ("silent-labels", design(support=lambda a, b, c, d: 100 * (a + d > b + c))),
]


WRONG: list[tuple[str, Any, str]] = [
    ("blind-to-mirrors", lambda x: x.flatten(1), "of its mirror differ"),
    ("blind-to-mirrors", lambda x: torch.zeros(len(x), 3), "get the same features"),
    ("blind-to-mirrors", lambda x: x.flatten(2).mean(2), "blind to quarter turns too"),
    ("blind-to-mirrors", lambda x: x.mean((1, 3)), "no more than half"),
    ("blind-to-mirrors", lambda x: (x + x.flip(-1)).flatten(1), "half way"),
    ("blind-to-mirrors", halves, "half way"),
    ("blind-to-mirrors", lambda x: x.sum(), "a row for each of the"),
    ("honest-question", question(lambda y: torch.arange(len(y)) * 4 // len(y)), "who knows the"),
    ("honest-question", question(lambda y: y % 4), "knows the answer"),
    ("honest-question", question(torch.zeros_like), "not every answer"),
    ("honest-question", question(lambda y: y + 9), "0, 1, 2 or 3"),
    ("honest-question", question(lambda y: torch.randint(4, (len(y),)), 1), "not turned by"),
    ("honest-question", lambda x, y: (x[:3], y), "an answer for each"),
    ("honest-question", lambda x, y: x.rot90(1, (2, 3)), "two tensors"),
    ("silent-labels", design(lambda labels, samples: labels), "are the classes still"),
    ("silent-labels", design(lambda labels, samples: labels + 7), "are the classes still"),
    ("silent-labels", design(lambda y, _: torch.arange(len(y))), "no view has a positive"),
    ("silent-labels", design(shuffled), "clusters of images, if only of random ones"),
    ("silent-labels", design(lambda *_: 3), "a label for each of the"),
    ("silent-labels", design(support=lambda a, b, c, d: a - b), "where the guess came from"),
    ("silent-labels", design(support=lambda a, b, c, d: d - c), "nothing without the gap"),
    ("silent-labels", design(support=lambda a, b, c, d: d - b), "with a head too"),
    ("silent-labels", design(support=lambda *a: -gap_of_gaps(*a)), "turned around"),
    ("silent-labels", design(support=lambda *_: 1.0), "how much larger the gap"),
]
