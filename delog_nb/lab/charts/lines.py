"""Lines over a common x: curves, formulas beside what was counted, sizes on a log axis."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.instruments.spread import mean_and_std
from delog_nb.lab.charts.exhibit import (
    Exhibit,
    escaped,
    points_of,
    round_ticks,
    scale_of,
    sentence,
    written,
)
from delog_nb.lab.charts.style import FAINT, SOFT, Styles, dressed, faded, styles_of

# x: a value, None, or one value a seed; a plain sequence begins at x = 1
Line = Mapping[Any, float | Sequence[float] | None] | Sequence[float | None]
_FEW = 8  # points: so many have bars for their deviation, more of them a band
_TICKS = 10  # values of x that each get a tick


def lines(
    series: Mapping[str, Any],
    title: str,
    x: str,
    y: str | Mapping[str, str],
    *,
    panels: bool = False,
    log: str = "",
    marks: Collection[str] = (),
    levels: Mapping[str, Any] | None = None,
    styles: Styles | None = None,
    grey: Collection[str] = (),
    digits: str = "",
    says: str = "",
) -> Exhibit:
    """A line for each entry of ``series``; where a point has several values, mean and deviation.

    Args:
        series: by name, values by x: ``{"BP": {1: 0.41, 2: [0.52, 0.55]}}``; a plain sequence
            begins at x = 1
        title: of the figure
        x: the axis, with its unit
        y: the axis, with its unit; one in ``(%)`` or ``(points)`` takes shares and draws
            percent. With ``panels`` it may be a mapping, by panel
        panels: ``series`` is by panel first; panels stand side by side
        log: the logarithmic axes: "x", "y" or "xy"
        marks: names that are drawn as marks alone, in the colour of the line before, which has none
        levels: by name a value for all x, or with ``panels`` by panel: grey dotted lines
        styles: by name whose colour and dash it takes: a method's label, or a place in the palette
        grey: names that stay in the background
        digits: format specification of the table's numbers
        says: the text alternative; default: where each line begins and ends

    >>> shown = lines({"ReLU": {2: 0.5, 4: 0.25}}, "Gradients", "Blocks", "Size", log="y")
    >>> shown.table["ReLU"].tolist()
    [0.5, 0.25]
    """
    by_panel = {str(name): own for name, own in series.items()} if panels else {"": series}
    axes = {panel: y[panel] if isinstance(y, Mapping) else y for panel in by_panel}
    shared = len(set(axes.values())) == 1
    figure = make_subplots(
        cols=max(1, len(by_panel)),
        shared_yaxes=shared,
        horizontal_spacing=(0.04 if shared else 0.1) if len(by_panel) < 5 else 0.02,
        subplot_titles=[escaped(name) for name in by_panel] if panels else None,
    )
    table: dict[str, dict[Any, float]] = {}
    told, heights = [], list[float]()
    known: set[str] = set()
    for col, (panel, own) in enumerate(by_panel.items(), 1):
        scale = scale_of(axes[panel])
        given = {name: points_of(line) for name, line in own.items()}
        xs = list(dict.fromkeys(at for points in given.values() for at in points))
        if all(isinstance(at, (int, float)) for at in xs):  # else a level's line runs back
            xs.sort()
        for name, level in (levels or {}).items():
            value = level[panel] if isinstance(level, Mapping) else level
            given[name] = {at: [float(value)] for at in xs}
        heights = heights if shared else []
        looks = styles_of([n for n in given if n not in (levels or {})], styles, marks)
        for name, points in given.items():
            drawn = {at: mean_and_std([scale * v for v in vs]) for at, vs in points.items()}
            if "y" in log:  # there is no place for 0
                drawn = {at: p if p[0] > 0 else (math.nan, math.nan) for at, p in drawn.items()}
            is_level = name in (levels or {})
            style = looks.get(name, {"color": SOFT, "dash": "dot", "symbol": "circle"})
            if name in grey:
                style = style | {"color": FAINT, "dash": "solid"}
            bare = is_level or bool(marks) or name in grey or len(drawn) > 30
            mode = "markers" if name in marks else "lines" if bare else "lines+markers"
            _draw(
                figure, col, name, drawn, style, mode,
                legend=name not in known, unit=axes[panel],
            )  # fmt: skip
            known.add(name)
            column = f"{panel}: {name}" if panels else name
            table[column] = {at: mean for at, (mean, _) in drawn.items()}
            if any(spread == spread for _, spread in drawn.values()):
                table[f"{column} ±"] = {at: spread for at, (_, spread) in drawn.items()}
            there = [mean for mean, _ in drawn.values() if mean == mean]
            heights += there
            if there and not is_level:
                told.append(f"{column}: {written(there[0])} to {written(there[-1])}")
        _x_axis(figure, col, xs, x, log)
        _y_axis(figure, None if shared else col, heights, axes[panel], log)
    if shared:
        figure.update_yaxes(title_text="")
        figure.update_yaxes(title_text=next(iter(axes.values()), ""), row=1, col=1)
    dressed(figure, title, 460 if panels else 420, sum(len(n) + 8 for n in known))
    if panels:
        figure.update_annotations(font_size=14)
        figure.update_layout(margin={"t": figure.layout.margin.t + 26})
    figure.update_layout(showlegend=len(known) > 1, hovermode="x unified")
    frame = pd.DataFrame(table)
    if pd.api.types.is_numeric_dtype(frame.index):
        frame = frame.sort_index()
    frame.index.name = x
    return Exhibit(figure, frame, says or sentence(title, _told(told)), digits)


def _told(told: Sequence[str]) -> str:
    return "; ".join(told[:6]) + (f"; and {len(told) - 6} more" if len(told) > 6 else "")


def _draw(
    figure: go.Figure,
    col: int,
    name: str,
    drawn: Mapping[Any, tuple[float, float]],
    style: Mapping[str, Any],
    mode: str,
    *,
    legend: bool,
    unit: str,
) -> None:
    at = list(drawn)
    means = [None if mean != mean else mean for mean, _ in drawn.values()]
    spreads = [0.0 if spread != spread else spread for _, spread in drawn.values()]
    label = escaped(name)
    if any(spreads) and len(at) > _FEW:
        edges = [m + s for m, s in zip(means, spreads, strict=True) if m is not None]
        edges += [m - s for m, s in zip(means, spreads, strict=True) if m is not None][::-1]
        inside = [a for a, m in zip(at, means, strict=True) if m is not None]
        figure.add_scatter(
            x=inside + inside[::-1], y=edges, mode="lines", fill="toself", line={"width": 0},
            fillcolor=faded(style["color"], 0.15), hoverinfo="skip", showlegend=False,
            legendgroup=label, row=1, col=col,
        )  # fmt: skip
    bars = {"array": spreads, "thickness": 1.5, "color": style["color"]}
    figure.add_scatter(
        x=at,
        y=means,
        name=label,
        legendgroup=label,
        showlegend=legend,
        mode=mode,
        cliponaxis=False,
        line={"color": style["color"], "dash": style["dash"], "width": 2.5},
        marker={"symbol": style["symbol"], "size": 9, "color": style["color"]},
        error_y=bars if any(spreads) and len(at) <= _FEW else None,
        hovertemplate=f"%{{y:.3g}}{' %' if scale_of(unit) > 1 else ''}",
        row=1,
        col=col,
    )


def _x_axis(figure: go.Figure, col: int, xs: Sequence[Any], x: str, log: str) -> None:
    axis: dict[str, Any] = {"title_text": x}
    if not all(isinstance(at, int | float) for at in xs):
        axis["type"] = "category"
    elif "x" in log:
        axis["type"] = "log"
        few = {"tickvals": sorted(xs), "ticktext": [written(at) for at in sorted(xs)]}
        axis |= few if len(xs) <= _TICKS else round_ticks()
    elif all(isinstance(at, int) for at in xs) and len(xs) <= _TICKS:
        axis["tickvals"] = sorted(xs)
    figure.update_xaxes(axis, row=1, col=col)


def _y_axis(figure: go.Figure, col: int | None, heights: Sequence[float], y: str, log: str) -> None:
    axis: dict[str, Any] = {"title_text": y}
    if "y" in log:
        powers = [math.log10(v) for v in heights if v > 0] or [0.0]
        span = max(powers) - min(powers)
        axis["type"] = "log"
        if span < 2 and min(powers) > -3 and max(powers) < 8:
            axis |= round_ticks(span)
        else:
            exponent = "power" if span > 4 else "none"
            axis |= {"dtick": max(1, math.ceil(span / 8)), "exponentformat": exponent}
    elif heights and 0 <= min(heights) < 0.3 * max(heights):
        axis["rangemode"] = "tozero"
    figure.update_yaxes(axis, row=1 if col else None, col=col)
