"""Answers to the exercises of full comparison."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, SAME
from delog_nb.course.paired import interval, seeds_to_decide


def _t_by_hand(gaps: list[float], above: float, m: int) -> str:
    count = len(gaps)
    if count < 2:
        return OPEN
    mean, deviation = np.mean(gaps), np.std(gaps, ddof=1)
    half = stats.t.ppf(1 - 0.025 / m, count - 1) * deviation / math.sqrt(count)
    if abs(mean - above) + half < 1:
        return SAME
    return HOLDS if mean - half > above else FAILS if mean + half < above else OPEN


def _margin_last(gaps: list[float], above: float, m: int) -> str:
    low, high = interval(gaps, 1 - 0.05 / m)
    if low > above or high < above:
        return HOLDS if low > above else FAILS
    return SAME if above - 1 < low and high < above + 1 else OPEN


def _shared(one: dict[int, float], other: dict[int, float]) -> list[float]:
    return [one[seed] - other[seed] for seed in one if seed in other]


def _seeds(gap: float, spread: float, m: int) -> int:
    n = 2
    while stats.t.interval(1 - 0.05 / m, n - 1, gap, spread / math.sqrt(n))[0] <= 0:
        n += 1
    return n


RIGHT: list[tuple[str, Any]] = [
    ("claim-verdict", _t_by_hand),
    ("paired-gaps", _shared),
    ("paired-gaps", lambda a, b: np.array([a[s] - b[s] for s in sorted({*a} & {*b})])),
    ("seeds-needed", _seeds),
    ("seeds-needed", lambda gap, spread, m: seeds_to_decide(gap, spread, 0.0, m)),
]


WRONG: list[tuple[str, Any, str]] = [
    ("claim-verdict", lambda gaps, above, m: sum(gaps) > 0, "return one of 'holds'"),
    ("claim-verdict", lambda gaps, above, m: HOLDS, "one seed has no spread"),
    ("claim-verdict", lambda gaps, above, m: _t_by_hand(gaps, 0, m), "said to be above 10"),
    ("claim-verdict", lambda gaps, above, m: OPEN, "where the interval is"),
    ("claim-verdict", _margin_last, "within the margin: ask for that first"),
    ("claim-verdict", lambda gaps, above, m: _t_by_hand(gaps, above, 1), "1 - 0.05 / 6, not 0.95"),
    (
        "paired-gaps",
        lambda a, b: [x - y for x, y in zip(sorted(a.values()), sorted(b.values()))],  # noqa: B905
        "pairs the best with the best",
    ),
    (
        "paired-gaps",
        lambda a, b: [x - y for x, y in zip(a.values(), b.values())],  # noqa: B905
        "pairs runs by their place",
    ),
    ("paired-gaps", lambda a, b: [a[seed] - b[seed] for seed in a], "it raised KeyError"),
    ("paired-gaps", lambda a, b: [a[s] - b.get(s, 0) for s in a], "gaps came out"),
    ("paired-gaps", lambda a, b: [-gap for gap in _shared(a, b)], "minus the second's"),
    ("seeds-needed", lambda gap, spread, m: _seeds(gap, spread, 1), "the level is 1 - 0.05 / 6"),
    (
        "seeds-needed",
        lambda gap, spread, m: math.ceil((stats.norm.isf(0.025 / m) * spread / gap) ** 2),
        "as if it were the same for any n",
    ),
    ("seeds-needed", lambda gap, spread, m: 100, "seeds, not 100"),
]
