"""Settings compared by seed: intervals worked out by hand, and the package's one rule."""

from __future__ import annotations

import math
import statistics

import pytest
from scipy import stats

from delog_nb import lab

ONE = {3: 0.60, 4: 0.58, 5: 0.63, 9: 0.10}
OTHER = {5: 0.55, 3: 0.50, 4: 0.51, 8: 0.90}
SAME = {3: 0.601, 4: 0.579, 5: 0.6305}


def test_intervals_of_two_comparisons_hold_together() -> None:
    shown = lab.differences({"clear": (ONE, OTHER), "alike": (ONE, SAME)}, "Title")
    clear, alike = shown.table.to_dict("records")
    gaps = [10.0, 7.0, 8.0]  # of seeds 3 to 5, in points
    half = stats.t.isf(0.05 / 2 / 2, 2) * statistics.stdev(gaps) / math.sqrt(3)
    axis = "Difference in test accuracy (points)"
    assert clear[axis] == pytest.approx(statistics.fmean(gaps))
    assert (clear["from"], clear["to"]) == pytest.approx(
        (statistics.fmean(gaps) - half, statistics.fmean(gaps) + half)
    )
    assert (clear["Seeds"], clear["Level (%)"], clear["Verdict"]) == (3, "97.5", "holds")
    assert alike["Verdict"] == "no difference above the margin"
    (drawn,) = shown.figure.data
    assert list(drawn.x) == pytest.approx([clear[axis], alike[axis]])


def test_nothing_is_decided_by_one_seed_or_none() -> None:
    shown = lab.differences({"one": ({1: 0.5}, {1: 0.4}), "none": ({1: 0.5}, {2: 0.4})}, "Title")
    assert list(shown.table["Verdict"]) == ["not decided (n = 1)", "not decided (n = 0)"]
    assert list(shown.figure.data[0].text) == ["one"]
