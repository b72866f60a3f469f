"""Cells of a table as colours: shares, sizes over many orders of magnitude, or kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from plotly.subplots import make_subplots

from delog_nb.lab.charts.exhibit import NOTHING, Exhibit, escaped, scale_of, sentence, written
from delog_nb.lab.charts.style import COLORS, dressed

_BLUES = [[0, "#e6f0f8"], [0.5, "#6aaed6"], [1, "#08306b"]]
_KINDS = ("#eef0f2", COLORS[0], COLORS[1], COLORS[2], COLORS[4])
_WRITTEN = 20  # columns: in more of them a number could not be read


def heat(
    cells: Mapping[str, Any],
    title: str,
    x: str,
    y: str,
    z: str = "",
    *,
    panels: bool = False,
    kinds: Mapping[str, str] | None = None,
    log: bool = False,
    digits: str = "",
    says: str = "",
) -> Exhibit:
    """A coloured cell for each row and column of ``cells``.

    Args:
        cells: by row, by column a number, None where there is none, or with ``kinds`` a name
        title: of the figure
        x: what columns are
        y: what rows are
        z: what a number is, with its unit; one that is in ``(%)`` takes shares
        panels: ``cells`` is by panel first; panels stand side by side
        kinds: for cells that are names: by name the sign that is written in the cell; at most five
        log: colours by the logarithm
        digits: format specification of the numbers
        says: the text alternative; default: the largest and the least cell, or the counts of kinds

    >>> heat({"SCL₁": {"f₁": 0.5, "f₂": None}}, "Reach", "Block", "Loss", "Norm").says
    'Reach. Norm: 0.5 (SCL₁, f₁) to 0.5 (SCL₁, f₁).'
    """
    by_panel = cells if panels else {"": cells}
    figure = make_subplots(
        cols=max(1, len(by_panel)),
        shared_yaxes=len({tuple(rows) for rows in by_panel.values()}) == 1,
        horizontal_spacing=0.05,
        subplot_titles=[escaped(name) for name in by_panel] if panels else None,
    )
    scale, names = scale_of(z), list(kinds or {})
    flat = {
        (panel, row, column): value if kinds or value is None or value != value else scale * value
        for panel, rows in by_panel.items()
        for row, columns in rows.items()
        for column, value in columns.items()
    }
    level = {
        key: names.index(v) if kinds else _level(v, log) for key, v in flat.items() if v is not None
    }
    there = [v for v in level.values() if v is not None and v == v]
    low, high = float(min(there, default=0)), float(max(there, default=1))
    if kinds:
        low, high = 0.0, len(names) - 1.0
    elif scale == 100:
        low, high = 0.0, 100.0
    for col, (panel, rows) in enumerate(by_panel.items(), 1):
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        grid = [[(panel, row, column) for column in columns] for row in rows]
        text = [
            [_sign(flat.get(key), kinds, digits or (".0f" if scale == 100 else "")) for key in row]
            for row in grid
        ]
        figure.add_heatmap(
            z=[[level.get(key) for key in row] for row in grid],
            x=[escaped(column) for column in columns],
            y=[escaped(row) for row in rows],
            text=text,
            texttemplate="%{text}" if len(columns) <= _WRITTEN else None,
            textfont={"size": 16} if kinds else None,
            zmin=low,
            zmax=high if high > low else low + 1,
            xgap=2,
            ygap=2,
            colorscale=_steps(len(names)) if kinds else _BLUES,
            showscale=not kinds and col == len(by_panel) and len(columns) > _WRITTEN,
            colorbar={"title": {"text": f"{z}{', log₁₀' if log else ''}", "side": "right"},
                      "thickness": 14},
            hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
            row=1,
            col=col,
        )  # fmt: skip
    for place, name in enumerate(names):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=escaped(f"{(kinds or {})[name]} {name}"),
            marker={"symbol": "square", "size": 14, "color": _KINDS[place]},
        )  # fmt: skip
    most = max((len(rows) for rows in by_panel.values()), default=1)
    height = 210 + min(24 * most if most > 12 else 44 * most, 420)
    dressed(figure, title, height, sum(len(n) + 8 for n in names))
    if panels:
        figure.update_layout(margin={"t": figure.layout.margin.t + 26})
    figure.update_xaxes(title_text=x, type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, automargin=True)
    figure.update_yaxes(title_text=y, col=1)
    rows_of = [
        ({"Panel": panel} if panels else {}) | {y: row} | {c: flat[panel, row, c] for c in columns}
        for panel, rows in by_panel.items()
        for row, columns in rows.items()
    ]
    told = _told(flat, names, z)
    return Exhibit(figure, pd.DataFrame(rows_of), says or sentence(title, told), digits)


def _level(value: float, log: bool) -> float | None:
    if not log or value != value:
        return value
    return math.log10(value) if value > 0 else None


def _sign(value: Any, kinds: Mapping[str, str] | None, digits: str) -> str:
    return (kinds or {}).get(value, NOTHING) if kinds else written(value, digits)


def _steps(count: int) -> list[list[Any]]:
    """A colour scale of ``count`` plain colours for 0 ... count - 1."""
    edges = [max(0.0, min(1.0, (k - 0.5) / max(1, count - 1))) for k in range(count + 1)]
    return [[edges[k + end], _KINDS[k]] for k in range(count) for end in (0, 1)]


def _told(flat: Mapping[tuple[str, str, str], Any], names: list[str], z: str) -> str:
    if names:
        return "; ".join(f"{name}: {list(flat.values()).count(name)} cells" for name in names)
    known = {key: v for key, v in flat.items() if v is not None and v == v}
    if not known:
        return "No cell has a value"
    ends = min(known, key=lambda k: known[k]), max(known, key=lambda k: known[k])
    texts = [f"{written(known[key])} ({', '.join(filter(None, key))})" for key in ends]
    return f"{z}: {' to '.join(texts)}"
