"""A method as a picture: blocks, local losses, and how far each gradient flows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import torch

from delog_nb import methods
from delog_nb.experiment import Experiment
from delog_nb.lab.charts.style import method_style
from delog_nb.methods.component import Method, count_parameters

_WIDTH, _STEP, _ROW = 0.62, 1.0, 1.5  # a block's width, from block to block, from row to row


def built(experiment: Experiment) -> Method:
    """The method without memory for its weights."""
    with torch.device("meta"):
        return methods.build(experiment)


def _arrow(figure: go.Figure, x: tuple[float, float], y: tuple[float, float], color: str) -> None:
    figure.add_annotation(
        x=x[1], y=y[1], ax=x[0], ay=y[0], xref="x", yref="y", axref="x", ayref="y",
        showarrow=True, arrowhead=2, arrowsize=1, arrowwidth=2.2, arrowcolor=color, text="",
    )  # fmt: skip


def flows_figure(experiments: Sequence[Experiment]) -> go.Figure:
    """A row for each experiment: its layers, its losses, and a coloured arrow per gradient flow."""
    figure = go.Figure()
    most = 0
    for row, experiment in enumerate(experiments):
        _draw(figure, experiment, -_ROW * row)
        most = max(most, experiment.depth + 1)
    figure.update_layout(
        title={
            "text": "How far each gradient flows (coloured arrows); images flow to the right",
            "x": 0.02, "xanchor": "left", "font": {"size": 18},
        },
        height=110 + 130 * len(experiments),
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        template="plotly_white",
        showlegend=False,
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-1.35, most * _STEP])
    figure.update_yaxes(visible=False, range=[-_ROW * (len(experiments) - 1) - 0.75, 0.8])
    return figure


def _draw(figure: go.Figure, experiment: Experiment, y: float) -> None:
    color = method_style(experiment.method)["color"]
    figure.add_annotation(
        x=-1.3, y=y, text=f"<b>{experiment.method_label}</b>", showarrow=False,
        xanchor="left", font={"size": 15, "color": color},
    )  # fmt: skip
    place = 0
    parts = built(experiment).parts()
    for number, component in enumerate(parts, 1):
        first = place
        for _ in component.layers:
            x = place * _STEP
            output = place == experiment.depth
            figure.add_shape(
                type="rect", x0=x, x1=x + _WIDTH, y0=y - 0.2, y1=y + 0.2,
                line={"color": "#57606a"}, fillcolor="#f3f4f6",
            )  # fmt: skip
            name = "classifier" if output else f"f<sub>{place + 1}</sub>"
            figure.add_annotation(x=x + _WIDTH / 2, y=y, text=name, showarrow=False)
            if place:
                _arrow(figure, (x - _STEP + _WIDTH, x), (y, y), "#8b949e")
            place += 1
        end = (place - 1) * _STEP + _WIDTH / 2
        short = getattr(component.objective, "short", "loss")
        text = f"{short}<sub>{number}</sub>" if len(parts) > 1 else short
        figure.add_annotation(
            x=end, y=y + 0.5, text=text, showarrow=False, font={"color": color, "size": 13}
        )
        _arrow(figure, (end, end), (y + 0.41, y + 0.21), color)
        if place - first > 1:
            _arrow(figure, (end, first * _STEP + _WIDTH / 2), (y - 0.36, y - 0.36), color)


def flows_table(experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Components, gradient-flow length and parameters of each experiment, counted in it."""
    rows = []
    for experiment in experiments:
        method = built(experiment)
        lengths = [component.flow_length for component in method.parts()]
        rows.append(
            {
                "Method": experiment.method_label,
                "Components": len(lengths),
                "Longest gradient flow (local gradients)": max(lengths),
                "Effective parameters": f"{count_parameters(method.effective_parameters()):,}",
                "Affiliated parameters": f"{count_parameters(method.affiliated_parameters()):,}",
            }
        )
    return pd.DataFrame(rows)
