"""What n decides which difference, against tests that are made many times."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from delog_nb.course.paired import power, smallest_gap


@pytest.mark.parametrize(("gap", "seeds", "comparisons"), [(2.0, 3, 1), (1.0, 5, 2), (-1.2, 8, 6)])
def test_power_is_the_share_of_tests_that_find_the_difference(
    gap: float, seeds: int, comparisons: int
) -> None:
    draws, std = 40_000, 1.3
    gaps = np.random.default_rng(0).normal(gap, std, (draws, seeds))
    found = (stats.ttest_1samp(gaps, 0, axis=1).pvalue < 0.05 / comparisons).mean()
    exact = power(gap, std, seeds, comparisons)
    assert found == pytest.approx(exact, abs=4 * (exact * (1 - exact) / draws) ** 0.5)


def test_no_difference_is_found_as_often_as_the_level_says() -> None:
    assert power(0.0, 2.0, 4) == pytest.approx(0.05)
    assert power(0.0, 2.0, 4, comparisons=5) == pytest.approx(0.01)


def test_more_seeds_find_smaller_differences_and_larger_families_larger_ones() -> None:
    by_seeds = [smallest_gap(1.0, seeds) for seeds in (2, 3, 5, 10, 20)]
    assert by_seeds == sorted(by_seeds, reverse=True)
    by_family = [smallest_gap(1.0, 5, comparisons) for comparisons in (1, 2, 6)]
    assert by_family == sorted(by_family)
