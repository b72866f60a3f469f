"""Forward paths, gradients and the inference path of a network with local losses, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go

from delog_nb.components import Component, count_parameters
from delog_nb.config import Experiment
from delog_nb.lab.diagram import built
from delog_nb.lab.style import COLORS

_WIDTH, _HIGH = 0.5, 0.36  # of a box; boxes of a row stand 1 apart
_HEAD, _LOSS, _INFER = 1.0, 1.85, -1.55  # heights of heads, losses and the inference row
_FORWARD, _GRADIENT, _CUT, _PREDICT = "#57606a", COLORS[0], COLORS[1], COLORS[2]
_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Point = tuple[float, float]


def sub(letter: str, number: int) -> str:
    """A symbol with its index, in plain text.

    >>> sub("f", 12)
    'f₁₂'
    """
    return letter + str(number).translate(_DIGITS)


def _parts(experiment: Experiment) -> list[Component]:
    """The components; each has to own one layer, or a path would be of several boxes.

    Raises:
        ValueError: a component owns several layers.
    """
    parts = built(experiment).parts()
    if any(len(part.layers) > 1 for part in parts):
        raise ValueError(
            f"paths are drawn for components of one layer each: components = "
            f"{len(parts)} with depth = {experiment.depth} has longer ones"
        )
    return parts


def paths_figure(experiment: Experiment) -> go.Figure:
    """Above: the forward path and the gradient of each component. Below: the inference path."""
    parts = _parts(experiment)
    last = len(parts) - 1
    figure = go.Figure()
    forward: list[Sequence[Point]] = []
    gradient: list[Sequence[Point]] = []
    cuts: list[Point] = []
    for place, part in enumerate(parts):
        middle = place + _WIDTH / 2
        _box(figure, place, 0, sub("f", place + 1), effective=True)
        forward.append([(place - 1 + _WIDTH, 0), (place, 0)] if place else [(-0.42, 0), (0, 0)])
        if place:
            cuts.append((place - (1 - _WIDTH) / 2, 0))
        has_head = any(True for _ in part.objective.parameters())
        stops = [0.0, _LOSS]
        if has_head:
            _box(figure, place, _HEAD, sub("g", place + 1), effective=False)
            stops = [0.0, _HEAD, _LOSS]
        for low, high in pairwise(stops):
            top = high - (_HIGH / 2 if high < _LOSS else 0.17)
            forward.append([(middle - 0.1, low + _HIGH / 2), (middle - 0.1, top)])
            gradient.append([(middle + 0.1, top), (middle + 0.1, low + _HIGH / 2)])
        name = sub(getattr(part.objective, "short", "loss"), place + 1)
        _text(figure, middle, _LOSS, f"<b>{name}</b>", _GRADIENT)
    infer: list[Sequence[Point]] = [[(-0.42, _INFER), (0, _INFER)]]
    for place in range(last + 1):
        _box(figure, place, _INFER, sub("f", place + 1), effective=True)
        infer.append([(place + _WIDTH, _INFER), (place + (1 if place < last else 0.92), _INFER)])
    for y in (0.0, _INFER):
        _text(figure, -0.52, y, "<b>x</b>")
    _text(figure, last + 1.0, _INFER, "<b>ŷ</b>")
    _text(figure, -1.95, _LOSS, "<b>Training</b>", left=True)
    _text(figure, -1.95, _LOSS - 0.32, f"{last + 1} short forward paths", left=True)
    _text(figure, -1.95, _INFER + 0.4, "<b>Inference</b>", left=True)
    _text(figure, -1.95, _INFER + 0.08, "one path, Eq. 6", left=True)

    _arrows(figure, forward, "forward (training)", _FORWARD, "solid")
    _arrows(figure, gradient, "gradient", _GRADIENT, "dot")
    figure.add_scatter(
        x=[x for x, _ in cuts], y=[y for _, y in cuts], mode="markers", name="detach: no way back",
        marker={"symbol": "line-ns", "size": 22, "line": {"width": 4, "color": _CUT}},
        hoverinfo="skip",
    )  # fmt: skip
    _arrows(figure, infer, "inference path", _PREDICT, "solid")
    for name, fill, edge in (
        ("effective", "#f3f4f6", "#57606a"),
        ("affiliated", "#fff4dc", COLORS[4]),
    ):
        line = {"width": 2, "color": edge}
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name,
            marker={"symbol": "square", "size": 16, "color": fill, "line": line},
        )  # fmt: skip
    figure.update_layout(
        title={
            "text": "Forward paths in training, and the inference path",
            "x": 0.02, "xanchor": "left", "font": {"size": 18},
        },
        height=470,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        template="plotly_white",
        font={"size": 14},
        legend={"title": None},
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-2.0, last + 1.2])
    figure.update_yaxes(visible=False, range=[_INFER - 0.4, _LOSS + 0.35])
    return figure


def _box(figure: go.Figure, x: float, y: float, name: str, *, effective: bool) -> None:
    figure.add_shape(
        type="rect", x0=x, x1=x + _WIDTH, y0=y - _HIGH / 2, y1=y + _HIGH / 2,
        line={
            "color": "#57606a" if effective else COLORS[4],
            "width": 1.5, "dash": "solid" if effective else "dash",
        },
        fillcolor="#f3f4f6" if effective else "#fff4dc",
    )  # fmt: skip
    _text(figure, x + _WIDTH / 2, y, name)


def _text(
    figure: go.Figure, x: float, y: float, text: str, color: str = "#1b1f23", left: bool = False
) -> None:
    figure.add_annotation(
        x=x, y=y, text=text, showarrow=False, font={"size": 15, "color": color},
        xanchor="left" if left else "center",
    )  # fmt: skip


def _arrows(
    figure: go.Figure, lines: Sequence[Sequence[Point]], name: str, color: str, dash: str
) -> None:
    """Arrows from point to point, under one entry of the legend."""
    for place, line in enumerate(lines):
        figure.add_scatter(
            x=[x for x, _ in line], y=[y for _, y in line], mode="lines+markers", name=name,
            legendgroup=name, showlegend=place == 0, hoverinfo="skip",
            line={"color": color, "dash": dash, "width": 2.5},
            marker={
                "symbol": "arrow", "angleref": "previous", "color": color, "opacity": 1,
                "size": [0] * (len(line) - 1) + [13],
            },
        )  # fmt: skip


def paths_table(experiment: Experiment) -> pd.DataFrame:
    """Each path of `paths_figure`: what it goes through, its loss, parameters, gradient flow."""
    rows = []
    parts = _parts(experiment)
    for number, part in enumerate(parts, 1):
        through = ["x" if number == 1 else f"detached {sub('r', number - 1)}", sub("f", number)]
        if any(True for _ in part.objective.parameters()):
            through.append(sub("g", number))
        rows.append(
            {
                "Path": f"forward, component {number}",
                "Goes through": " → ".join(through),
                "Ends in": sub(getattr(part.objective, "short", "loss"), number),
                "Parameters on it": f"{count_parameters(part.parameters()):,}",
                "Gradient flow (local gradients)": str(part.flow_length),
            }
        )
    effective = count_parameters(p for part in parts for p in part.layers.parameters())
    blocks = [sub("f", number) for number in range(1, len(parts) + 1)]
    rows.append(
        {
            "Path": "inference (Eq. 6)",
            "Goes through": " → ".join(["x", *blocks]),
            "Ends in": "ŷ",
            "Parameters on it": f"{effective:,}",
            "Gradient flow (local gradients)": "–",
        }
    )
    return pd.DataFrame(rows)
