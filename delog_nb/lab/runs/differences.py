"""Settings compared seed by seed: differences with intervals, judged as claims are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from delog_nb.course.assessing import Comparison, judge
from delog_nb.course.paired import p_text
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.scatter import scatter

BySeed = Mapping[int, float]


def differences(
    pairs: Mapping[str, tuple[BySeed, BySeed]],
    title: str,
    x: str = "Difference in test accuracy (points)",
) -> Exhibit:
    """One setting minus another over the seeds that both have, with the mean's interval.

    The comparisons are one family, judged by the rule of `delog_nb.course.assessing`: intervals
    hold together with 95 %, and a verdict says whether the one is above the other.

    Args:
        pairs: by the comparison's name, shares by seed of the one and of the other
        title: of the figure
        x: the axis

    >>> from delog_nb import lab
    >>> pair = {0: 0.8, 1: 0.9, 2: 0.85}, {0: 0.7, 1: 0.82, 2: 0.74}
    >>> lab.differences({"A - B": pair}, "A and B").table["Verdict"].tolist()
    ['holds']
    """
    found = judge(
        [
            Comparison(name, {seed: one[seed] - other[seed] for seed in one if seed in other})
            for name, (one, other) in pairs.items()
        ]
    )
    points = [
        (f.mean, f.label, *((f.low, f.high) if f.low == f.low else (f.mean, f.mean)))
        for f in found
        if f.seeds
    ]
    rows = [
        {
            "Comparison": f.label,
            x: 100 * f.mean,
            f"{x} ±": 100 * f.std,
            "from": 100 * f.low,
            "to": 100 * f.high,
            "Level (%)": f"{100 * f.level:.3g}",
            "Seeds": f.seeds,
            "p": p_text(f.p),
            "Verdict": f.verdict_text,
        }
        for f in found
    ]
    shown = scatter({"difference": points}, title, f"{x}, with intervals", level=0.0)
    return replace(shown, table=pd.DataFrame(rows), digits="+.2f")
