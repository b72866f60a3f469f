"""Menus and sliders of lessons, with and without a front end."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import plotly.io as pio
import pytest

from delog_nb import lab
from delog_nb.lab.asks import explore as exploring


def draw(**values: Any) -> lab.Exhibit:
    if values.get("depth") == 32:
        raise RuntimeError("too deep")
    return lab.lines({"BP": [1, 2]}, str(sorted(values.items())), "x", "y")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a cell with a front end displays."""
    found: list[Any] = []
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")  # as in JupyterLab
    monkeypatch.setattr(exploring, "headless", lambda: False)
    monkeypatch.setattr(exploring, "display", found.append)
    return found


def test_the_public_name_is_the_function_however_often_it_is_asked_for() -> None:
    assert lab.explore is exploring.explore
    assert lab.explore is exploring.explore
    assert lab.Choice is exploring.Choice


def test_without_a_front_end_the_defaults_are_drawn_and_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(exploring, "display", shown.append)
    lab.explore(draw, batch_norm=[False, True], depth=lab.Choice([2, 4, 8], 8))
    lines = ["batch norm = no (or yes)", "depth = 8 (or 2, 4)"]
    assert capsys.readouterr().out.splitlines() == lines
    (exhibit,) = shown
    assert exhibit.figure.layout.title.text == "[('batch_norm', False), ('depth', 8)]"


def test_a_change_draws_again(shown: list[Any]) -> None:
    lab.explore(draw, activation=["sigmoid", "relu"], depth=[2, 4, 8, 32])
    (panel,) = shown
    menu, slider, note, area = panel.children
    assert isinstance(menu, widgets.Dropdown)
    assert isinstance(slider, widgets.SelectionSlider)
    assert not slider.continuous_update
    assert "('depth', 2)" in area.outputs[1]["data"]["text/plain"]
    slider.value = 8
    figure, table = area.outputs
    layout = figure["data"]["application/vnd.plotly.v1+json"]["layout"]
    assert layout["title"]["text"] == "[('activation', 'sigmoid'), ('depth', 8)]"
    assert "('depth', 8)" in table["data"]["text/plain"]
    menu.value = "relu"
    assert "relu" in area.outputs[1]["data"]["text/plain"]
    assert note.layout.display == "none"


def test_an_error_is_shown_and_the_next_change_draws_again(shown: list[Any]) -> None:
    lab.explore(draw, depth=[2, 4, 8, 32])
    slider, note, area = shown[0].children
    with pytest.raises(RuntimeError, match="too deep"):
        slider.value = 32
    assert area.outputs[0]["output_type"] == "error"
    assert area.outputs[0]["traceback"] == ["RuntimeError: too deep"]
    assert note.layout.display == "none"
    slider.value = 4
    assert "('depth', 4)" in area.outputs[1]["data"]["text/plain"]


@pytest.mark.parametrize("values", [[], lab.Choice([2, 4], 3)])
def test_a_default_has_to_be_among_the_values(values: Any) -> None:
    with pytest.raises(ValueError, match=r"depth = \w+ is not among its values"):
        lab.explore(draw, depth=values)
