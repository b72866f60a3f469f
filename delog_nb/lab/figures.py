"""Figures and the tables that stand beside them, made from records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.lab.style import drawn, faded, layout, line_style, method_style
from delog_nb.records import Record, mean_and_std

Group = tuple[str, str, Any]  # data set label, net, value of a field (by default the method)


def grouped(records: Iterable[Record], by: str = "method") -> dict[Group, list[Record]]:
    """Records by data set, net and the field ``by``, in the order of the registry; seeds together.

    The values of other fields than the method come in the order of the records.
    """
    records = list(records)
    nets = list(NETS)
    values = list(dict.fromkeys(getattr(r.experiment, by) for r in records))
    places = list(METHODS) if by == "method" else values

    def key(record: Record) -> Group:
        e = record.experiment
        return e.data_label, e.net, getattr(e, by)

    def order(record: Record) -> tuple[str, int, int, int]:
        label, net, value = key(record)
        return label, nets.index(net), places.index(value), record.experiment.seed

    return {group: list(runs) for group, runs in groupby(sorted(records, key=order), key)}


def value_label(field: str, experiment: Experiment) -> str:
    """What a line, row or column for the experiment's value of ``field`` is called."""
    value = getattr(experiment, field)
    if field == "method":
        return METHODS[value].label
    if field == "net":
        return NETS[value].label
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
            return method_style("bp")
        return line_style(0 if count == experiment.depth + 1 else 3 + count)
    return line_style(place)


def summary(records: Iterable[Record]) -> pd.DataFrame:
    """A row per data set, net and method: mean and standard deviation over seeds.

    Accuracies are shares (0 to 1) after the last epoch, and at the epoch that validation chooses;
    ``sec_per_epoch`` is training alone; ``peak_train_mb`` counts live tensors of a training step.
    """
    rows = []
    for (label, net, method), runs in grouped(records).items():

        def column(name: str, runs: list[Record] = runs) -> tuple[float, float]:
            values = [r.results[name] for r in runs]
            return mean_and_std([float(v) for v in values if v is not None])

        test, val = column("test_acc"), column("test_acc_at_best_val")
        rows.append(
            {
                "dataset": runs[0].experiment.dataset,
                "data_label": label,
                "net": net,
                "method": method,
                "seeds": len(runs),
                "epochs": runs[0].results["epochs"],
                "test_acc_mean": test[0],
                "test_acc_std": test[1],
                "test_acc_at_best_val_mean": val[0],
                "test_acc_at_best_val_std": val[1],
                "test_acc_best_over_epochs_mean": column("test_acc_best_over_epochs")[0],
                "train_params": runs[0].results["train_params"],
                "inference_params": runs[0].results["inference_params"],
                "sec_per_epoch": column("sec_per_epoch")[0],
                "eval_sec_per_epoch": column("eval_sec_per_epoch")[0],
                "peak_train_mb": column("peak_train_mb")[0],
            }
        )
    return pd.DataFrame(rows)


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


def percent(mean: float, std: float) -> str:
    """Mean and deviation of a share, as a table shows them.

    >>> percent(0.9812, 0.0041)
    '98.12 ± 0.41'
    """
    spread = "" if std != std else f" ± {100 * std:.2f}"
    return "–" if mean != mean else f"{100 * mean:.2f}{spread}"


def summary_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """`summary` with names, units and rounding for reading."""
    accuracy = [
        percent(m, s) for m, s in zip(table["test_acc_mean"], table["test_acc_std"], strict=True)
    ]
    chosen = [
        percent(m, s)
        for m, s in zip(
            table["test_acc_at_best_val_mean"], table["test_acc_at_best_val_std"], strict=True
        )
    ]
    return pd.DataFrame(
        {
            "Data": table["data_label"],
            "Net": [NETS[n].label for n in table["net"]],
            "Method": [METHODS[m].label for m in table["method"]],
            "Seeds": table["seeds"],
            "Test accuracy, last epoch (%)": accuracy,
            "Test accuracy, epoch chosen on validation (%)": chosen,
            "Best over epochs (%, optimistic)": [
                percent(m, float("nan")) for m in table["test_acc_best_over_epochs_mean"]
            ],
            "Parameters in training": [f"{n:,}" for n in table["train_params"]],
            "Parameters at inference": [f"{n:,}" for n in table["inference_params"]],
            "Training (s per epoch)": [f"{s:.2f}" for s in table["sec_per_epoch"]],
            "Peak memory of a step (MB)": [f"{m:.1f}" for m in table["peak_train_mb"]],
        }
    )


def by_epoch(runs: Iterable[Record], column: str) -> dict[int, list[float]]:
    """Values of a history column over ``runs``, by epoch."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for row in run.history:
            value = row[column]
            if value is not None:
                values.setdefault(int(row["epoch"] or 0), []).append(float(value))
    return dict(sorted(values.items()))


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
        title or f"Test accuracy by epoch: {NETS[net].label} on {label}{band}",
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
    labels = [METHODS[m].label for m in table["method"]]
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
        figure, f"What each method costs: {NETS[row['net']].label} on {row['data_label']}", "", ""
    )
    figure.update_layout(hovermode="closest", margin={"t": 100})
    figure.update_annotations(font_size=14)
    return figure
