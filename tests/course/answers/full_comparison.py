"""Answers to the exercises of full comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from delog_nb.course.assessing import (
    FAILS,
    HOLDS,
    OPEN,
    SAME,
)


def _t_by_hand(gaps: list[float], above: float) -> str:
    count = len(gaps)
    if count < 2:
        return OPEN
    mean, deviation = np.mean(gaps), np.std(gaps, ddof=1)
    half = stats.t.ppf(0.975, count - 1) * deviation / math.sqrt(count)
    if abs(mean - above) + half < 1:
        return SAME
    return HOLDS if mean - half > above else FAILS if mean + half < above else OPEN


def _holm(values: list[float], times: Callable[[int, int], float] = lambda k, m: m - k) -> Any:
    order = np.argsort(values)
    raised = [values[place] * times(k, len(values)) for k, place in enumerate(order)]
    result = np.empty(len(values))
    result[order] = np.minimum(1, np.maximum.accumulate(raised))
    return result


RIGHT: list[tuple[str, Any]] = [
    ("claim-verdict", _t_by_hand),
    ("holm-correction", _holm),
    (
        "overtaking",
        lambda a, b: next(
            (k + 1 for k in range(len(a)) if all(x > y for x, y in zip(a[k:], b[k:], strict=True))),
            None,
        ),
    ),
]


WRONG: list[tuple[str, Any, str]] = [
    ("claim-verdict", lambda gaps, above: sum(gaps) > 0, "return one of 'holds'"),
    ("claim-verdict", lambda gaps, above: HOLDS, "one seed has no spread"),
    ("claim-verdict", lambda gaps, above: _t_by_hand(gaps, 0), "said to be above 10"),
    ("claim-verdict", lambda gaps, above: OPEN, "where the interval is"),
    (
        "holm-correction",
        lambda p: list(np.where(_holm(p) < 1, _holm(p), 1.5)),
        "a p-value is at most 1",
    ),
    ("holm-correction", lambda p: [min(1, len(p) * x) for x in p], "multiply the smallest by 3"),
    ("holm-correction", sorted, "multiply the smallest by 3"),
    ("holm-correction", lambda p: p[1:], "came out"),
    ("overtaking", lambda a, b: next((k for k in range(len(a)) if a[k] > b[k]), 0), "it says"),
    ("overtaking", lambda a, b: None, "from epoch 3 on the chaser stays above"),
    ("overtaking", lambda a, b: len(a), "the chaser is not above, so it is None"),
]
