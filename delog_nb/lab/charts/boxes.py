"""Boxes, texts and arrows: what diagrams of a method are drawn with."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from delog_nb.lab.charts.exhibit import DIGITS, escaped
from delog_nb.lab.charts.style import INK, SOFT, dressed

WIDTH, HIGH = 0.6, 0.36  # of a box; boxes of a row stand 1 apart
FORWARD, CUT = SOFT, INK  # colour is the methods' alone

Point = tuple[float, float]


def sub(letter: str, number: int) -> str:
    """A symbol with its index, in plain text.

    >>> sub("f", 12)
    'f₁₂'
    """
    return letter + str(number).translate(DIGITS)


def box(figure: go.Figure, x: float, y: float, name: str, *, effective: bool) -> None:
    """A module: its left edge at ``x``, its middle at ``y``."""
    figure.add_shape(
        type="rect", x0=x, x1=x + WIDTH, y0=y - HIGH / 2, y1=y + HIGH / 2,
        line={
            "color": SOFT, "width": 1.5, "dash": "solid" if effective else "dash",
        },
        fillcolor="#f3f4f6" if effective else "#fff4dc",
    )  # fmt: skip
    text(figure, x + WIDTH / 2, y, name, size=15 if len(name) < 7 else 12)


def text(
    figure: go.Figure,
    x: float,
    y: float,
    words: str,
    color: str = INK,
    left: bool = False,
    size: int = 15,
) -> None:
    """Words at a point: centred on it, or with ``left`` beginning at it."""
    figure.add_annotation(
        x=x, y=y, text=escaped(words).replace("\n", "<br>"), showarrow=False,
        font={"size": size, "color": color},
        xanchor="left" if left else "center", align="left" if left else "center",
    )  # fmt: skip


def arrows(
    figure: go.Figure, lines: Sequence[Sequence[Point]], name: str, color: str, dash: str
) -> None:
    """Arrows from point to point, under one entry of the legend."""
    for place, line in enumerate(lines):
        figure.add_scatter(
            x=[x for x, _ in line], y=[y for _, y in line], mode="lines+markers",
            name=escaped(name), legendgroup=escaped(name), showlegend=place == 0, hoverinfo="skip",
            line={"color": color, "dash": dash, "width": 2.5},
            marker={
                "symbol": "arrow", "angleref": "previous", "color": color, "opacity": 1,
                "size": [0] * (len(line) - 1) + [13],
            },
        )  # fmt: skip


def cuts(figure: go.Figure, points: Sequence[Point], *, upright: bool = True) -> None:
    """Marks where a flow is cut: numbers go on, no gradient comes back.

    ``upright`` marks cut arrows to the right, the others arrows up or down.
    """
    name, symbol = "detach: no way back", "line-ns" if upright else "line-ew"
    shown = all(trace.name != name for trace in figure.data)
    figure.add_scatter(
        x=[x for x, _ in points], y=[y for _, y in points], mode="markers",
        name=name, legendgroup=name, showlegend=shown, hoverinfo="skip",
        marker={"symbol": symbol, "size": 22, "line": {"width": 4, "color": CUT}},
    )  # fmt: skip


def finish(
    figure: go.Figure, title: str, x: Sequence[float], y: Sequence[float], height: int
) -> go.Figure:
    """The legend of boxes, the title, the look, and what is seen of either axis."""
    for name, fill in (("effective", "#f3f4f6"), ("affiliated", "#fff4dc")):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name,
            marker={"symbol": "square", "size": 16, "color": fill,
                    "line": {"width": 2, "color": SOFT}},
        )  # fmt: skip
    dressed(figure, title, height, 120)
    figure.update_layout(margin={"l": 10, "r": 10, "b": 10})
    figure.update_xaxes(visible=False, range=list(x))
    return figure.update_yaxes(visible=False, range=list(y))
