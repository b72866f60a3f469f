"""Exercises of lesson 10, The full comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist
from typing import Any

from delog_nb.course.assessing import SAME, UNTESTED, VERDICTS, verdict_of
from delog_nb.course.exercises import Question, exercise, many
from delog_nb.course.paired import ALPHA, interval, quantile
from delog_nb.course.replies import ANYTHING, NUMBERS, shown, tell


def _gaps(rng: Random) -> list[Question]:
    return [
        ([5.0], 0.0, 1),
        ([9.0, 9.1, 8.9], 10.0, 1),
        ([-3.0, 3.1, 0.2], 0.0, 1),
        ([0.2, 0.3, 0.4], 0.0, 1),  # all of the interval above 0, and within the margin of it
        ([-0.2, -0.3, -0.4], 0.0, 1),
        ([2.1, 2.0, 2.3, 2.2], 2.0, 1),
        ([4.0, 2.0, 3.0], 0.0, 6),  # decided alone, and open among six
        *(
            ([rng.gauss(mean, spread) for _ in range(rng.randint(2, 6))], above, m)
            for mean in (-9, -1, 0, 1, 9)
            for above, spread in ((0.0, 1.0), (2.0, 1.0), (mean, 0.2))
            for m in (1, 8)
        ),
    ]


@exercise("claim-verdict", _gaps, wants=ANYTHING)
def claim_verdict(found: str, gaps: list[float], above: float, m: int) -> str | None:
    """The verdict on one of ``m`` comparisons, from gaps by seed in points; margin one point."""
    allowed = [verdict for verdict in VERDICTS if verdict != UNTESTED]
    text = f"[{', '.join(f'{gap:.1f}' for gap in gaps)}]"
    if found not in allowed:
        return f"return one of {', '.join(map(repr, allowed))}: it returned {shown(found)}"

    def right(level: float) -> set[str]:
        low, high = interval(gaps, level)
        shifts = (-0.005, 0.0, 0.005)  # where rounding may decide, either is right
        return {verdict_of(low + a, high + b, above, 1.0) for a in shifts for b in shifts}

    level = 1 - ALPHA / m
    if found in right(level):
        return None
    said = f"for the gaps {text}, said to be above {above:g}, it says {found!r}"
    if len(gaps) < 2:
        return f"{said}: one seed has no spread, so nothing is decided"
    low, high = interval(gaps, level)
    if m > 1 and found in right(1 - ALPHA):
        return f"{said}: for one of m = {m} comparisons the level is 1 - 0.05 / {m}, not 0.95"
    first = ", which is within the margin: ask for that first" if SAME in right(level) else ""
    return f"{said} where the interval is {low:.2f} to {high:.2f}{first}"


def _two_methods(rng: Random) -> Question:
    """By seed, in the order in which the runs ended; each lacks a seed that the other has."""
    seeds = list(range(rng.randint(4, 7)))
    pairs = [[[seed, rng.uniform(40, 60)] for seed in seeds] for _ in range(2)]
    for place, own in enumerate(pairs):
        own.pop(place)
        rng.shuffle(own)
    return tuple(pairs)


_IN_ORDER = ([[3, 50.0], [4, 60.0]], [[3, 58.0], [4, 49.0]])
_IN_TWO = ([[4, 60.0], [3, 50.0], [5, 40.0]], [[3, 58.0], [4, 49.0], [5, 70.0]])


@exercise(
    "paired-gaps",
    many(8, _two_methods, after=[_IN_ORDER, _IN_TWO]),
    use=lambda answer, one, other: answer(dict(one), dict(other)),
    wants=NUMBERS,
)
def paired_gaps(found: list[float], one: list[Any], other: list[Any]) -> str | None:
    """Differences within the seeds that both have, from dictionaries by seed."""
    mine, theirs = dict(one), dict(other)
    both = sorted(mine.keys() & theirs.keys())
    wanted = sorted(mine[seed] - theirs[seed] for seed in both)
    if _same(found, wanted):
        return None
    by_rank = [a - b for a, b in zip(sorted(mine.values()), sorted(theirs.values()), strict=False)]
    by_place = [a - b for a, b in zip(mine.values(), theirs.values(), strict=False)]
    if _same(found, by_rank):
        return "it pairs the best with the best: gaps of one seed belong together, whatever it gave"
    if _same(found, by_place):
        return "it pairs runs by their place: dictionaries need not have their seeds in one order"
    if len(found) != len(both):
        return (
            f"seeds {sorted(mine)} and {sorted(theirs)} have {len(both)} in common, and "
            f"{len(found)} gaps came out"
        )
    return "the gap of a seed is the first method's accuracy minus the second's"


def _same(found: list[float], wanted: list[float]) -> bool:
    return len(found) == len(wanted) and all(
        math.isclose(a, b, abs_tol=1e-9) for a, b in zip(sorted(found), sorted(wanted), strict=True)
    )


def _pilot(rng: Random) -> Question:
    return rng.uniform(0.8, 4), rng.uniform(1, 3), rng.randint(1, 8)


def _least(half: Callable[[int], float], gap: float) -> int:
    return next(n for n in range(2, 10_000) if half(n) < gap)


@exercise("seeds-needed", many(8, _pilot, after=[(2.0, 1.5, 6), (2.0, 1.5, 1), (9.0, 0.1, 1)]))
def seeds_needed(found: float, gap: float, spread: float, m: int) -> str | None:
    """The fewest seeds whose interval leaves out 0, if mean and spread are as in a pilot."""

    def t(n: int, m: int = m) -> float:
        return quantile(ALPHA / m / 2, n - 1)

    z = NormalDist().inv_cdf(1 - ALPHA / m / 2)
    said = f"for a gap of {gap:.2f}, a spread of {spread:.2f} and m = {m}"
    right = _least(lambda n: t(n) * spread / n**0.5, gap)
    mistakes = [
        (
            _least(lambda n: t(n, 1) * spread / n**0.5, gap),
            f"{said} that is enough for one comparison alone: the level is 1 - 0.05 / {m}",
        ),
        (
            _least(lambda n: z * spread / n**0.5, gap),
            f"{said} that takes t as if it were the same for any n: few seeds have a larger one",
        ),
        (
            _least(lambda n: 2 * spread / n**0.5, gap),
            f"{said} that takes 2 for t: few seeds have a larger one",
        ),
        (right - 1, f"{said} the interval of {right - 1} seeds still reaches 0"),
        (right + 1, f"{said} fewer seeds are enough"),
    ]
    return tell(found, right, mistakes, f"{said} it is {right} seeds, not {found:g}")
