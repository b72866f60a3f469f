"""Whether two settings differ by more than their seeds make them differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats takes 60 MB more

ALPHA = 0.05


def quantile(tail: float, freedom: int) -> float:
    """The t that Student's T with ``freedom`` degrees of freedom is above with chance ``tail``.

    >>> round(quantile(0.025, 2), 3)
    4.303
    """
    return float(-stdtrit(freedom, tail))


@dataclass(frozen=True)
class Difference:
    """Mean of one setting minus another, over the seeds that both have.

    ``p`` is two-sided, of a paired t test; NaN for fewer than two seeds.
    """

    mean: float
    seeds: int
    p: float

    @property
    def within_noise(self) -> bool:
        """Not shown to be more than noise: p is not below 0.05, or there is no test."""
        return not self.p < ALPHA

    def __str__(self) -> str:
        if self.seeds < 2:
            return "one seed: no test" if self.seeds else "no seed in common"
        return "within noise" if self.within_noise else ("higher" if self.mean > 0 else "lower")


def difference(one: Mapping[int, float], other: Mapping[int, float]) -> Difference:
    """Paired t test of two settings' results by seed (``one`` minus ``other``).

    >>> difference({0: 0.9, 1: 0.8, 2: 0.9}, {0: 0.8, 1: 0.9, 2: 0.9}).within_noise
    True
    """
    seeds = sorted(one.keys() & other.keys())
    gaps = np.array([one[seed] - other[seed] for seed in seeds])
    if len(seeds) < 2:
        return Difference(float(gaps.mean()) if seeds else math.nan, len(seeds), math.nan)
    if np.ptp(gaps) == 0:  # no spread to divide by
        return Difference(float(gaps[0]), len(seeds), 1.0 if gaps[0] == 0 else 0.0)
    error = gaps.std(ddof=1) / math.sqrt(len(seeds))
    p = 2 * stdtr(len(seeds) - 1, -abs(gaps.mean()) / error)
    return Difference(float(gaps.mean()), len(seeds), float(p))


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Where the mean of all seeds lies, by Student's t; NaN for fewer than two values.

    >>> [round(end, 3) for end in interval([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    if len(values) < 2:
        return math.nan, math.nan
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = quantile((1 - level) / 2, len(values) - 1) * error
    return mean - half, mean + half


def p_text(p: float) -> str:
    """A p for reading.

    >>> p_text(0.0421), p_text(1e-6), p_text(math.nan)
    ('0.042', '< 0.001', '–')
    """
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences, p raised for their number (Holm, 1979).

    In a table of twenty differences one is below 0.05 by chance; with this, in one of twenty tables
    is there any.
    """
    tested = [k for k, d in enumerate(differences) if not math.isnan(d.p)]
    adjusted, highest = list(differences), 0.0
    for rank, k in enumerate(sorted(tested, key=lambda k: differences[k].p)):
        highest = max(highest, min(1.0, differences[k].p * (len(tested) - rank)))
        adjusted[k] = replace(differences[k], p=highest)
    return adjusted


def power(gap: float, std: float, seeds: int, comparisons: int = 1) -> float:
    """Chance that a paired t test over ``seeds`` finds a difference of ``gap``, 0 to 1.

    P(|T| > t), for T noncentral t with n - 1 degrees of freedom and noncentrality gap sqrt(n) / std
    and t the two-sided quantile at .05 / ``comparisons``, Holm's first step.

    Args:
        gap: the mean difference, in the unit of ``std``
        std: standard deviation of the differences by seed, above 0
        seeds: n, at least 2
        comparisons: in the claim's family

    >>> round(power(2.0, 1.5, 5), 2), round(power(2.0, 1.5, 10), 2)
    (0.61, 0.96)
    """
    from scipy.stats import nct

    edge = quantile(ALPHA / comparisons / 2, seeds - 1)
    shift = gap * math.sqrt(seeds) / std
    return float(nct.sf(edge, seeds - 1, shift) + nct.sf(edge, seeds - 1, -shift))


def seeds_to_decide(
    gap: float, std: float, margin: float, comparisons: int = 1, most: int = 200
) -> int | None:
    """How many seeds would decide a comparison if mean and spread stay as they are.

    The smallest n whose interval of level 1 - .05 / ``comparisons`` leaves out what is claimed, or
    lies within the margin of it.

    Args:
        gap: the mean difference minus what is claimed
        std: standard deviation of the differences by seed
        margin: in the unit of both
        comparisons: in the claim's family
        most: above this many, None

    >>> seeds_to_decide(0.5, 1.5, 1.0), seeds_to_decide(3.0, 1.5, 1.0)
    (38, 4)
    """
    for seeds in range(2, most + 1):
        half = quantile(ALPHA / comparisons / 2, seeds - 1) * std / math.sqrt(seeds)
        if half < max(abs(gap), margin - abs(gap)):
            return seeds
    return None


def smallest_gap(std: float, seeds: int, comparisons: int = 1, chance: float = 0.8) -> float:
    """The difference that is found with ``chance``; in the unit of ``std``.

    >>> gap = smallest_gap(1.5, 5)
    >>> round(gap, 2), round(power(gap, 1.5, 5), 3)
    (2.52, 0.8)
    """
    from scipy.optimize import brentq

    high = std
    while power(high, std, seeds, comparisons) < chance:
        high *= 2
    return float(brentq(lambda gap: power(gap, std, seeds, comparisons) - chance, 0.0, high))
