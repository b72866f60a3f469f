"""One look for all figures: colours that colour-blind people tell apart, a dash for each method."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from plotly.io._base_renderers import PngRenderer

from delog_nb.experiment.registry import METHODS

# Okabe & Ito (2008), the darker ones first: all stay readable on white and on dark grey.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")

_places: dict[str, int] = {}  # of methods that declare none, in the order in which they are drawn


class _Images(PngRenderer):
    """Figures stored in notebooks as images: 1000 pixels wide, or as their ``meta`` says."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, Any]:
        meta = fig_dict.get("layout", {}).get("meta") or {}
        self.width = meta.get("image_width", 1000)
        bundle: dict[str, Any] = super().to_mimebundle(fig_dict)
        return bundle


pio.renderers["png"] = _Images()
if pio.renderers.default == "png":  # plotly has looked it up already
    pio.renderers.default = "png"


def method_style(method: str) -> dict[str, Any]:
    """Colour, dash and symbol of a method, the same in every figure."""
    declared = {name: entry.style for name, entry in METHODS.items() if entry.style is not None}
    if method in declared:
        return line_style(declared[method])
    return line_style(_places.setdefault(method, len(declared) + len(_places)))


def line_style(place: int) -> dict[str, Any]:
    """Colour, dash and symbol of a figure's line number ``place``, from 0."""
    place %= len(COLORS)
    return {"color": COLORS[place], "dash": DASHES[place], "symbol": SYMBOLS[place]}


def drawn(style: dict[str, Any], size: float = 8, width: float = 2.5) -> dict[str, Any]:
    """A style as `add_scatter` takes it: a line ``width`` pixels wide, marks of ``size`` pixels."""
    return {
        "mode": "lines+markers",
        "line": {"color": style["color"], "dash": style["dash"], "width": width},
        "marker": {"symbol": style["symbol"], "size": size},
    }


def faded(color: str, alpha: float) -> str:
    """``#rrggbb`` as an rgba text.

    >>> faded("#0072B2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def legend_below(figure: go.Figure, gap: float = 0.2, **margin: int) -> go.Figure:
    """Put the legend ``gap`` of the plot's height below it, in a row; ``margin`` in pixels."""
    legend = {"orientation": "h", "x": 0, "y": -gap, "yanchor": "top"}
    return figure.update_layout(legend=legend, margin=margin)


def layout(figure: go.Figure, title: str, x: str, y: str, height: int = 420) -> go.Figure:
    """Give ``figure`` its title, axis names (with units) and the common look."""
    figure.update_layout(
        title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 18}},
        xaxis_title=x,
        yaxis_title=y,
        height=height,
        template="plotly_white",
        font={"size": 14},
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        legend={"title": None},
        hovermode="x unified",
    )
    return figure
