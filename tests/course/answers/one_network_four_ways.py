"""Answers to the exercises of one network four ways."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from torch import Tensor, nn


def pieces_one_by_one(blocks: list[str], cuts: list[int]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for number, block in enumerate(blocks, 1):
        pieces[-1].append(block)
        if number in cuts:
            pieces.append([])
    return pieces


def head_alone(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    for piece, goal, step in zip(pieces, goals, steps, strict=True):
        r = piece(r)
        value, target = goal(r.detach(), target)
        step.zero_grad()
        value.backward()
        step.step()


def uncut(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    for piece, goal, step in zip(pieces, goals, steps, strict=True):
        r = piece(r)
        value, target = goal(r, target)
        step.zero_grad()
        value.backward()
        step.step()


def one_sum(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    values = []
    for piece, goal in zip(pieces, goals, strict=True):
        r = piece(r)
        value, target = goal(r, target)
        values.append(value)
    sum(values).backward()
    for step in steps:
        step.step()


def cut_above(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    for piece, goal, step in zip(pieces, goals, steps, strict=True):
        r = piece(r)
        value, target = goal(r, target)
        r = r.detach()
        value.backward()
        step.step()


def all_the_way(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    for step in steps:
        step.zero_grad()
    goals[-1](nn.Sequential(*pieces)(r), target)[0].backward()
    for step in steps:
        step.step()


def top_alone(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    goals[-1](nn.Sequential(*pieces)(r), target)[0].backward()
    steps[-1].step()


def heaped(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    goals[-1](nn.Sequential(*pieces)(r), target)[0].backward()
    for step in steps:
        step.step()


def by_the_top_in_pieces(
    pieces: list[nn.Module], goals: list[nn.Module], steps: list[Any], r: Tensor, target: Tensor
) -> None:
    for piece, step in zip(pieces, steps, strict=True):
        r = piece(r.detach())
        step.zero_grad()
        goals[-1](r, target)[0].backward()
        step.step()


RIGHT: list[tuple[str, Any]] = [
    ("cut-after", pieces_one_by_one),
    ("repaired-step", cut_above),
    ("whole-step", all_the_way),
    ("two-cuts", (3, 1)),
    ("spread", lambda values: (np.mean(values), np.std(values, ddof=1))),
]


WRONG: list[tuple[str, Any, str]] = [
    ("cut-after", lambda b, c: pieces_one_by_one(b, c)[:-1], "the blocks after the last cut are"),
    ("cut-after", lambda b, c: [[x] for x in b], "the first piece has to end with block"),
    ("cut-after", lambda b, c: [b, *([b[k:] for k in c])], "all blocks, each once and in order"),
    ("cut-after", lambda b, c: len(c), "return a list of pieces"),
    ("repaired-step", head_alone, "loss 1 of 1 does not change its own piece"),
    ("repaired-step", uncut, "nothing is detached between the pieces"),
    ("repaired-step", one_sum, "loss 2 of 3 also changes piece 1"),
    ("repaired-step", lambda *given: None, "loss 1 of 1 does not change its own piece"),
    ("repaired-step", lambda pieces: None, "it raised TypeError"),
    ("whole-step", top_alone, "piece 1 of 3 keeps its weights"),
    ("whole-step", cut_above, "the module of loss 1 of 3 changes"),
    ("whole-step", one_sum, "the module of loss 1 of 3 changes"),
    ("whole-step", uncut, "it raised RuntimeError"),
    ("whole-step", heaped, "gradients of the first are still there"),
    ("whole-step", by_the_top_in_pieces, "but not as BP changes them"),
    ("whole-step", lambda *given: None, "piece 1 of 3 keeps its weights"),
    ("whole-step", lambda pieces: None, "it raised TypeError"),
    ("two-cuts", [3, 6], "a step takes 100 MB"),
    ("two-cuts", [2, 5], "a step takes 80 MB"),
    ("two-cuts", [4], "give two different block numbers"),
    ("two-cuts", [0, 9], "give two different block numbers"),
    ("spread", lambda v: (statistics.mean(v), statistics.pstdev(v)), "divides by n - 1"),
    ("spread", lambda v: (max(v), statistics.stdev(v)), "the mean of"),
    ("spread", statistics.mean, "return two numbers, the mean and the deviation, not 0."),
    ("spread", lambda v: print, "it returned a builtin_function_or_method, and a number, text,"),
]
