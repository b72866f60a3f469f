"""Mean and spread of a few values, the same in every table and figure."""

import math
import statistics
from collections.abc import Sequence


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); NaN for one value or none.

    >>> mean_and_std([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    if not values:
        return math.nan, math.nan
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return statistics.fmean(values), spread
