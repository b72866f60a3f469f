"""Answers to the exercises of one network four ways."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

RIGHT: list[tuple[str, Any]] = [
    ("count-components", {"al": 6, "bp": 1, "delog-scl": 7, "early-exit": 7}),
    ("accuracy", lambda z, y: sum(r.argmax() == k for r, k in zip(z, y, strict=True)) / len(y)),
    ("spread", lambda values: (np.mean(values), np.std(values, ddof=1))),
]


WRONG: list[tuple[str, Any, str]] = [
    ("count-components", {"bp": 1}, "give a dictionary with the keys 'bp', 'early-exit'"),
    (
        "count-components",
        {"al": 7, "bp": 1, "delog-scl": 7, "early-exit": 7},
        "AL does not train 7 components",
    ),
    ("accuracy", lambda z, y: 100 * (z.argmax(1) == y).float().mean(), "a share is from 0 to 1"),
    ("accuracy", lambda z, y: (z.argmin(1) == y).float().mean(), "rows have their maximum"),
    ("accuracy", lambda z: 0, "it raised TypeError"),
    ("spread", lambda v: (statistics.mean(v), statistics.pstdev(v)), "divides by n - 1"),
    ("spread", lambda v: (max(v), statistics.stdev(v)), "the mean of"),
    ("spread", statistics.mean, "return two numbers, the mean and the deviation, not 0."),
    ("spread", lambda v: print, "it returned a builtin_function_or_method, and a number, text,"),
]
