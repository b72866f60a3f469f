"""Charts: what is drawn is what the table says, and both can be saved."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import plotly.io as pio
import pytest
import torch
from PIL import Image
from support.browser import chromium
from support.runs import tiny

from delog_nb import data, lab
from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.exhibit import Exhibit, with_spread
from delog_nb.lab.charts.network import network
from delog_nb.lab.charts.style import COLORS, METHOD_COLORS, method_style
from delog_nb.measure.paths import paths

Drawn = set[tuple[Any, ...]]


def number(value: Any) -> Any:
    return round(float(value), 9) if isinstance(value, int | float) and value == value else value


def lines_drawn(exhibit: Exhibit) -> Drawn:
    """(name, x, y) of all marks; bands and error bars as (name ±, x, deviation)."""
    found: Drawn = set()
    for trace in exhibit.figure.data:
        if trace.fill == "toself":
            half = len(trace.x) // 2
            for x, high, low in zip(trace.x[:half], trace.y[:half], trace.y[::-1], strict=False):
                found.add((f"{trace.legendgroup} ±", number(x), number((high - low) / 2)))
            continue
        for k, (x, y) in enumerate(zip(trace.x, trace.y, strict=True)):
            found.add((trace.name, number(x), number(y)))
            if trace.error_y.array is not None:
                found.add((f"{trace.name} ±", number(x), number(trace.error_y.array[k])))
    return {item for item in found if item[2] is not None}


def lines_told(exhibit: Exhibit) -> Drawn:
    return {
        (name.partition(": ")[2] or name, number(x), number(0.0 if v != v else v))
        for name, column in exhibit.table.items()
        for x, v in column.items()
        if v == v or name.endswith(" ±")
    }


def seeded(count: int) -> dict[int, list[float]]:
    rng = random.Random(count)
    return {x: [rng.random() for _ in range(3)] for x in range(1, count + 1)}


@pytest.mark.parametrize(
    ("series", "more"),
    [
        ({"BP": [0.5, 0.75], "AL": {1: 0.25, 2: None}}, {}),
        ({"BP": seeded(4)}, {"levels": {"chance": 0.1}}),
        ({"BP": seeded(20)}, {}),
        ({"sigmoid": {2: 1e-3, 16: 1e-9}}, {"log": "xy"}),
        ({"r₁": {"a": 0.5, "b": 0.25}, "r₂": {"a": 0.1}}, {"marks": ["r₂"], "grey": ["r₁"]}),
    ],
)
@pytest.mark.parametrize("axis", ["Accuracy (%)", "Size"])
def test_lines_are_the_tables_columns(series: Any, more: Any, axis: str) -> None:
    shown = lab.lines(series, "Title", "x", axis, **more)
    drawn = lines_drawn(shown)
    assert drawn == {t for t in lines_told(shown) if t in drawn or t[2] != 0}
    scale = 100 if axis.endswith("(%)") else 1
    name, line = next(iter(series.items()))
    x, value = next(iter(line.items())) if isinstance(line, dict) else (1, line[0])
    values = value if isinstance(value, list) else [value]
    assert shown.table.loc[x, name] == pytest.approx(scale * statistics.fmean(values))
    if len(values) > 1:
        assert shown.table.loc[x, f"{name} ±"] == pytest.approx(scale * statistics.stdev(values))


def test_panels_of_lines_have_their_own_axes_columns_and_levels() -> None:
    shown = lab.lines(
        {"class": {"BP": [0.5, 0.75]}, "size": {"BP": [3, 4]}},
        "Two",
        "Block",
        {"class": "Accuracy (%)", "size": "Size"},
        panels=True,
        levels={"guessing": {"class": 0.1, "size": 0}},
    )
    assert shown.table.to_dict("list") == {
        "class: BP": [50, 75],
        "class: guessing": [10, 10],
        "size: BP": [3, 4],
        "size: guessing": [0, 0],
    }
    titles = shown.figure.layout.yaxis.title.text, shown.figure.layout.yaxis2.title.text
    assert titles == ("Accuracy (%)", "Size")
    assert {t.yaxis for t in shown.figure.data} == {"y", "y2"}
    assert [t.name for t in shown.figure.data if t.showlegend] == ["BP", "guessing"]


def test_bars_are_the_tables_cells_and_their_sums_stand_at_the_ends() -> None:
    values = {"BP": {"stays": 3, "goes": 5.5}, "AL": {"stays": 4}}
    shown = lab.bars(values, "Memory", "Memory (MB)", spread={"BP": (8, 9)})
    drawn = {
        (trace.name, y, x)
        for trace in shown.figure.data
        if trace.type == "bar"
        for x, y in zip(trace.x, trace.y, strict=True)
        if x is not None
    }
    table = shown.table
    assert drawn == {
        (part, bar, table.loc[bar, part])
        for part in ("stays", "goes")
        for bar in table.index
        if table.loc[bar, part] == table.loc[bar, part]
    }
    ends = next(trace for trace in shown.figure.data if trace.type == "scatter" and trace.text)
    assert list(table["all"]) == [8.5, 4]
    assert [text.strip() for text in ends.text] == ["8.5", "4"]
    assert list(ends.x) == [9, 4]  # beyond the spread
    with pytest.raises(ValueError, match="lengths would not add up"):
        lab.bars(values, "Memory", "MB", log=True)


@pytest.mark.parametrize("log", [False, True])
def test_heat_colours_what_the_table_says(log: bool) -> None:
    cells = {"SCL₁": {"f₁": 0.5, "f₂": None}, "SCL₂": {"f₁": 1e-4, "f₂": 2.0}}
    shown = lab.heat(cells, "Reach", "Block", "Loss", "Norm", log=log)
    (trace,) = shown.figure.data
    for row, name in enumerate(trace.y):
        told = shown.table.set_index("Loss").loc[name]
        for column, block in enumerate(trace.x):
            level, text = trace.z[row][column], trace.text[row][column]
            if told[block] != told[block]:
                assert (level, text) == (None, "–")
            else:
                assert level == pytest.approx(math.log10(told[block]) if log else told[block])
                assert text == with_spread(told[block], math.nan)
    assert "1.0e-04 (SCL₂, f₁) to 2 (SCL₂, f₂)" in shown.says


def test_kinds_have_their_own_colour_sign_and_entry_in_the_legend() -> None:
    cells = {"f₁": {"f₁": "own", "f₂": "other"}, "f₂": {"f₁": "other", "f₂": "own"}}
    shown = lab.heat(cells, "Who", "Block", "Loss", kinds={"own": "●", "other": ""})
    heat, *legend = shown.figure.data
    assert [list(row) for row in heat.z] == [[0, 1], [1, 0]]
    assert [list(row) for row in heat.text] == [["●", ""], ["", "●"]]
    assert [trace.name for trace in legend] == ["● own", " other"]
    assert shown.table["f₁"].tolist() == ["own", "other"]
    assert shown.says == "Who. own: 2 cells; other: 2 cells."


def test_points_are_the_tables_rows() -> None:
    points = {"BP": [(0.5, 0.25), (0.75, 1.0)], "AL": [(0.1, 0.2)]}
    shown = lab.scatter(points, "Title", "Share (%)", "Size")
    drawn = {(t.name, x, y) for t in shown.figure.data for x, y in zip(t.x, t.y, strict=True)}
    assert drawn == set(shown.table.itertuples(index=False, name=None))
    assert ("BP", 50, 0.25) in drawn


def test_named_rows_stand_from_top_to_bottom_with_their_intervals() -> None:
    points = {"holds": [(0.02, "A", 0.01, 0.04)], "fails": [(-0.01, "B", -0.02, 0.0)]}
    shown = lab.scatter(points, "Title", "Difference (points)", level=0)
    axis = shown.figure.layout.yaxis
    assert axis.ticktext == ("A", "B")
    assert axis.range[0] > axis.range[1]
    ends = {
        (t.name, number(x - low), number(x + high))
        for t in shown.figure.data
        for x, low, high in zip(t.x, t.error_x.arrayminus, t.error_x.array, strict=True)
    }
    table = shown.table
    told = zip(table["Name"], table["low"], table["high"], strict=True)
    assert ends == {(name, number(low), number(high)) for name, low, high in told}
    assert ends == {("holds", 1.0, 4.0), ("fails", -2.0, 0.0)}
    assert [round(t.y[0]) for t in shown.figure.data] == [0, 1]


def test_single_values_by_row_make_a_table_of_rows_and_columns() -> None:
    points = {"BP": [(1.0, "memory"), (1.0, "time")], "AL": [(0.5, "memory"), (2.0, "time")]}
    table = lab.scatter(points, "Costs", "Multiple of BP's", log=True).table
    assert table.loc["AL"].to_dict() == {"memory": 0.5, "time": 2.0}


def test_a_network_draws_a_box_for_each_layer_and_a_cut_between_components() -> None:
    cut: list[dict[str, Any]] = [
        {"Layers": ["f₁", "f₂"], "Heads": ["g"], "Loss": "SCL₁"},
        {"Layers": ["f₃"], "Loss": "CE₂"},
    ]
    whole = [{"Layers": ["f₁", "f₂", "f₃"], "Loss": "CE"}]
    shown = network({"Delog-SCL": cut, "BP": whole, "use": [{"Layers": ["f₁"]}]}, "Cuts")
    texts = [note.text for note in shown.figure.layout.annotations]
    assert [texts.count(f) for f in ("f₁", "f₃", "g", "SCL₁", "CE₂", "CE")] == [3, 2, 1, 1, 1, 1]
    assert len(shown.figure.layout.shapes) == 3 + 1 + 3 + 1
    (marks,) = (t for t in shown.figure.data if t.name and t.name.startswith("detach"))
    assert len(marks.x) == 1
    colors = {t.name: t.line.color for t in shown.figure.data if t.name and "gradients" in t.name}
    assert colors == {
        "gradients of Delog-SCL": method_style("delog-scl")["color"],
        "gradients of BP": method_style("bp")["color"],
    }
    assert shown.table["Layers"].tolist() == ["f₁, f₂", "f₃", "f₁, f₂, f₃", "f₁"]


def test_a_loss_inside_a_component_stands_above_its_own_layer() -> None:
    inside = {"f₁": {"Heads": ["g"], "Loss": "SCL₁"}}
    flow = [{"Layers": ["f₁", "f₂", "f₃"], "Inside": inside, "Loss": "CE"}]
    shown = network({"BP": [{"Layers": ["f₁"], "Loss": "CE"}], "SCL, one flow": flow}, "Flows")
    notes = [(note.text, note.x, note.y) for note in shown.figure.layout.annotations]
    at = {text: (x, y) for text, x, y in notes}  # of the second row, which comes later
    assert at["SCL₁"][0] == at["g"][0] == at["f₁"][0]
    assert at["CE"][0] == at["f₃"][0]
    assert (
        at["f₁"][1]
        < at["g"][1]
        < at["SCL₁"][1]
        < min(y for text, _, y in notes if text == "<b>BP</b>")
    )
    assert shown.table["Loss"].tolist() == ["CE", "SCL₁ + CE"]
    assert "f₁ f₂ f₃ by SCL₁ + CE" in shown.says


def test_pictures_show_every_image_at_its_place() -> None:
    rows = {"dark": torch.zeros(2, 1, 4, 4).byte(), "light": torch.full((2, 3, 4, 4), 200).byte()}
    shown = lab.pictures(rows, "Two rows")
    assert shown.figure.layout.yaxis.ticktext == ("dark", "light")
    assert shown.table.to_dict("list") == {"Row": ["dark", "light"], "Images": [2, 2]}
    import base64
    import io

    source = shown.figure.data[0].source.partition(",")[2]
    picture = Image.open(io.BytesIO(base64.b64decode(source)))
    step = picture.width // 2
    pixels = [
        picture.getpixel((x + step // 2, y + step // 2)) for y in (0, step) for x in (0, step)
    ]
    assert pixels == [(0, 0, 0, 255)] * 2 + [(200, 200, 200, 255)] * 2
    assert picture.getpixel((0, 0))[3] == 0  # a gap, which is of the page's colour


def test_methods_have_their_colours_and_variants_another_dash() -> None:
    names = [entry.label for entry in METHODS.values()]
    shown = lab.lines({name: [1, 2] for name in [*names, f"{names[0]}, K = 2"]}, "t", "x", "y")
    *own, variant = shown.figure.data
    assert [t.line.color for t in own] == [method_style(m)["color"] for m in METHODS]
    assert variant.line.color == own[0].line.color
    assert variant.line.dash != own[0].line.dash
    borrowed = lab.lines({"x": [1], "y": [1]}, "t", "x", "y", styles={"x": names[0], "y": 3})
    assert [t.line.color for t in borrowed.figure.data] == [own[0].line.color, COLORS[3]]
    last = lab.lines({"x": [1], "y": [1]}, "t", "x", "y", styles={"x": len(COLORS) - 1})
    assert [t.line.color for t in last.figure.data] == [COLORS[-1], COLORS[0]]
    beside = lab.lines({names[0]: [1], "y": [1], "z": [1]}, "t", "x", "y")
    assert len({t.line.color for t in beside.figure.data}) == 3
    assert not {t.line.color for t in beside.figure.data[1:]} & {*METHOD_COLORS}


def test_names_are_text_and_not_markup() -> None:
    """Apart from sub-indices and bold, which labels of the course have."""
    bad = "<img src=x onerror=alert(1)>"
    for shown in (
        lab.lines({bad: [1, 2]}, "t", "x", "y"),
        lab.bars({bad: {bad: 1, "b": 2}}, "t", "x"),
        lab.heat({bad: {bad: 1}}, "t", "x", "y"),
        lab.scatter({bad: [(1, bad)]}, bad, "x"),
        lab.gantt({bad: [(0, 1, "B1", bad)]}, "t", "x"),
    ):
        assert "<img" not in shown.folded().html
        assert "<img" not in shown.figure.to_json().replace("\\u003c", "<")


EXHIBITS = {
    "lines": lambda: lab.lines({"BP": seeded(4)}, "Lines", "Epoch", "Accuracy (%)"),
    "bars": lambda: lab.bars({"BP": 1, "AL": 2}, "Bars", "Memory (MB)"),
    "heat": lambda: lab.heat({"a": {"b": 1}}, "Heat", "x", "y", "z"),
    "scatter": lambda: lab.scatter({"BP": [(1, 2)]}, "Points", "x", "y"),
    "cut_network": lambda: lab.cut_network({"BP": paths(tiny(), data.load(tiny()))}, "Network"),
    "gantt": lambda: lab.gantt({"machine": [(0, 1, "B1")]}, "Gantt", "Time (s)"),
    "pictures": lambda: lab.pictures({"row": torch.zeros(1, 1, 4, 4).byte()}, "Pictures"),
}


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_is_saved_as_numbers(name: str, tmp_path: Path) -> None:
    shown = EXHIBITS[name]()
    saved = pd.read_csv(shown.save(tmp_path / f"{name}.csv"))
    expected = shown.table.reset_index() if shown.table.index.name else shown.table
    assert list(saved) == list(expected)
    assert len(saved) == len(expected)
    for column in expected.select_dtypes("number"):
        assert saved[column].tolist() == pytest.approx(expected[column].tolist(), nan_ok=True)


def test_an_exhibit_says_how_it_can_be_saved(tmp_path: Path) -> None:
    shown = EXHIBITS["lines"]()
    with pytest.raises(ValueError, match=r"saved as \.html, \.csv, \.png, \.svg, not as 'x\.gif'"):
        shown.save(tmp_path / "x.gif")
    code = (
        "import sys; sys.modules['kaleido'] = None  # as if it were not installed\n"
        "from delog_nb import lab\n"
        "lab.lines({'BP': [1, 2]}, 'Lines', 'x', 'y').save('x.png')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[-1].startswith("ValueError: .png needs Chromium and the extra")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
def test_an_exhibit_is_saved_as_an_image(tmp_path: Path) -> None:
    shown = EXHIBITS["bars"]()
    with Image.open(shown.save(tmp_path / "x.png")) as picture:
        assert picture.width > 300
    root = ElementTree.parse(shown.save(tmp_path / "x.svg")).getroot()
    texts = " ".join("".join(node.itertext()) for node in root.iter())
    assert "Memory (MB)" in texts


@pytest.fixture
def tab() -> Iterator[Any]:
    with chromium(offline=True, width=390, height=800) as page:
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("name", EXHIBITS)
def test_a_saved_page_opens_alone_and_unfolds_its_table(
    name: str, tab: Any, tmp_path: Path
) -> None:
    shown = EXHIBITS[name]()
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(shown.save(tmp_path / "page.html").as_uri())
    tab.wait_for_selector(".js-plotly-plot .main-svg, figure [role=status]")
    assert tab.locator("figcaption").inner_text() == shown.figure.layout.title.text
    table = tab.locator("details table")
    assert not table.is_visible()
    tab.locator("summary").click()
    table.wait_for(state="visible")
    readable = shown.readable()
    rows = [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]
    assert rows == readable.astype(str).to_numpy().tolist()
    assert problems == []


def test_a_notebook_gets_the_figure_and_the_folded_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    shown = EXHIBITS["lines"]()
    figure, table = shown.outputs()
    assert figure["application/vnd.plotly.v1+json"]["data"]
    assert table["text/html"].startswith("<details><summary>BP: ")
    assert table["text/plain"].splitlines()[0] == shown.says == repr(shown)
    assert len(table["text/plain"].splitlines()) == 2 + len(shown.table)


def test_a_long_table_is_cut_where_it_is_folded_and_saved_whole(tmp_path: Path) -> None:
    shown = lab.scatter({"BP": [(n, n) for n in range(1000)]}, "Points", "x", "y")
    folded = shown.folded()
    assert folded.html.count("<tr>") == 1 + 200 + 1
    assert "… 800 more" in folded.html
    assert "… 800 more" in folded.plain
    assert len(pd.read_csv(shown.save(tmp_path / "points.csv"))) == 1000
