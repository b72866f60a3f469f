"""Figures and the tables that stand beside them, made from records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.lab.charts.style import drawn, faded, layout, line_style, method_style
from delog_nb.records import Record, mean_and_std
from delog_nb.records import summary as plain
from delog_nb.records.summary import by_epoch, grouped, percent


def value_label(field: str, experiment: Experiment) -> str:
    """What a line, row or column for the experiment's value of ``field`` is called."""
    value = experiment.get(field)
    if field == "method":
        return experiment.method_label
    if field == "net":
        return experiment.net_label
    if field == "dataset":
        return experiment.data_label
    if field == "components":
        count = experiment.num_components
        return f"{count} short gradient flows" if count > 1 else "single long gradient flow"
    return f"{field.replace('_', ' ')} {value}"


def value_style(field: str, experiment: Experiment, place: int) -> dict[str, Any]:
    """Colour, dash and symbol of the experiment's value of ``field``, the line number ``place``.

    Methods have theirs everywhere, and so have cuts: one component is BP, all of them are what
    Delog-SCL is elsewhere.
    """
    if field == "method":
        return method_style(experiment.method)
    if field == "components":
        count = experiment.num_components
        if count == 1:
            return line_style(1)  # BP's
        return line_style(0 if count == experiment.depth + 1 else 3 + count)
    return line_style(place)


def means_and_spreads(groups: Iterable[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each group, as drawn: one value alone has no spread, 0.

    >>> means_and_spreads([[1.0, 3.0], [5.0]])
    ([2.0, 5.0], [1.4142135623730951, 0.0])
    """
    points = [mean_and_std(list(values)) for values in groups]
    return [mean for mean, _ in points], [0.0 if math.isnan(std) else std for _, std in points]


def signed(values: Sequence[float], digits: int = 2) -> str:
    """Differences as mean ± standard deviation, with their sign.

    >>> signed([1.0, 3.0]), signed([-2.0], digits=1)
    ('+2.00 ± 1.41', '-2.0')
    """
    mean, std = mean_and_std(list(values))
    return f"{mean:+.{digits}f}" + ("" if math.isnan(std) else f" ± {std:.{digits}f}")


def summary(records: Iterable[Record]) -> pd.DataFrame:
    """`delog_nb.records.summary.summary` as a data frame."""
    return pd.DataFrame(plain.summary(records))


def summary_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """`summary` with names, units and rounding for reading."""
    return pd.DataFrame(plain.summary_for_people(table.to_dict("records")))


def curves(
    records: Sequence[Record],
    column: str = "test_acc",
    title: str | None = None,
    by: str = "method",
) -> go.Figure:
    """Accuracy (%) by epoch: a line per method, a band of one standard deviation over seeds.

    ``records`` are of one data set and net; ``by`` names another field that the lines stand for.
    """
    groups = grouped(records, by)
    figure = go.Figure()
    for place, runs in enumerate(groups.values()):
        style = value_style(by, runs[0].experiment, place)
        name = value_label(by, runs[0].experiment)
        shares = by_epoch(runs, column)
        epochs = list(shares)
        means, spreads = means_and_spreads(
            [100 * share for share in values] for values in shares.values()
        )
        if any(spreads):
            figure.add_scatter(
                x=epochs + epochs[::-1],
                y=[m + s for m, s in zip(means, spreads, strict=True)]
                + [m - s for m, s in zip(means, spreads, strict=True)][::-1],
                mode="lines",
                fill="toself",
                fillcolor=faded(style["color"], 0.15),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=name,
            )
        figure.add_scatter(
            x=epochs,
            y=means,
            name=name,
            legendgroup=name,
            **drawn(style),
            hovertemplate="%{y:.1f} %",
        )
        if len(epochs) <= 15:
            figure.update_xaxes(dtick=1)
        if len(epochs) > 30:  # marks would hide the line
            figure.data[-1].mode = "lines"
    label, net, _ = next(iter(groups))
    seeds = len({r.experiment.seed for r in records})
    band = f", mean and standard deviation of {seeds} seeds" if seeds > 1 else ""
    return layout(
        figure,
        title or f"Test accuracy by epoch: {NETS.label(net)} on {label}{band}",
        "Epoch",
        "Test accuracy (%)",
    )


def curves_table(
    records: Sequence[Record], column: str = "test_acc", by: str = "method"
) -> pd.DataFrame:
    """The numbers of `curves`: a row per epoch, a column per line, mean ± deviation in %."""
    table: dict[str, dict[int, str]] = {}
    for runs in grouped(records, by).values():
        table[value_label(by, runs[0].experiment)] = {
            epoch: percent(*mean_and_std(values))
            for epoch, values in by_epoch(runs, column).items()
        }
    frame = pd.DataFrame(table)
    frame.index.name = "Epoch"
    return frame.sort_index()


# column of a summary: title and number format of its bars
COSTS = {
    "train_params": ("Parameters in training", ".3s"),
    "inference_params": ("Parameters at inference", ".3s"),
    "sec_per_epoch": ("Training (s per epoch)", ".2f"),
    "peak_train_mb": ("Peak memory of a step (MB)", ".1f"),
}


def costs(table: pd.DataFrame) -> go.Figure:
    """What each method costs: four bar charts of a `summary` of one data set and net.

    The numbers stand in `summary_for_people`.
    """
    figure = make_subplots(rows=1, cols=4, subplot_titles=[title for title, _ in COSTS.values()])
    labels = [METHODS.label(m) for m in table["method"]]
    colors = [method_style(m)["color"] for m in table["method"]]
    for place, (column, (_, digits)) in enumerate(COSTS.items(), 1):
        figure.add_bar(
            x=labels,
            y=table[column],
            marker_color=colors,
            showlegend=False,
            texttemplate=f"%{{y:{digits}}}",
            hovertemplate="%{x}: %{y:,}<extra></extra>",
            row=1,
            col=place,
        )
    row = table.iloc[0]
    layout(
        figure, f"What each method costs: {NETS.label(row['net'])} on {row['data_label']}", "", ""
    )
    figure.update_layout(hovermode="closest", margin={"t": 100})
    figure.update_annotations(font_size=14)
    return figure
