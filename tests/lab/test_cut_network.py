"""Figures that one plays with: their data, what is stored of them, and playing in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.io as pio
import pytest
from playwright.sync_api import Page
from support.browser import chromium
from support.played import at, focused, opened, status, watched
from support.runs import tiny

from delog_nb import data, lab
from delog_nb.lab.charts.played import FIGURE, MODULES, Played
from delog_nb.lab.charts.style import method_style
from delog_nb.lab.runs.cut_network import lowered
from delog_nb.measure.paths import Paths, every_cut, paths

METHODS = {"BP": "bp", "Early Exit": "early-exit", "AL": "al", "Delog-SCL": "delog-scl"}
FREE = "Delog-SCL, cut by you"
Ways = dict[str, Any]


@pytest.fixture(scope="module")
def ways() -> Ways:
    runs = {label: tiny(method=name) for label, name in METHODS.items()}
    images = data.load(runs["BP"])
    found: Ways = {label: paths(run, images) for label, run in runs.items()}
    return found | {FREE: every_cut(runs["Delog-SCL"], images)}


@pytest.fixture(scope="module")
def shown(ways: Ways) -> Played:
    made = lab.cut_network(ways, "Four ways, and yours")
    assert isinstance(made, Played)
    return made


def test_the_data_are_what_was_found(shown: Played, ways: Ways) -> None:
    assert len(json.dumps(shown.data)) < 30_000
    by_name = {way["name"]: way for way in shown.data["ways"]}
    assert list(by_name) == list(ways)
    for label, name in METHODS.items():
        found, way = ways[label], by_name[label]
        assert way["color"] == method_style(name)["color"]
        assert way["components"] == found.components
        assert [n for n, _ in way["layers"]] == [lowered(layer.name) for layer in found.layers]
        for loss, drawn in zip(found.losses, way["losses"], strict=True):
            assert drawn["norms"] == norms(loss.norms)
    assert by_name[FREE]["color"] == method_style("delog-scl")["color"]
    for code, losses, kept in by_name[FREE]["cuts"]:
        found = ways[FREE][code]
        assert losses == {lowered(loss.name): norms(loss.norms) for loss in found.losses}
        assert kept == {lowered(n): size for n, size in found.kept.items()}


def norms(found: dict[str, float]) -> dict[str, Any]:
    return {lowered(n): pytest.approx(v, rel=5e-3) for n, v in found.items()}


def test_a_notebook_keeps_an_image_and_what_a_page_plays_with(
    shown: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    figure, folded = shown.outputs()
    assert figure[FIGURE] == {"module": "cut_network", "data": shown.data}
    assert (MODULES / f"{figure[FIGURE]['module']}.js").is_file()
    assert figure["text/plain"] == shown.says
    assert set(figure) == {FIGURE, "text/plain", "application/vnd.plotly.v1+json"}
    assert "<table" in folded["text/html"]
    rows = shown.table.groupby("Way").size()
    assert rows["Delog-SCL"] == rows[f"{FREE}, cut after f₁, f₂, f₃, f₄"] == 5
    assert rows[f"{FREE}, cut after f₂"] == 2


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium(offline=True) as tab:
        yield tab


@pytest.fixture(params=["light", "dark"])
def figure(request: Any, page: Page, shown: Played, tmp_path: Path) -> Iterator[Page]:
    with watched(page):
        yield opened(page, shown, tmp_path, request.param)


def lit(page: Page) -> set[str]:
    return {one.get_attribute("data-part") or "" for one in page.locator(".box.lit").all()}


def widths(page: Page) -> dict[str, float]:
    """Of the gradients that are drawn, by the part that they go into."""
    return {
        one.get_attribute("data-into") or "": float(
            one.locator(".gradient").get_attribute("stroke-width") or 0
        )
        for one in page.locator("[data-into]").all()
    }


@pytest.mark.browser
def test_a_click_cuts_and_joins_and_every_arrow_has_its_norm(figure: Page, ways: Ways) -> None:
    at(figure, "way-4").click()
    assert status(figure).startswith(f"{FREE}: 1 component. CE₅ reaches f₁, f₂, f₃, f₄ and the ")
    for gap in range(4):
        at(figure, f"gap-{gap}").click()
    assert status(figure).startswith(
        "Cut between f₄ and classifier: 5 components. SCL₁ reaches f₁;"
    )
    at(figure, "gap-1").click()
    assert status(figure).startswith("Joined f₂ and f₃: 4 components. SCL₁ reaches f₁; SCL₃ ")
    at(figure, "loss-SCL₃").click()
    found: Paths = ways[FREE]["1011"]
    (loss,) = (one for one in found.losses if one.name == "SCL3")
    assert lit(figure) == {lowered(n) for n in loss.norms} == {"f₂", "f₃", "head₃"}
    told = re.findall(r"(\S+) \(norm ([\d.]+)\)", status(figure))
    assert {n: float(v) for n, v in told} == norms(loss.norms)
    drawn = widths(figure)
    assert sorted(drawn, key=drawn.__getitem__) == [
        lowered(n) for n in sorted(loss.norms, key=loss.norms.__getitem__)
    ]
    at(figure, "gap-1").focus()
    figure.keyboard.press("Enter")
    assert status(figure).startswith("Cut between f₂ and f₃: 5 components.")
    assert at(figure, "gap-1").get_attribute("aria-pressed") == "true"
    figure.keyboard.press("ArrowRight")
    assert focused(figure) in {"loss-SCL₃", "gap-2"}


@pytest.mark.browser
def test_a_cut_shows_at_once_what_it_saves(figure: Page, ways: Ways) -> None:
    at(figure, "way-4").click()
    cuts: dict[str, Paths] = ways[FREE]
    uncut = f"{sum(cuts['0000'].kept.values()) / 1e6:.1f} MB"
    bar = figure.locator("svg text", has_text="Kept for backward passes")
    assert bar.text_content() == f"Kept for backward passes at any time: at most {uncut}"
    at(figure, "gap-1").click()
    kept = cuts["0100"].kept
    below = sum(kept[name] for name in ("f1", "f2", "head2", "SCL2"))
    most = max(below, sum(kept.values()) - below)
    assert bar.text_content() == (
        f"Kept for backward passes at any time: at most {most / 1e6:.1f} MB (uncut: {uncut})"
    )


@pytest.mark.browser
def test_a_cut_that_was_not_measured_says_so(shown: Played, page: Page, tmp_path: Path) -> None:
    (way,) = (json.loads(json.dumps(w)) for w in shown.data["ways"] if w["name"] == FREE)
    way["cuts"] = [cut for cut in way["cuts"] if cut[0] == "1111"]
    bare = Played(shown.figure, shown.table, "", "", "cut_network", {"title": "", "ways": [way]})
    opened(page, bare, tmp_path)
    at(page, "gap-1").click()
    at(page, "gap-3").click()
    assert "SCL₄ reaches f₃ and f₄" in status(page)
    assert "No norms were measured for this cut" in status(page)
    assert len(set(widths(page).values())) == 1


@pytest.mark.browser
def test_the_loop_is_gone_through_by_keyboard(figure: Page, ways: Ways) -> None:
    at(figure, "way-3").focus()
    figure.keyboard.press("Space")
    figure.keyboard.press("Tab")  # the way after this one
    figure.keyboard.press("Tab")
    figure.keyboard.press("Tab")
    assert focused(figure) == "on"
    seen = []
    for _ in range(20):
        figure.keyboard.press("Enter")
        seen.append((re.match(r"Step \d+ of 20\. (\w+):", status(figure))[1], lit(figure)))
    once = [("Forward", "f"), ("Loss", "head"), ("Backward", "f head"), ("Update", "f head")]
    index = dict(enumerate("₁₂₃₄", 1))
    expected = [
        (kind, {f"{part}{index[k]}" for part in parts.split()})
        for k in index
        for kind, parts in once
    ]
    last = {"classifier"}
    expected += [("Forward", last), ("Loss", set()), ("Backward", last), ("Update", last)]
    assert seen == expected
    kept: Paths = ways["Delog-SCL"]
    most = max(
        sum(kept.kept.get(f"{part}{k}", 0) for part in ("f", "head", "SCL")) for k in range(1, 5)
    )
    assert status(figure).endswith(
        f"Kept for backward passes: nothing, at most {most / 1e6:.1f} MB so far."
    )
    figure.keyboard.press("Shift+Tab")
    figure.keyboard.press("Enter")
    assert status(figure).startswith("Step 19 of 20. Backward: the gradient of CE₅ goes into")


@pytest.mark.browser
def test_a_prediction_leaves_dashed_boxes_out(figure: Page, ways: Ways) -> None:
    at(figure, "way-2").click()
    at(figure, "path").click()
    found: Paths = ways["AL"]
    assert lit(figure) == {lowered(n) for n in found.prediction}
    unused = sum(m.parameters for loss in found.losses for m in loss.modules if not m.used)
    assert f"their {unused:,} parameters are gone" in status(figure)
    dashed = figure.locator(".affiliated")
    assert {one.get_attribute("data-part") for one in dashed.all()} == {
        lowered(m.name) for loss in found.losses for m in loss.modules if not m.used
    }


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 600, 390])
def test_it_scrolls_in_its_own_box(width: int, shown: Played, page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, shown, tmp_path)
    at(page, "way-2").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    text = page.locator(".dn-cut svg text").first
    assert text.bounding_box()["height"] >= 12
