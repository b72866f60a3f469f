"""Features in motion: what is drawn is what was kept, and time goes on by slider and by button."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from support.browser import chromium
from support.played import at, opened, status, watched
from support.runs import ROOT, tiny

from delog_nb import data, lab
from delog_nb.lab.charts.played import FIGURE, Played
from delog_nb.lab.charts.style import method_style
from delog_nb.measure.features import (
    Features,
    features_in_training,
    plane,
    read_features,
    separation,
)

KEPT = dict[str, Features]


@pytest.fixture(scope="module")
def kept() -> KEPT:
    runs = {"BP": tiny(method="bp"), "Delog-SCL": tiny(method="delog-scl")}
    return {name: features_in_training(run, data.load(run)) for name, run in runs.items()}


@pytest.fixture(scope="module")
def shown(kept: KEPT) -> Played:
    made = lab.features_in_motion(kept, "In motion")
    assert isinstance(made, Played)
    return made


def codes(shown: Played, name: str, kept: KEPT) -> np.ndarray:
    """(epochs, H, N, 2), as the module has them."""
    (way,) = (way for way in shown.data["ways"] if way["name"] == name)
    found = np.frombuffer(base64.b64decode(way["codes"]), np.int8)
    return found.reshape(*kept[name].scores.shape[:3], 2).astype(float)


def test_points_are_those_of_the_plane_in_one_unit_for_a_block(shown: Played, kept: KEPT) -> None:
    first = plane(kept["BP"])[-1, -1]
    for name, features in kept.items():
        expected, found = plane(features, first), codes(shown, name, kept)
        for block in range(expected.shape[1]):
            drawn, real = found[:, block].reshape(-1, 2), expected[:, block].reshape(-1, 2)
            low, high = np.quantile(real, (0.005, 0.995), axis=0)
            inside = ((real >= low) & (real <= high)).all(1)
            assert inside.mean() > 0.97
            steps, lengths = drawn[inside] - drawn[inside][0], real[inside] - real[inside][0]
            unit = abs(lengths).max() / abs(steps).max()
            assert steps * unit == pytest.approx(lengths, abs=2 * unit)


def test_the_table_and_the_data_have_the_separation(shown: Played, kept: KEPT) -> None:
    for way in shown.data["ways"]:
        found = separation(kept[way["name"]])
        assert np.array(way["separation"]) == pytest.approx(found, abs=0.006)
        columns = [c for c in shown.table if c.startswith(f"{way['name']}, ")]
        assert shown.table[columns].to_numpy() == pytest.approx(found)
    assert [way["color"] for way in shown.data["ways"]] == [
        method_style(name)["color"] for name in ("bp", "delog-scl")
    ]
    assert shown.outputs()[0][FIGURE]["module"] == "features"


def test_a_row_that_is_no_method_has_no_methods_colour(kept: KEPT) -> None:
    rows = {"z, MLP head": kept["Delog-SCL"], "Delog-SCL: r": kept["Delog-SCL"]}
    made = lab.features_in_motion(rows, "Two places")
    assert isinstance(made, Played)
    blue = method_style("delog-scl")["color"]
    assert [way["color"] for way in made.data["ways"]] == ["currentColor", blue]
    drawn = [trace.textfont.color for trace in made.figure.data]
    assert set(drawn[: len(drawn) // 2]) == {"#1b1f23"}
    assert set(drawn[len(drawn) // 2 :]) == {blue}


def test_other_images_or_epochs_are_refused(kept: KEPT) -> None:
    shorter = tiny(method="bp", epochs=1)
    found = features_in_training(shorter, data.load(shorter))
    with pytest.raises(ValueError, match="Early Exit is of other test images, epochs or blocks"):
        lab.features_in_motion(kept | {"Early Exit": found}, "Two lengths")


def test_a_recorded_run_is_shown_as_one_that_is_trained_now() -> None:
    folders = [path.parent for path in sorted((ROOT / "results").glob("long/*/features.npz"))]
    features = read_features(folders[0])
    made = lab.features_in_motion({"BP": features}, "Recorded")
    assert made.data["sprite"].startswith("data:image/png;base64,")
    assert len(json.dumps(made.data)) < 300_000
    assert made.data["epochs"][-1] == features.epochs[-1]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium(offline=True) as tab:
        yield tab


@pytest.fixture(params=["light", "dark"])
def figure(request: Any, page: Page, shown: Played, tmp_path: Path) -> Iterator[Page]:
    with watched(page):
        yield opened(page, shown, tmp_path, request.param)


def places(page: Page) -> list[list[float]]:
    """Where the points of the first panel stand, from -127 to 127."""
    found = page.locator(".point").evaluate_all("points => points.map(p => p.style.transform)")
    pairs = [[float(v) for v in re.findall(r"[-\d.]+(?=px)", one)] for one in found[:200]]
    return [[(v / 95 - 1) / 0.94 * 127 for v in pair] for pair in pairs]


@pytest.mark.browser
def test_the_slider_moves_every_point(figure: Page, shown: Played, kept: KEPT) -> None:
    expected = codes(shown, "BP", kept)
    assert places(figure) == pytest.approx(expected[-1, 0], abs=0.2)
    at(figure, "epoch").focus()
    figure.keyboard.press("Home")
    assert status(figure).startswith(
        "Before training: distance between classes over distance within a class"
    )
    assert places(figure) == pytest.approx(expected[0, 0], abs=0.2)
    figure.keyboard.press("ArrowRight")
    apart = separation(kept["Delog-SCL"])[1, -1]
    assert f"Delog-SCL: {apart:.2f}" in status(figure)
    assert status(figure).startswith("After epoch 1:")


@pytest.mark.browser
def test_it_plays_to_the_end_and_not_by_itself(figure: Page) -> None:
    figure.clock.install(time=0)
    figure.clock.pause_at(10_000)
    assert at(figure, "play").inner_text() == "Play"
    assert at(figure, "epoch").input_value() == "2"
    at(figure, "play").focus()
    figure.keyboard.press("Enter")
    assert at(figure, "play").inner_text() == "Pause"
    assert at(figure, "epoch").input_value() == "0"
    assert figure.get_by_role("status").get_attribute("aria-live") == "off"
    figure.clock.run_for(700)
    assert at(figure, "epoch").input_value() == "1"
    figure.clock.run_for(700)
    assert status(figure).startswith("After epoch 2:")
    assert at(figure, "play").inner_text() == "Play"
    assert figure.get_by_role("status").get_attribute("aria-live") == "polite"


@pytest.mark.browser
def test_an_image_is_shown_where_its_point_is_chosen(figure: Page, kept: KEPT) -> None:
    figure.locator('.point[data-image="42"]').first.dispatch_event("click")
    features = kept["BP"]
    told = f"Image {features.images[42]} is of class {features.labels[42]}; a ring marks it."
    assert status(figure).endswith(told)
    assert figure.locator(".ring").count() == 2 * features.scores.shape[1]
    picture = figure.get_by_role("img", name=f"test image {features.images[42]}")
    place = picture.evaluate("node => node.style.backgroundPosition")
    assert place == f"{-72 * (42 % 20)}px {-72 * (42 // 20)}px"
    at(figure, "image-on").click()
    assert f"Image {features.images[43]} is" in status(figure)
    at(figure, "class-3").click()
    lit = figure.locator(".point.own").evaluate_all("points => points.map(p => p.textContent)")
    assert set(lit) == {"3"}
    assert len(lit) == 2 * features.scores.shape[1] * features.labels.count(3)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 600, 390])
def test_it_scrolls_in_its_own_box(width: int, shown: Played, page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, shown, tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_with_reduced_motion_points_do_not_glide(shown: Played, page: Page, tmp_path: Path) -> None:
    durations = []
    for wish in ("no-preference", "reduce"):
        page.emulate_media(reduced_motion=wish)
        opened(page, shown, tmp_path)
        point = page.locator(".point").first
        durations.append(point.evaluate("node => getComputedStyle(node).transitionDuration"))
    assert durations == ["0.35s", "0s"]
