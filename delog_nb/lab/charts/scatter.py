"""Points: one quantity against another, or rows of values with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from plotly.subplots import make_subplots

from delog_nb.lab.charts.exhibit import Exhibit, escaped, round_ticks, scale_of, sentence, written
from delog_nb.lab.charts.style import SOFT, Styles, dressed, styles_of

Point = tuple[Any, ...]  # (x, y), or (x, y, low, high) with the interval of x


def scatter(
    points: Mapping[str, Any],
    title: str,
    x: str,
    y: str = "",
    *,
    panels: bool = False,
    log: bool = False,
    level: float | None = None,
    square: bool = False,
    styles: Styles | None = None,
    digits: str = "",
    says: str = "",
) -> Exhibit:
    """Marks at (x, y), a colour and a symbol for each entry of ``points``.

    Where y is a name, each name is a row of the figure, from top to bottom.

    Args:
        points: by name, points (x, y), or (x, y, low, high) with an interval of x
        title: of the figure
        x: the axis, with its unit; one in ``(%)`` or ``(points)`` takes shares and draws percent
        y: the axis of numbers, likewise
        panels: ``points`` is by panel first; panels stand side by side
        log: a logarithmic x axis
        level: an upright line at this x, in drawn units
        square: x and y have the same scale, and no axes
        styles: by name whose look it takes: a method's label, or a place in the palette
        digits: format specification of the table's numbers
        says: the text alternative; default: how many points each name has, and their range of x

    >>> scatter({"BP": [(1.5, "memory")]}, "Costs", "Multiple of BP's").table["memory"].tolist()
    [1.5]
    """
    by_panel = points if panels else {"": points}
    figure = make_subplots(
        cols=max(1, len(by_panel)),
        horizontal_spacing=0.03 if square else 0.08,
        subplot_titles=[escaped(name) for name in by_panel] if panels else None,
    )
    wide, high = scale_of(x), scale_of(y)
    rows = list(
        dict.fromkeys(
            point[1]
            for own in by_panel.values()
            for found in own.values()
            for point in found
            if isinstance(point[1], str)
        )
    )
    known: set[str] = set()
    table: list[dict[str, Any]] = []
    for col, (panel, own) in enumerate(by_panel.items(), 1):
        looks = styles_of(own, styles)
        for name, found in own.items():
            style = looks[name]
            xs = [wide * point[0] for point in found]
            ends = [
                (wide * p[2], wide * p[3]) if len(p) > 2 else (v, v)
                for v, p in zip(xs, found, strict=True)
            ]
            lows = [v - low for v, (low, _) in zip(xs, ends, strict=True)]
            highs = [top - v for v, (_, top) in zip(xs, ends, strict=True)]
            down = [
                rows.index(p[1]) + _apart(own, name, p[1]) if rows else high * p[1] for p in found
            ]
            figure.add_scatter(
                x=xs,
                y=down,
                error_x={
                    "type": "data", "symmetric": False,
                    "array": [high or None for high in highs],  # None: without ends
                    "arrayminus": [low or None for low in lows],
                    "thickness": 2, "width": 4,
                } if any(lows + highs) else None,
                mode="markers",
                name=escaped(name),
                legendgroup=escaped(name),
                showlegend=name not in known,
                marker={
                    "color": style["color"], "symbol": style["symbol"],
                    "size": 6 if len(found) > 30 else 12, "line": {"width": 1, "color": "white"},
                },
                text=[escaped(point[1]) for point in found] if rows else None,
                hovertemplate=("%{text}: %{x:.3g}" if rows else "%{x:.3g}, %{y:.3g}"),
                row=1,
                col=col,
            )  # fmt: skip
            known.add(name)
            for x0, point in zip(xs, found, strict=True):
                row = {"Panel": panel} if panels else {}
                row |= {"Name": name, "x": x0, "y": point[1] if rows else high * point[1]}
                if len(point) > 2:
                    row |= {"low": wide * point[2], "high": wide * point[3]}
                table.append(row)
    dressed(figure, title, 190 + 44 * len(rows) if rows else 420, sum(len(n) + 8 for n in known))
    if panels:
        figure.update_layout(margin={"t": figure.layout.margin.t + 26})
    figure.update_layout(showlegend=len(known) > 1)
    # beside the names of rows little room is left for a title
    shown = "<br>".join(textwrap.wrap(x, 28)) if rows else x
    figure.update_xaxes(title_text=shown, type="log" if log else "linear")
    figure.update_yaxes(title_text=y, col=1)
    if log:
        figure.update_xaxes(round_ticks())
    if rows:
        figure.update_yaxes(
            tickvals=list(range(len(rows))), ticktext=[escaped(row) for row in rows],
            range=[len(rows) - 0.4, -0.6], ticksuffix="  ", automargin=True, zeroline=False,
        )  # fmt: skip
    if not table:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        figure.add_annotation(
            text=_EMPTY, showarrow=False, font_size=16, xref="paper", yref="paper", x=0, y=1,
            xanchor="left", yanchor="top",
        )  # fmt: skip
        figure.update_layout(height=160)
        says = says or sentence(title, _EMPTY)
    if level is not None and table:
        figure.add_vline(x=level, line={"color": SOFT, "width": 2})
    if square:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        for axis in figure.select_yaxes():
            axis.update(scaleanchor=axis.anchor, scaleratio=1)
    return Exhibit(
        figure, _as_table(table, bool(rows), x, y), says or _told(title, table, x), digits
    )


_EMPTY = "Nothing to show yet"


def _apart(own: Mapping[str, Sequence[Point]], name: str, row: str) -> float:
    """How far below the row's middle a name's points stand, so that none hides another."""
    there = [other for other, found in own.items() if any(p[1] == row for p in found)]
    return 0.6 * ((there.index(name) + 0.5) / len(there) - 0.5)


def _as_table(found: Sequence[Mapping[str, Any]], rows: bool, x: str, y: str) -> pd.DataFrame:
    """A row for each point; with named rows and single values, a column for each."""
    frame = pd.DataFrame(found)
    if rows and "low" not in frame and not frame.duplicated(["Name", "y"]).any():
        wide = frame.pivot_table(index="Name", columns="y", values="x", sort=False)
        wide.columns.name = None
        return wide
    return frame.rename(columns={"x": x or "x", "y": "Row" if rows else y or "y"})


def _told(title: str, table: Sequence[Mapping[str, Any]], x: str) -> str:
    told = []
    for name in dict.fromkeys(row["Name"] for row in table):
        xs = [row["x"] for row in table if row["Name"] == name]
        span = f"{written(min(xs))} to {written(max(xs))}"
        told.append(f"{name}: {written(xs[0]) if len(xs) == 1 else f'{len(xs)} marks, {span}'}")
    return sentence(title, f"{x or 'Across'}: {'; '.join(told[:8])}")
