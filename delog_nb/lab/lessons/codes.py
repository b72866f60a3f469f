"""Figures of associated learning's target codes: how far apart, and what that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.lab.charts.style import COLORS, SYMBOLS, drawn, layout, line_style
from delog_nb.measure.codes import CodeState

_DISTANCE = "Distance (% of the range)"


def distances_figure(
    measured: Mapping[str, Sequence[float]], expected: Mapping[str, Sequence[float]]
) -> go.Figure:
    """Distance of the classes' codes t_1 ... t_H before training, measured and expected.

    Args:
        measured: by activation, a share of the range for each code
        expected: the same by a formula
    """
    figure = go.Figure()
    for place, (name, shares) in enumerate(measured.items()):
        codes = [f"t<sub>{k}</sub>" for k in range(1, len(shares) + 1)]
        style = line_style(place)
        figure.add_scatter(
            x=codes,
            y=[100 * share for share in expected[name]],
            mode="lines",
            line={"color": style["color"], "dash": style["dash"], "width": 2},
            name=f"{name}: formula",
            hovertemplate="%{y:.2g} %",
        )
        figure.add_scatter(
            x=codes,
            y=[100 * share for share in shares],
            mode="markers",
            marker={"color": COLORS[place], "symbol": SYMBOLS[place], "size": 12},
            name=f"{name}: measured",
            hovertemplate="%{y:.2g} %",
        )
    layout(figure, "How far apart the codes of two classes are before training", "Code", _DISTANCE)
    return figure.update_yaxes(type="log", dtick=1, ticksuffix=" %", exponentformat="none")


def distances_table(
    measured: Mapping[str, Sequence[float]], expected: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """The numbers of `distances_figure`, in % of the range."""
    rows = [
        {"Activation": name, "Distance": kind}
        | {f"t_{k} (%)": f"{100 * share:.2g}" for k, share in enumerate(shares, 1)}
        for name in measured
        for kind, shares in (("measured", measured[name]), ("formula", expected[name]))
    ]
    return pd.DataFrame(rows)


def spreading_figure(
    codes: Mapping[str, Sequence[CodeState]], accuracies: Mapping[str, Sequence[float]]
) -> go.Figure:
    """Three panels by epoch, a line per run: distance of t_H, classes that come back, accuracy.

    Args:
        codes: by name, before training and after each epoch
        accuracies: by name, shares of test images after each epoch
    """
    classes = max(state.survivors for states in codes.values() for state in states)
    top = max(100 * state.distances[-1] for states in codes.values() for state in states)
    depth = len(next(iter(codes.values()))[0].distances)
    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=(
            f"Distance of the codes t<sub>{depth}</sub> of two classes (% of the range)",
            "Classes that come back: encoded, decoded, and still themselves",
            "Test images classified correctly (%)",
        ),
    )
    for place, (name, states) in enumerate(codes.items()):
        shares = accuracies[name]
        for row, epochs, values, digits in (
            (1, range(len(states)), [100 * s.distances[-1] for s in states], "%{y:.2f} %"),
            (2, range(len(states)), [s.survivors for s in states], "%{y}"),
            (3, range(1, len(shares) + 1), [100 * share for share in shares], "%{y:.1f} %"),
        ):
            figure.add_scatter(
                x=list(epochs),
                y=values,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                **drawn(line_style(place)),
                hovertemplate=digits,
                row=row,
                col=1,
            )
    layout(figure, "Codes and accuracy by epoch", "", "", height=720)
    figure.update_layout(
        margin={"t": 90, "b": 100}, legend={"orientation": "h", "y": -0.13, "x": 0}
    )
    figure.update_annotations(font_size=14, x=0, xanchor="left")
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title="Epoch (0: before training)", row=3)
    figure.update_yaxes(title="%", range=[-0.06 * top, 1.1 * top], row=1)
    figure.update_yaxes(title="Classes", range=[-0.06 * classes, 1.1 * classes], row=2)
    return figure.update_yaxes(title="%", range=[-6, 110], row=3)


def spreading_table(
    codes: Mapping[str, Sequence[CodeState]], accuracies: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """The numbers of `spreading_figure`: a row per epoch, three columns per run."""
    columns: dict[str, list[str]] = {}
    for name, states in codes.items():
        columns[f"{name}: distance (%)"] = [f"{100 * s.distances[-1]:.2f}" for s in states]
        columns[f"{name}: classes back"] = [str(s.survivors) for s in states]
        columns[f"{name}: test (%)"] = ["–", *(f"{100 * share:.1f}" for share in accuracies[name])]
    table = pd.DataFrame(columns)
    table.index.name = "Epoch"
    return table
