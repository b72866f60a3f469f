"""Settings compared seed by seed: differences with intervals and corrected tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from delog_nb.course.paired import difference, holm, interval, p_text
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.scatter import scatter
from delog_nb.records import mean_and_std

BySeed = Mapping[int, float]


def differences(
    pairs: Mapping[str, tuple[BySeed, BySeed]],
    title: str,
    x: str = "Difference in test accuracy (points)",
) -> Exhibit:
    """One setting minus another over the seeds that both have, with the mean's 95 % interval.

    Paired t tests over seeds; p has Holm's correction for the number of ``pairs``.

    Args:
        pairs: by the comparison's name, shares by seed of the one and of the other
        title: of the figure
        x: the axis

    >>> from delog_nb import lab
    >>> pair = {0: 0.8, 1: 0.9, 2: 0.85}, {0: 0.7, 1: 0.82, 2: 0.74}
    >>> lab.differences({"A - B": pair}, "A and B").table["Verdict"].tolist()
    ['higher']
    """
    tests = holm([difference(one, other) for one, other in pairs.values()])
    points, rows = [], []
    for (name, (one, other)), test in zip(pairs.items(), tests, strict=True):
        gaps = [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]
        low, high = interval(gaps)
        mean, std = mean_and_std(gaps)
        if gaps:
            points.append((mean, name, *((low, high) if low == low else (mean, mean))))
        rows.append(
            {
                "Comparison": name,
                x: 100 * mean,
                f"{x} ±": 100 * std,
                "95 % from": 100 * low,
                "to": 100 * high,
                "Seeds": test.seeds,
                "p": p_text(test.p),
                "Verdict": str(test),
            }
        )
    axis = f"{x}, 95 % interval"
    shown = scatter({"difference": points}, title, axis, level=0.0)
    return replace(shown, table=pd.DataFrame(rows), digits="+.2f")
