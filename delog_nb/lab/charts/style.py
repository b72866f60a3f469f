"""One look for all figures: colours that colour-blind people tell apart, a dash for each method."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from PIL import Image
from plotly.io._base_renderers import PngRenderer

from delog_nb.experiment.registry import METHODS
from delog_nb.lab.charts.exhibit import escaped

# Okabe & Ito (2008), the darker ones first: all stay readable on white and on dark grey.
METHOD_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F",
)  # fmt: skip
# Everything else: nothing that is no method has a method's colour.
COLORS = ("#6A4FA3", "#A3285E", "#0F7C80", "#7A7A12", "#A997D6", "#B9A35A", "#4A5A6A", "#9DB0C0")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
INK, SOFT, FAINT = "#1b1f23", "#57606a", "#b6bec6"
GREYS = ("#d5dae0", "#a9b2bc", "#c0c8d0", "#98a2ad")  # neutral, under black text

# by name, whose style it takes: another name's, or a place's, see `line_style`
Styles = Mapping[str, str | int]

_places: dict[str, int] = {}  # of methods that declare none, in the order in which they are drawn


class _SmallPng(PngRenderer):
    """Images of 256 colours: a quarter of the bytes in a stored notebook."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        image = Image.open(io.BytesIO(pio.to_image(fig_dict, "png", width=self.width)))
        few = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(content := io.BytesIO(), "png", optimize=True)
        return {"image/png": base64.b64encode(content.getvalue()).decode()}


# stored in notebooks, figures are images of this width
pio.renderers["png"] = _SmallPng(width=1000)
pio.renderers.default = pio.renderers.default  # plotly has looked it up already


def method_style(method: str) -> dict[str, Any]:
    """Colour, dash and symbol of a method, the same in every figure."""
    declared = {name: entry.style for name, entry in METHODS.items() if entry.style is not None}
    if method in declared:
        return line_style(declared[method], METHOD_COLORS)
    place = _places.setdefault(method, len(declared) + len(_places))
    return line_style(place, METHOD_COLORS)


def line_style(place: int, colors: Sequence[str] = COLORS) -> dict[str, Any]:
    """Colour, dash and symbol of a figure's line number ``place``, from 0.

    From the ninth on colours come again, with other dashes and open symbols.
    """
    again, place = divmod(place, len(colors))
    dash, symbol = DASHES[(place + again) % len(DASHES)], SYMBOLS[place]
    return {"color": colors[place], "dash": dash, "symbol": symbol + "-open" * (again % 2)}


def style_of_method(name: str) -> dict[str, Any] | None:
    """A method's style by its label; of a variant of it (``BP, K = 1``) dotted; else None."""
    for method, entry in METHODS.items():
        if name == entry.label:
            return method_style(method)
        if name.startswith((f"{entry.label},", f"{entry.label}:")):
            return method_style(method) | {"dash": "dot", "symbol": "circle-open"}
    return None


def style_of(name: str, place: int) -> dict[str, Any]:
    """A method's style by its label or that of a variant; else by place."""
    return style_of_method(name) or line_style(place)


def styles_of(
    names: Iterable[str], styles: Styles | None = None, like_before: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """A style for each name: methods' own, the others in turn, in colours that none has yet.

    ``styles`` has, by name, the name whose style it takes, or a place; those of ``like_before``
    look like the name before.
    """
    names = list(names)
    looks = {name: (styles or {}).get(name, name) for name in names}
    chosen = {
        name: line_style(look) if isinstance(look, int) else style_of_method(look)
        for name, look in looks.items()
    }
    taken = {style["color"] for style in chosen.values() if style}
    free = [k for k in range(len(COLORS)) if COLORS[k] not in taken] or [*range(len(COLORS))]
    found: dict[str, dict[str, Any]] = {}
    used = 0
    for before, name in zip([None, *names], names, strict=False):
        if style := chosen[name]:
            found[name] = style
        elif name in like_before and before is not None:
            found[name] = found[before]
        else:
            found[name] = line_style(free[used % len(free)])
            used += 1
    return found


def faded(color: str, alpha: float) -> str:
    """``#rrggbb`` as an rgba text.

    >>> faded("#0072B2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def dressed(figure: go.Figure, title: str, height: int = 420, legend: int = 0) -> go.Figure:
    """Give ``figure`` its title, the common look, and room below for ``legend`` letters."""
    lines = textwrap.wrap(title, 54) or [""]
    return figure.update_layout(
        title={"text": "<br>".join(map(escaped, lines)),
               "x": 0.02, "xanchor": "left", "font": {"size": 18},
               "yref": "container", "y": 1, "yanchor": "top", "pad": {"t": 22 * len(lines) - 8}},
        height=height + 24 * (len(lines) - 1) + 24 * (legend // 100),
        template="plotly_white",
        font={"size": 14, "color": INK},
        margin={"l": 70, "r": 24, "t": 34 + 26 * len(lines), "b": 60},
        legend={"title": None, "orientation": "h", "x": 0, "y": 0, "yref": "container",
                "yanchor": "bottom"},
        hovermode="closest",
        # what is left: zoom, pan and back; nothing that sends a figure away
        modebar={"remove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d",
                            "toImage", "sendChartToCloud"]},
    )  # fmt: skip
