"""A forest plot to play with: intervals and verdicts against scipy, on a page too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy import stats
from support.browser import chromium
from support.played import at, focused, opened, status, watched

from delog_nb.course.assessing import FAILS, HOLDS, OPEN, SAME, UNTESTED
from delog_nb.lab.charts.played import FIGURE, MODULES, Played
from delog_nb.lab.charts.style import METHOD_COLORS
from delog_nb.lab.runs.forest import SAYS, Group, Row, forest

TRUTH = {"far above": 0.05, "above": 0.02, "within": 0.002, "below": -0.04}
SEEDS, STUDIES = 12, 3


@pytest.fixture(scope="module")
def gaps() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(mean, 0.01, (STUDIES, SEEDS)) for name, mean in TRUTH.items()}


@pytest.fixture(scope="module")
def shown(gaps: dict[str, Any]) -> Played:
    rows = [Row(name, own, family=4, truth=TRUTH[name]) for name, own in gaps.items()]
    made = forest([Group("made up", rows)], "Made up", seeds=3, choose=True)
    assert isinstance(made, Played)
    return made


def verdict(values: Any, family: int, above: float = 0.0) -> str:
    """By scipy's interval, and the rule of the course in words of its own."""
    if len(values) < 2:
        return OPEN
    low, high = stats.t.interval(
        1 - 0.05 / family, len(values) - 1, np.mean(values), stats.sem(values)
    )
    if max(abs(low - above), abs(high - above)) < 0.01:
        return SAME
    return OPEN if low <= above <= high else HOLDS if low > above else FAILS


def test_the_data_are_the_gaps_and_the_table_has_their_verdicts(
    shown: Played, gaps: dict[str, Any]
) -> None:
    assert len(json.dumps(shown.data)) < 30_000
    figure = shown.outputs()[0]
    assert figure[FIGURE] == {"module": "forest", "data": shown.data}
    assert (MODULES / "forest.js").is_file()
    for row in shown.data["groups"][0]["rows"]:
        assert np.allclose(row["studies"], 100 * gaps[row["label"]], atol=0.0051)
    by_label = shown.table.set_index("Comparison")
    for name, own in gaps.items():
        assert by_label.loc[name, "Verdict"] == verdict(own[0][:3], 4)
        assert by_label.loc[name, "Mean"] == pytest.approx(100 * own[0][:3].mean())
    quantiles = dict(shown.data["quantiles"])
    assert set(quantiles) == {1, 4}
    assert quantiles[4][1] == pytest.approx(stats.t.ppf(1 - 0.05 / 8, 2), rel=1e-5)


def test_the_image_is_drawn_in_ink_and_wide_intervals_leave_it(shown: Played) -> None:
    for trace in shown.figure.data:
        assert trace.marker.color not in METHOD_COLORS  # which are the methods'
    figure = forest([Group("", [Row("wide", [[-0.9, 0.9]])])], "Wide").figure
    (wide,) = (trace for trace in figure.data if trace.name == OPEN)
    assert figure.layout.xaxis.range == (-40, 40)
    assert wide.error_x.array[0] > 1000  # the bar has no end in the figure


def test_a_rule_beside_a_claim_and_one_seed() -> None:
    rows = [Row("a", [[0.05, 0.052, 0.051]], 0.02, 2, 3), Row("b", [[0.3]], family=2)]
    made = forest([Group("Name", rows, "7")], "Two")
    assert made.table["Comparison"].tolist() == ["7 · a", "7 · b"]
    assert made.table["Verdict"].tolist() == [HOLDS, OPEN]
    assert np.isnan(made.table["Low"][1])
    marks = {trace.name: trace for trace in made.figure.data}
    assert list(marks[SAYS].x) == [2, 0]
    assert marks[OPEN].error_x.array is None  # one seed has no interval, not one of width 0
    again = forest([Group("Name", rows[::-1], "7")], "Two").figure
    assert again.layout.yaxis.ticktext == ("7 · b", "7 · a")  # whatever their verdicts


def test_nothing_is_drawn_of_nothing() -> None:
    assert forest([Group("None", [], "1", notes=["no runs"])], "Empty").says.endswith(
        "Nothing to show yet."
    )


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium(offline=True) as tab:
        yield tab


@pytest.fixture(params=["light", "dark"])
def figure(request: Any, page: Page, shown: Played, tmp_path: Path) -> Iterator[Page]:
    with watched(page):
        yield opened(page, shown, tmp_path, request.param)


def drawn(page: Page) -> list[str]:
    """Verdicts, from top to bottom, without the number of seeds."""
    found = page.locator(".dn-forest .verdict").all_text_contents()
    return [text.partition(" (")[0] for text in found]


@pytest.mark.browser
def test_seeds_are_added_and_every_verdict_is_the_packages(
    figure: Page, gaps: dict[str, Any]
) -> None:
    at(figure, "seeds").focus()
    figure.keyboard.press("Home")
    for seeds in range(1, SEEDS + 1):
        assert drawn(figure) == [verdict(own[0][:seeds], 4) for own in gaps.values()]
        assert figure.locator(".gap").count() == len(gaps) * seeds
        figure.keyboard.press("ArrowRight")
    assert set(drawn(figure)) == {HOLDS, SAME, FAILS}  # all that can be decided, is
    at(figure, "alone").click()
    figure.locator('[data-key="seeds"]').fill("3")
    assert drawn(figure) == [verdict(own[0][:3], 1) for own in gaps.values()]
    at(figure, "together").click()
    at(figure, "study").click()
    assert drawn(figure) == [verdict(own[1][:3], 4) for own in gaps.values()]


@pytest.mark.browser
def test_the_truth_is_shown_when_asked(figure: Page, gaps: dict[str, Any]) -> None:
    assert "truth" not in status(figure)
    at(figure, "truth").click()
    low_high = {
        name: stats.t.interval(1 - 0.05 / 4, 2, own[0][:3].mean(), stats.sem(own[0][:3]))
        for name, own in gaps.items()
    }
    held = sum(low < TRUTH[name] < high for name, (low, high) in low_high.items())
    assert f"{held} of 4 intervals hold the truth" in status(figure)


@pytest.mark.browser
def test_a_wrong_verdict_is_called_wrong(page: Page, tmp_path: Path) -> None:
    rows = [
        Row("a", [[0.05, 0.051, 0.052]], truth=-0.01),
        Row("b", [[0.001, 0.0, 0.001]], truth=0.03),
        Row("c", [[-0.05, -0.051, -0.052]], truth=-0.04),
    ]
    opened(page, forest([Group("", rows)], "Wrong"), tmp_path)
    at(page, "truth").click()
    told = page.locator(".verdict").all_text_contents()
    assert [text.endswith(": wrong") for text in told] == [True, True, False]
    assert status(page).endswith("wrong verdicts: 2.")


@pytest.mark.browser
def test_a_claim_is_chosen_and_fails_with_one_comparison(page: Page, tmp_path: Path) -> None:
    up, down = [0.05, 0.051, 0.052], [-0.05, -0.051, -0.052]
    groups = [
        Group("First", [Row("a", [up]), Row("b", [down], decides=False)], "1", ["Says so."]),
        Group("Second", [Row("c", [up], planned=5), Row("d", [down])], "2"),
        Group("Third", [Row("e", [up])], "3", verdicts=[UNTESTED], notes=["f: no runs"]),
        Group("Fourth", [], "4", verdicts=[UNTESTED]),
    ]
    opened(page, forest(groups, "Claims"), tmp_path)
    assert status(page).startswith(f"Claim 1: {HOLDS}.")
    assert "Says so." in page.locator(".dn-forest").inner_text()
    at(page, "group-1").click()
    assert status(page).startswith(f"Claim 2: {FAILS}. With 3 seeds at most, {FAILS}: 1, {OPEN}")
    assert page.locator(".verdict").first.text_content() == f"{OPEN} (n = 3 of 5)"
    at(page, "group-2").click()
    assert status(page).startswith(f"Claim 3: {UNTESTED}.")
    assert "f: no runs" in page.locator(".dn-forest").inner_text()
    at(page, "group-3").click()
    assert status(page) == f"Claim 4: {UNTESTED}. There is nothing to draw."


@pytest.mark.browser
def test_every_control_is_reached_by_tab(figure: Page) -> None:
    seen = []
    for _ in range(6):
        figure.keyboard.press("Tab")
        seen.append(focused(figure))
    assert seen[:5] == ["seeds", "alone", "together", "study", "truth"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 600, 390])
def test_it_scrolls_in_its_own_box(width: int, shown: Played, page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, shown, tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".dn-forest svg text").first.bounding_box()["height"] >= 12
    ends = [box.bounding_box() for box in page.locator(".verdict").all()]
    assert all(box["x"] + box["width"] <= width for box in ends)


@pytest.mark.browser
def test_it_is_drawn_anew_when_its_place_is_narrower(
    page: Page, shown: Played, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1000, "height": 800})
    opened(page, shown, tmp_path)
    wide = page.locator(".dn-forest svg").bounding_box()["width"]
    page.set_viewport_size({"width": 600, "height": 800})
    page.wait_for_function(
        "w => document.querySelector('.dn-forest svg').clientWidth < w", arg=wide - 200
    )


def test_a_number_of_the_legend_is_the_margin(shown: Played) -> None:
    assert shown.data["margin"] == 1
    assert re.fullmatch(r"Made up\. n = 3 at most; .+", shown.says)
