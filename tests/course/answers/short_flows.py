"""Answers to the exercises of short flows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats


def between(features: torch.Tensor, labels: torch.Tensor, weigh: bool = True) -> float:
    centred = features - features.mean(0)
    parts = [centred[labels == label] for label in labels.unique()]
    counts = [len(part) if weigh else len(labels) / len(parts) for part in parts]
    sums = [n * part.mean(0).square().sum() for n, part in zip(counts, parts, strict=True)]
    return float(sum(sums) / centred.square().sum())


def gap_t(one: list[float], other: list[float], ddof: int = 1) -> float:
    gaps = np.array(one) - np.array(other)
    return float(gaps.mean() / gaps.std(ddof=ddof) * len(gaps) ** 0.5)


RIGHT: list[tuple[str, Any]] = [
    ("first-epoch-above", lambda c, g: next((n + 1 for n, a in enumerate(c) if a >= g), None)),
    ("class-separation", between),
    ("class-separation", lambda r, y: torch.tensor(between(r, y))),
    ("paired-t", gap_t),
    ("paired-t", lambda a, b: stats.ttest_rel(a, b).statistic),
]


WRONG: list[tuple[str, Any, str]] = [
    (
        "first-epoch-above",
        lambda c, g: next((n for n, a in enumerate(c) if a >= g), None),
        "epochs are counted from 1",
    ),
    (
        "first-epoch-above",
        lambda c, g: next((n for n, a in enumerate(c, 1) if a > g), None),
        "an accuracy equal to the goal reaches it",
    ),
    (
        "first-epoch-above",
        lambda c, g: next((n for n, a in enumerate(c, 1) if a >= g), len(c)),
        "the goal is never reached",
    ),
    ("class-separation", lambda r, y: 1 - between(r, y), "the share within classes"),
    ("class-separation", lambda r, y: -between(r, y), "a share lies between 0 and 1"),
    ("class-separation", lambda r, y: between(r, y, False), "a class counts as often"),
    ("class-separation", lambda r, y: between(r, y) / 2, "from the mean of all images"),
    ("paired-t", lambda a, b: gap_t(b, a), "the first minus the second"),
    ("paired-t", lambda a, b: gap_t(a, b, 0), "seeds minus 1"),
    ("paired-t", lambda a, b: gap_t(a, b) / len(a) ** 0.5, "divided by √n"),
    ("paired-t", lambda a, b: stats.ttest_ind(a, b).statistic, "unrelated"),
    ("paired-t", lambda a, b: 0.0, "take the difference of each seed"),
]
