"""Exercises of lesson 10, The full comparison."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from scipy import stats

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, VERDICTS
from delog_nb.course.exercises import exercise


@exercise("claim-verdict")
def claim_verdict(answer: Callable[[list[float], float], Any]) -> str | None:
    """Holds, does not hold or not decided, from gaps by seed and what the claim says."""
    cases = [([5.0], 0.0), ([9.0, 9.1, 8.9], 10.0), ([-3.0, 3.1, 0.2], 0.0), ([4.0, 4.1, 4.2], 0.0)]
    cases += [
        ([random.gauss(mean, 1) for _ in range(random.randint(2, 6))], above)
        for mean in (-9, -1, 0, 1, 9)
        for above in (0.0, 2.0)
    ]
    for gaps, above in cases:
        p = stats.ttest_1samp(gaps, above).pvalue if len(gaps) > 1 else 1.0
        if abs(p - 0.05) < 0.002:
            continue  # rounding may decide
        middle = sum(gaps) / len(gaps)
        wanted = OPEN if p >= 0.05 else HOLDS if middle > above else FAILS
        found = answer(list(gaps), above)
        text = f"[{', '.join(f'{gap:.1f}' for gap in gaps)}]"
        if found not in VERDICTS:
            return f"return one of {', '.join(map(repr, VERDICTS))}: it returned {found!r}"
        if found != wanted and len(gaps) < 2:
            return f"one seed has no spread, so nothing is decided: it says {found!r} for {text}"
        if found != wanted:
            return (
                f"for the gaps {text}, said to be above {above:g}, it says {found!r} where p is "
                f"{p:.3f} and the mean {middle:.1f}"
            )
    return None


@exercise("holm-correction")
def holm_correction(answer: Callable[[list[float]], Any]) -> str | None:
    """Holm's correction of p-values, in their own order."""
    cases = [[0.03, 0.01, 0.04], [0.5, 0.6], [0.02]]
    cases += [[random.random() ** 3 for _ in range(random.randint(1, 7))] for _ in range(20)]
    for given in cases:
        text = f"[{', '.join(f'{p:.3f}' for p in given)}]"
        found = [float(p) for p in answer(list(given))]
        if len(found) != len(given):
            return f"{len(given)} p-values went in and {len(found)} came out"
        if any(p > 1 for p in found):
            return f"for {text} it returns {max(found):.2f}: a p-value is at most 1"
        # the definition: of all hypotheses not above this one in p, the largest raised p
        for p, raised in zip(given, found, strict=True):
            below = sorted(q for q in given if q <= p)
            wanted = min(1.0, max(q * (len(given) - k) for k, q in enumerate(below)))
            if abs(raised - wanted) > 1e-9:
                return (
                    f"of {text}, {p:.3f} becomes {wanted:.3f}, not {raised:.3f}: multiply the "
                    f"smallest by {len(given)}, the next by one less, and never go down again"
                )
    return None


@exercise("overtaking")
def overtaking(answer: Callable[[list[float], list[float]], Any]) -> str | None:
    """The first epoch from which one curve stays above the other."""
    cases = [([1.0, 2.0, 3.0], [2.0, 2.5, 2.0]), ([3.0, 1.0, 1.0], [2.0, 2.0, 2.0])]
    cases += [([3.0, 1.0, 3.0], [2.0, 2.0, 2.0]), ([3.0, 3.0], [2.0, 2.0])]
    for _ in range(20):
        length = random.randint(1, 8)
        cases.append(
            ([float(random.randint(0, 4)) for _ in range(length)],
             [float(random.randint(0, 4)) for _ in range(length)])
        )  # fmt: skip
    for chaser, leader in cases:
        above = [a > b for a, b in zip(chaser, leader, strict=True)]
        wanted = next((k + 1 for k in range(len(above)) if all(above[k:])), None)
        found = answer(list(chaser), list(leader))
        if found != wanted:
            return (
                f"for chaser {chaser} and leader {leader} it says {found!r}: from epoch "
                f"{wanted} on the chaser stays above"
                if wanted
                else f"for chaser {chaser} and leader {leader} it says {found!r}: at the end the "
                f"chaser is not above, so it is None"
            )
    return None
