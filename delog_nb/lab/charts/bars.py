"""Horizontal bars, plain or of several parts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from delog_nb.lab.charts.exhibit import Exhibit, escaped, scale_of, sentence, written
from delog_nb.lab.charts.style import COLORS, INK, PATTERNS, dressed, style_of


def bars(
    values: Mapping[str, float | Mapping[str, float]],
    title: str,
    x: str,
    *,
    spread: Mapping[str, tuple[float, float]] | None = None,
    log: bool = False,
    digits: str = "",
    says: str = "",
) -> Exhibit:
    """A bar for each entry of ``values``, as long as the sum of its parts, which stands at its end.

    Args:
        values: by the bar's name a number, or numbers by part: ``{"BP": {"kept": 3, "freed": 5}}``
        title: of the figure
        x: the axis, with its unit; one that is in ``(%)`` takes shares and draws percent
        spread: by the bar's name, from where to where its sum varies
        log: a logarithmic axis; not for bars of several parts
        digits: format specification of the numbers
        says: the text alternative; default: every sum

    Raises:
        ValueError: a logarithmic axis for bars of several parts, whose lengths would not add up.

    >>> bars({"BP": {"kept": 3, "freed": 5}}, "Memory", "Memory (MB)").table["all"].tolist()
    [8]
    """
    scale = scale_of(x)
    split = {
        name: {part: scale * value for part, value in own.items()}
        if isinstance(own, Mapping)
        else {"": scale * own}
        for name, own in values.items()
    }
    parts = list(dict.fromkeys(part for own in split.values() for part in own))
    if log and any(len(own) > 1 for own in split.values()):
        raise ValueError("bars of several parts have no logarithmic axis: lengths would not add up")
    names = [escaped(name) for name in split]
    figure = go.Figure()
    for place, part in enumerate(parts):
        own_colors = [style_of(name, 0)["color"] for name in split]
        figure.add_bar(
            y=names,
            x=[own.get(part) for own in split.values()],
            name=escaped(part),
            orientation="h",
            marker={
                "color": COLORS[place % len(COLORS)] if part else own_colors,
                "pattern": {
                    "shape": PATTERNS[place % len(PATTERNS)],
                    "fgcolor": "white",
                    "size": 7,
                },
            },
            hovertemplate=f"{escaped(part)} %{{x:,.4g}}<extra>%{{y}}</extra>",
        )
    spread = {name: (scale * low, scale * high) for name, (low, high) in (spread or {}).items()}
    for place, (name, bounds) in enumerate(spread.items()):
        figure.add_scatter(
            x=bounds, y=[escaped(name)] * 2, mode="lines+markers", name="spread",
            legendgroup="spread", showlegend=place == 0, line={"color": INK, "width": 2},
            marker={"symbol": "line-ns-open", "size": 12, "color": INK},
            hovertemplate="%{x:,.4g}<extra></extra>",
        )  # fmt: skip
    sums = {name: sum(own.values()) for name, own in split.items()}
    figure.add_scatter(
        x=[max(total, *spread.get(name, (total,))) for name, total in sums.items()],
        y=names, mode="text", text=[f" {written(total, digits)}" for total in sums.values()],
        textposition="middle right", cliponaxis=False, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    dressed(figure, title, 170 + 46 * len(split), sum(len(part) + 8 for part in parts))
    figure.update_layout(
        barmode="stack", bargap=0.35, showlegend=len(parts) > 1 or bool(spread),
        legend_traceorder="normal", margin={"r": 90},
    )  # fmt: skip
    figure.update_xaxes(title_text=x, type="log" if log else "linear", automargin=True)
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", automargin=True)
    table = pd.DataFrame(
        {part or x: {name: own.get(part) for name, own in split.items()} for part in parts},
        index=list(split),
    )
    if len(parts) > 1:
        table["all"] = pd.Series(sums)
    table.index.name = "Bar"
    told = "; ".join(f"{name} {written(total, digits)}" for name, total in sums.items())
    return Exhibit(figure, table, says or sentence(title, f"{x}: {told}"), digits)
