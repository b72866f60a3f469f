"""Figures and tables about the size of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from delog_nb.lab.charts.style import COLORS, SYMBOLS, drawn, layout, line_style
from delog_nb.lab.runs.curves import means_and_spreads, value_label
from delog_nb.measure.batches import GradientNoise
from delog_nb.measure.pairs import Cost
from delog_nb.records import Record, mean_and_std
from delog_nb.records.summary import by_epoch, grouped, percent

_FLOAT32 = 4  # bytes
_RARE = 5e-4  # shares of anchors below it are left out of figures


def positives_figure(counted: Tensor, chances: Mapping[int, float], title: str) -> go.Figure:
    """How many positives anchors have: counted as bars, the formula's chances as marks.

    Args:
        counted: (M,) positives of M anchors
        chances: by number of positives, as `delog_nb.measure.batches.chances_of_positives` says
        title: the figure's
    """
    shares = _shares(counted)
    drawn_numbers = [k for k in chances if max(chances[k], shares.get(k, 0)) >= _RARE]
    figure = go.Figure()
    figure.add_bar(
        x=drawn_numbers,
        y=[100 * shares.get(k, 0.0) for k in drawn_numbers],
        name="counted in batches",
        marker={"color": COLORS[5]},
        hovertemplate="%{y:.1f} %",
    )
    figure.add_scatter(
        x=drawn_numbers,
        y=[100 * chances[k] for k in drawn_numbers],
        name="formula",
        mode="markers",
        marker={"color": COLORS[1], "symbol": SYMBOLS[2], "size": 9},
        hovertemplate="%{y:.1f} %",
    )
    return layout(figure, title, "Positives of an anchor, |P(i)|", "Share of anchors (%)")


def positives_table(counted: Tensor, chances: Mapping[int, float], views: int) -> pd.DataFrame:
    """The numbers of `positives_figure`: means, the middle nine tenths, and none at all."""
    others = max(chances)  # every other view is a positive
    mean = sum(k * chance for k, chance in chances.items())
    numbers = counted.double()
    low, high = (numbers.quantile(q, interpolation="lower").item() for q in (0.05, 0.95))
    formula = [_at(chances, 0.05), _at(chances, 0.95)]
    return pd.DataFrame(
        {
            "": ["formula", "counted"],
            "Views of an image": [views, views],
            "Positives, mean": [f"{mean:.2f}", f"{numbers.mean():.2f}"],
            "Positives, 5 % to 95 %": [
                f"{formula[0]} to {formula[1]}",
                f"{low:.0f} to {high:.0f}",
            ],
            "Negatives, mean": [f"{others - mean:.2f}", f"{others - numbers.mean():.2f}"],
            "Anchors without a positive (%)": [
                f"{100 * chances.get(0, 0.0):.2f}",
                f"{100 * (counted == 0).double().mean():.2f}",
            ],
        }
    )


def _shares(counted: Tensor) -> dict[int, float]:
    counts = counted.bincount()
    return {k: count / len(counted) for k, count in enumerate(counts.tolist())}


def _at(chances: Mapping[int, float], quantile: float) -> int:
    """The least number whose chance, with those of all lesser ones, reaches ``quantile``."""
    total = 0.0
    for number, chance in sorted(chances.items()):
        total += chance
        if total >= quantile:
            return number
    return max(chances)


ByClasses = Mapping[int, Mapping[int, float]]  # number of classes: batch size: share


def alone_figure(formula: ByClasses, counted: ByClasses) -> go.Figure:
    """The share of anchors without a positive by batch size: lines as expected, marks as counted.

    One view of each image; a line for each number of classes.
    """
    figure = go.Figure()
    for place, (classes, shares) in enumerate(formula.items()):
        style = line_style(place)
        figure.add_scatter(
            x=list(shares),
            y=[100 * share for share in shares.values()],
            name=f"{classes} classes, formula",
            mode="lines",
            line={"color": style["color"], "dash": style["dash"], "width": 2.5},
            hovertemplate="%{y:.2f} %",
        )
        found = counted[classes]
        figure.add_scatter(
            x=list(found),
            y=[100 * share for share in found.values()],
            name=f"{classes} classes, counted",
            mode="markers",
            marker={"color": style["color"], "symbol": style["symbol"], "size": 10},
            hovertemplate="%{y:.2f} %",
        )
    layout(
        figure,
        "Anchors without a positive, one view of each image",
        "Batch size (images, logarithmic)",
        "Share of anchors (%)",
    )
    return _doubling(figure, formula.values())


def alone_table(formula: ByClasses, counted: ByClasses) -> pd.DataFrame:
    """The numbers of `alone_figure`."""
    table = {
        f"{classes} classes, {name} (%)": {
            size: f"{100 * share:.2f}" for size, share in shares[classes].items()
        }
        for classes in formula
        for name, shares in (("formula", formula), ("counted", counted))
    }
    frame = pd.DataFrame(table)
    frame.index.name = "Batch size"
    return frame


def noise_figure(found: Mapping[str, Mapping[int, GradientNoise]]) -> go.Figure:
    """Noise over signal of gradients by batch size, and a line that falls like 1 / sqrt(n)."""
    figure = go.Figure()
    for place, (name, by_size) in enumerate(found.items()):
        figure.add_scatter(
            x=list(by_size),
            y=[noise.ratio for noise in by_size.values()],
            name=name,
            **drawn(line_style(place)),
            hovertemplate="%{y:.2f}",
        )
    first = next(iter(found.values()))
    sizes = list(first)
    figure.add_scatter(
        x=sizes,
        # through the last point, which is the surest
        y=[first[sizes[-1]].ratio * math.sqrt(sizes[-1] / size) for size in sizes],
        name="falls like 1/√n",
        mode="lines",
        line={"color": COLORS[-1], "dash": "dot", "width": 1.5},
        hovertemplate="%{y:.2f}",
    )
    layout(
        figure,
        "How noisy a batch's gradient is, by batch size",
        "Batch size n (images, logarithmic)",
        "Noise / signal (no unit, logarithmic)",
    )
    figure.update_yaxes(type="log", dtick="D2")
    return _doubling(figure, found.values())


def noise_table(found: Mapping[str, Mapping[int, GradientNoise]]) -> pd.DataFrame:
    """The numbers of `noise_figure`: lengths of signal and noise, and their ratio."""
    return pd.DataFrame(
        [
            {
                "Gradient of": name,
                "Batch size": size,
                "Signal (length)": f"{noise.signal:.4f}",
                "Noise (length)": f"{noise.noise:.4f}",
                "Noise / signal": f"{noise.ratio:.2f}",
            }
            for name, by_size in found.items()
            for size, noise in by_size.items()
        ]
    )


Accuracies = Mapping[int, Sequence[float]]  # by size: a share for each seed


def by_batch_size(records: Iterable[Record]) -> dict[int, list[float]]:
    """Test accuracy after the last epoch (a share for each seed) by batch size, ascending."""
    found: dict[int, list[float]] = {}
    for record in sorted(records, key=lambda r: r.experiment.batch_size):
        found.setdefault(record.experiment.batch_size, []).append(record.results["test_acc"])
    return found


def sizes_figure(series: Mapping[str, Accuracies], title: str, x_name: str) -> go.Figure:
    """Accuracy against a size on a logarithmic axis: mean and standard deviation over seeds."""
    figure = go.Figure()
    for place, (name, found) in enumerate(series.items()):
        means, spreads = means_and_spreads(
            [100 * share for share in shares] for shares in found.values()
        )
        figure.add_scatter(
            x=list(found),
            y=means,
            error_y={"array": spreads, "thickness": 1.5},
            name=name,
            showlegend=True,
            **drawn(line_style(place), 9),
            hovertemplate="%{y:.1f} %",
        )
    layout(figure, title, f"{x_name}, logarithmic scale", "Test accuracy (%)")
    return _doubling(figure, series.values())


def sizes_table(series: Mapping[str, Accuracies], x_name: str) -> pd.DataFrame:
    """The numbers of `sizes_figure`: mean ± standard deviation in %."""
    frame = pd.DataFrame(
        {
            f"{name} (%)": {
                size: percent(*mean_and_std(list(shares))) for size, shares in found.items()
            }
            for name, found in series.items()
        }
    )
    frame.index.name = x_name
    return frame


def budgets_table(series: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """The numbers of `sizes_figure` for records, with what each run had: updates and images."""
    rows = []
    for name, records in series.items():
        for size, shares in by_batch_size(records).items():
            run = next(r for r in records if r.experiment.batch_size == size)
            epochs = int(run.results["epochs"])
            rows.append(
                {
                    "Runs": name,
                    "Batch size": size,
                    "Epochs": epochs,
                    "Updates": f"{epochs * updates_per_epoch(run):,}",
                    "Images seen": f"{epochs * training_images(run):,}",
                    "Test accuracy (%)": percent(*mean_and_std(shares)),
                }
            )
    return pd.DataFrame(rows)


def training_images(record: Record) -> int:
    """How many images the run saw in an epoch, from its own history."""
    row = record.history[0]
    return round(float(row["images_per_s"] or 0) * float(row["seconds"] or 0))


def updates_per_epoch(record: Record) -> int:
    """Training steps in an epoch; the last one may have a smaller batch."""
    return math.ceil(training_images(record) / record.experiment.batch_size)


def updates_figure(records: Sequence[Record], title: str) -> go.Figure:
    """Accuracy by epoch, and the same runs by number of updates: a line for each batch size."""
    figure = make_subplots(
        cols=2, shared_yaxes=True, horizontal_spacing=0.04,
        subplot_titles=["by epoch: the same images", "by updates: the same steps"],
    )  # fmt: skip
    for place, runs in enumerate(_by_size(records)):
        shares = by_epoch(runs, "test_acc")
        means = [100 * mean_and_std(values)[0] for values in shares.values()]
        for panel, step in enumerate((1, updates_per_epoch(runs[0])), 1):
            figure.add_scatter(
                x=[epoch * step for epoch in shares],
                y=means,
                name=value_label("batch_size", runs[0].experiment),
                legendgroup=str(place),
                showlegend=panel == 1,
                **drawn(line_style(place), 7),
                hovertemplate="%{y:.1f} %",
                row=1,
                col=panel,
            )
    layout(figure, title, "", "", height=460)
    figure.update_layout(
        margin={"t": 100, "b": 100},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.2},
    )
    figure.update_yaxes(title="Test accuracy (%)", col=1)
    figure.update_xaxes(title="Epoch", col=1)
    return figure.update_xaxes(title="Updates (logarithmic)", type="log", dtick="D2", col=2)


def updates_table(records: Sequence[Record], at: int = 6) -> pd.DataFrame:
    """The numbers of `updates_figure` at about ``at`` epochs: mean over seeds in %."""
    columns: dict[str, dict[int, str]] = {}
    for runs in _by_size(records):
        shares, step = by_epoch(runs, "test_acc"), updates_per_epoch(runs[0])
        every = math.ceil(len(shares) / at)
        name = value_label("batch_size", runs[0].experiment)
        columns[f"{name}: updates"] = {e: f"{e * step:,}" for e in shares if e % every == 0}
        columns[f"{name} (%)"] = {
            e: f"{100 * mean_and_std(v)[0]:.2f}" for e, v in shares.items() if e % every == 0
        }
    frame = pd.DataFrame(columns)
    frame.index.name = "Epoch"
    return frame


def _by_size(records: Sequence[Record]) -> list[list[Record]]:
    groups = list(grouped(records, "batch_size").values())
    return sorted(groups, key=lambda runs: runs[0].experiment.batch_size)


def prices_figure(costs: Mapping[str, Mapping[int, Cost]]) -> go.Figure:
    """Peak memory and time of losses by number of views N, with the size of one N x N table."""
    figure = make_subplots(
        cols=2, horizontal_spacing=0.12, subplot_titles=["Peak memory", "Time, with the gradient"]
    )
    sizes = sorted({size for found in costs.values() for size in found})
    figure.add_scatter(
        x=sizes,
        y=[_FLOAT32 * n * n / 1e6 for n in sizes],
        name="one N × N table of 32-bit numbers",
        mode="lines",
        line={"color": COLORS[-1], "dash": "dot", "width": 1.5},
        hovertemplate="%{y:.3g} MB",
        row=1,
        col=1,
    )
    for place, (name, found) in enumerate(costs.items()):
        panels = (
            ([cost.peak_bytes / 1e6 for cost in found.values()], "MB"),
            ([cost.seconds * 1e3 for cost in found.values()], "ms"),
        )
        for panel, (values, unit) in enumerate(panels, 1):
            figure.add_scatter(
                x=list(found),
                y=values,
                name=name,
                legendgroup=name,
                showlegend=panel == 1,
                **drawn(line_style(place)),
                hovertemplate=f"%{{y:.3g}} {unit}",
                row=1,
                col=panel,
            )
    layout(figure, "What Eq. 2 costs by number of views N", "", "", height=460)
    figure.update_layout(
        margin={"t": 100, "b": 100},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.2},
    )
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(title="Memory (MB, logarithmic)", col=1)
    figure.update_yaxes(title="Time (ms, logarithmic)", col=2)
    figure.update_xaxes(title="Views N (logarithmic)")
    return _doubling(figure, costs.values())


def prices_table(costs: Mapping[str, Mapping[int, Cost]]) -> pd.DataFrame:
    """The numbers of `prices_figure`."""
    sizes = sorted({size for found in costs.values() for size in found})
    table: dict[str, list[str]] = {
        "One N × N table (MB)": [f"{_FLOAT32 * n * n / 1e6:.2f}" for n in sizes]
    }
    for name, found in costs.items():
        known = [found.get(n) for n in sizes]
        table[f"{name}: memory (MB)"] = [f"{c.peak_bytes / 1e6:.2f}" if c else "–" for c in known]
        table[f"{name}: time (ms)"] = [f"{1e3 * c.seconds:.2f}" if c else "–" for c in known]
    return pd.DataFrame(table, index=pd.Index(sizes, name="Views N"))


def _doubling(figure: go.Figure, by_name: Iterable[Iterable[int]]) -> go.Figure:
    """A logarithmic x axis whose ticks are the sizes themselves."""
    sizes = sorted({size for found in by_name for size in found})
    return figure.update_xaxes(type="log", tickvals=sizes, ticktext=[f"{n:,}" for n in sizes])
