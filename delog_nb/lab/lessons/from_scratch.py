"""Figures and tables that hold a learner's own training code against the package's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from delog_nb.lab.charts.style import COLORS, DASHES, SYMBOLS, drawn, layout, line_style

_NONE = "–"  # no path, in tables and figures


def gaps_figure(gaps: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """The largest relative difference of gradients, by module and precision.

    Args:
        gaps: by the name of a dtype of torch (``float32``), by module: a share, 0 where equal
    """
    figure = go.Figure()
    positive = [value for by_module in gaps.values() for value in by_module.values() if value > 0]
    floor = 10 ** (math.floor(math.log10(min(positive, default=1e-16))) - 1)
    for place, (precision, by_module) in enumerate(gaps.items()):
        values = list(by_module.values())
        figure.add_scatter(
            x=list(by_module),
            y=[max(value, floor) for value in values],
            name=precision,
            mode="markers+text",
            text=["" if value else "equal" for value in values],
            textposition="bottom center",
            marker={"color": COLORS[place], "symbol": SYMBOLS[place], "size": 11},
        )
        figure.add_scatter(
            x=[next(iter(by_module)), list(by_module)[-1]],
            y=[torch.finfo(getattr(torch, precision)).eps] * 2,
            name=f"rounding unit of {precision}",
            mode="lines",
            line={"color": COLORS[place], "dash": DASHES[place + 1], "width": 1.8},
            hovertemplate="%{y:.1e}",
        )
    layout(
        figure,
        "Your gradients and the package's: largest difference in each module",
        "Module",
        "Relative difference (no unit)",
    )
    top = math.log10(max(positive, default=1.0))
    return figure.update_yaxes(
        type="log", exponentformat="power", dtick=2, range=[math.log10(floor) - 1, top + 0.7]
    )


def gaps_table(gaps: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """The numbers of `gaps_figure`: a row per module, a column per precision."""
    table = pd.DataFrame(
        {
            f"Largest relative difference, {precision}": {
                name: f"{value:.1e}" if value else "0 (equal)" for name, value in found.items()
            }
            for precision, found in gaps.items()
        }
    )
    table.index.name = "Module"
    return table


def reach_figure(
    matrices: Mapping[str, Tensor], losses: Sequence[str], modules: Sequence[str]
) -> go.Figure:
    """Gradient lengths of each loss in each module, as `delog_nb.measure.reach` gives them.

    Args:
        matrices: by title, (L, M); NaN where no gradient arrives, which is left white
        losses: L names, rows from top to bottom
        modules: M names, columns
    """
    figure = make_subplots(
        cols=len(matrices),
        subplot_titles=list(matrices) if len(matrices) > 1 else None,
        horizontal_spacing=0.09,
    )
    known = torch.cat([m[~m.isnan() & (m > 0)] for m in matrices.values()]).log10()
    bounds = (known.min().item(), known.max().item()) if len(known) else (0.0, 1.0)
    for place, matrix in enumerate(matrices.values(), 1):
        figure.add_heatmap(
            z=matrix.clamp_min(torch.finfo(matrix.dtype).tiny).log10().tolist(),
            x=list(modules),
            y=list(losses),
            text=[[_NONE if v != v else f"{v:.2g}" for v in row] for row in matrix.tolist()],
            texttemplate="%{text}",
            zmin=bounds[0],
            zmax=bounds[1],
            xgap=3,
            ygap=3,
            colorscale=[[0, "#c9dff0"], [0.5, "#4292c6"], [1, "#08306b"]],
            colorbar={"title": {"text": "length<br>(log<sub>10</sub>)"}, "thickness": 14},
            showscale=place == len(matrices),
            hovertemplate="%{y} in %{x}: %{text}<extra></extra>",
            row=1,
            col=place,
        )
    title = "How long each loss's gradient is in each module (–: no gradient arrives)"
    if len(matrices) == 1:
        title += f"<br><sub>{next(iter(matrices))}</sub>"
    layout(figure, title, "Module", "Loss", height=400)
    figure.update_layout(hovermode="closest", margin={"t": 90})
    figure.update_xaxes(title="Module", showgrid=False)
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def reach_table(
    matrices: Mapping[str, Tensor], losses: Sequence[str], modules: Sequence[str]
) -> pd.DataFrame:
    """The numbers of `reach_figure`: a row for each loss of each matrix."""
    rows = [
        {"Cut": title, "Loss": loss}
        | {
            name: _NONE if value != value else f"{value:.3g}"
            for name, value in zip(modules, row, strict=True)
        }
        for title, matrix in matrices.items()
        for loss, row in zip(losses, matrix.tolist(), strict=True)
    ]
    return pd.DataFrame(rows)


def shares_figure(effective: Sequence[int], affiliated: Sequence[int]) -> go.Figure:
    """Effective and affiliated parameters of each component, side by side on a log axis."""
    figure = go.Figure()
    numbers = [f"component {place}" for place in range(1, len(effective) + 1)]
    for place, (name, counts) in enumerate(
        (("effective (block)", effective), ("affiliated (head)", affiliated))
    ):
        figure.add_bar(
            x=numbers,
            y=[count or None for count in counts],
            name=name,
            marker={"color": (COLORS[0], COLORS[4])[place], "pattern": {"shape": ("", "/")[place]}},
            text=[f"{count:,}" for count in counts],
            textposition="outside",
            cliponaxis=False,
        )
    layout(figure, "Parameters of each component", "", "Parameters (logarithmic)")
    known = [count for count in (*effective, *affiliated) if count]
    low, high = math.floor(math.log10(min(known))), math.log10(max(known))
    return figure.update_yaxes(type="log", dtick=1, exponentformat="power", range=[low, high + 0.3])


def shares_table(effective: Sequence[int], affiliated: Sequence[int]) -> pd.DataFrame:
    """The numbers of `shares_figure`, and their sums."""
    names = [f"component {place}" for place in range(1, len(effective) + 1)]
    return pd.DataFrame(
        {
            "": [*names, "all"],
            "Effective parameters": [f"{n:,}" for n in (*effective, sum(effective))],
            "Affiliated parameters": [f"{n:,}" for n in (*affiliated, sum(affiliated))],
        }
    )


def agreement_figure(curves: Mapping[str, Sequence[float]]) -> go.Figure:
    """Test accuracy (shares, one for each epoch) of runs that are held against each other."""
    figure = go.Figure()
    for place, (name, shares) in enumerate(curves.items()):
        figure.add_scatter(
            x=list(range(1, len(shares) + 1)),
            y=[100 * share for share in shares],
            name=name,
            # the first one stays visible below the others
            **drawn(line_style(place), 9 + 5 * (place == 0), 2.5 + 3 * (place == 0)),
            opacity=0.55 if place == 0 else 1,
            hovertemplate="%{y:.2f} %",
        )
    layout(figure, "Test accuracy by epoch, from the same first weights", "Epoch", "Accuracy (%)")
    return figure.update_xaxes(dtick=1)


def accuracies_table(curves: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """The numbers of `agreement_figure`: a row per epoch, in %."""
    table = pd.DataFrame(
        {
            f"{name} (%)": [f"{100 * share:.2f}" for share in shares]
            for name, shares in curves.items()
        }
    )
    table.index = pd.RangeIndex(1, len(table) + 1, name="Epoch")
    return table
