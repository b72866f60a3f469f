"""Every method on every net and data set: recorded, made now, or the command that makes it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from delog_nb import records, training
from delog_nb.course.assessing import by_size
from delog_nb.experiment import ExperimentError
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.grids import grid
from delog_nb.lab.asks.session import experiment
from delog_nb.lab.charts.style import drawn, layout, method_style
from delog_nb.lab.runs.curves import curves, curves_table, means_and_spreads
from delog_nb.lab.runs.recorded import GRIDS, ROOT, RUNS, recorded
from delog_nb.records import Record, record_of

NOW = "digits made now"
ALL = "all four"


@dataclass(frozen=True)
class Source:
    """Runs of a grid file, kept in a folder; both below the repository's root."""

    grid: str
    folder: str
    kind: str  # what its runs are called

    @property
    def command(self) -> str:
        """Makes what is missing, and then the tables."""
        return (
            f"delog-nb sweep {self.grid} --out {self.folder} && delog-nb tables {self.folder}"
        )  # fmt: skip

    def runs(self, net: str) -> list[Record]:
        """The grid's runs of ``net`` that are in the folder."""
        described = grid.read(ROOT / self.grid)
        found = grid.records_of(described, records.readable(ROOT / self.folder))
        return [record for record in found if record.experiment.net == net]

    def has(self, net: str) -> bool:
        """Whether the grid has runs of ``net`` at all."""
        return any(e.net == net for e in grid.read(ROOT / self.grid).experiments())


SOURCES = {
    "CIFAR-10 (JPEG) at CPU size": Source(
        "results/cpu/grids/table2.yaml", str(RUNS.relative_to(ROOT)), "recorded"
    ),
    "CIFAR-10 at paper size": Source(
        "experiments/paper/table2.yaml", "runs/table2", "your own runs"
    ),
    "CIFAR-100 at paper size": Source(
        "experiments/paper/table3.yaml", "runs/table3", "your own runs"
    ),
    "Tiny-ImageNet at paper size": Source(
        "experiments/paper/table4.yaml", "runs/table4", "your own runs"
    ),
}  # fmt: skip
DATA_SETS = (*SOURCES, NOW)


@functools.cache
def made_now(net: str) -> list[Record]:
    """All methods on the digits, one seed, in seconds; made once in a session."""
    runs = [
        experiment(net=net, method=method, width=0.125, epochs=6, limit=700)
        for method in METHODS.own
    ]
    return [record_of(training.train(run)) for run in runs]


def compared(data_set: str, net: str, methods: str = ALL) -> tuple[go.Figure, pd.DataFrame]:
    """Curves of ``net`` on one of `DATA_SETS` and their numbers, or how to get them.

    Args:
        data_set: one of `DATA_SETS`
        net: a net's name
        methods: `ALL`, or the label of one method
    """
    if data_set == NOW:
        found, kind = made_now(net), "made now, one seed"
    else:
        source = SOURCES[data_set]
        found, kind = source.runs(net), source.kind
        if not found:
            return _not_here(data_set, net, source)
    wanted = [r for r in found if methods in (ALL, r.experiment.method_label)]
    if not wanted:
        return _not_here(data_set, net, SOURCES[data_set])
    seeds = len({r.experiment.seed for r in wanted})
    title = f"{NETS.label(net)} on {wanted[0].experiment.data_label}: {kind}"
    if data_set != NOW:
        title += f", {seeds} seed{'s' if seeds > 1 else ''}"
    return curves(wanted, title=title), curves_table(wanted)


def _not_here(data_set: str, net: str, source: Source) -> tuple[go.Figure, pd.DataFrame]:
    """An empty figure that says so, and the command that fills it."""
    label = NETS.label(net)
    command = source.command
    if not source.has(net):
        dataset = grid.read(ROOT / source.grid).experiments()[0].dataset
        command = f"delog-nb compare --preset paper --dataset {dataset} --nets {net}"
    figure = layout(go.Figure(), f"{label} on {data_set}: no runs here", "Epoch", "", height=260)
    figure.add_annotation(
        text="No runs are kept here, and nothing stands in for them.<br>"
        "The command below makes them on your GPU.",
        xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False, font={"size": 16},
    )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    where = "in the folder of the repository"
    return figure, pd.DataFrame({f"To make them, {where}": command.split(" && ")})


def all_recorded() -> list[Record]:
    """The kept runs of all recorded grids, each once.

    Raises:
        ExperimentError: none is kept here.
    """
    found: dict[str, Record] = {}
    for path in sorted(GRIDS.glob("*.yaml")):
        try:
            kept = recorded(path.stem).records
        except ExperimentError:
            continue  # of this grid none yet
        found |= {record.run_id: record for record in kept}
    if not found:
        raise ExperimentError(f"no recorded run is kept in {RUNS}")
    return list(found.values())


def own_runs() -> list[Record]:
    """What ``delog-nb sweep`` has left below ``runs/`` of the repository, at the paper's size.

    Where there are several sizes, the runs of the one that has most.
    """
    found = records.find(ROOT / "runs") if (ROOT / "runs").is_dir() else []
    groups = by_size(r for r in found if isinstance(r, Record) and r.experiment.preset == "paper")
    return groups[0] if groups else []


@dataclass(frozen=True)
class Curve:
    """A method's test accuracy (%), mean and deviation over seeds, after each epoch.

    ``seconds`` after each epoch: its number times the median training seconds of an epoch, which
    other work on the machine disturbs least.
    """

    method: str
    epochs: list[int]
    seconds: list[float]
    means: list[float]
    spreads: list[float]


def curves_of(found: Sequence[Record], methods: Sequence[str]) -> list[Curve]:
    """A curve for each of ``methods`` that has runs among ``found``, which are of one net."""
    made = []
    for method in methods:
        runs = [r for r in found if r.experiment.method == method]
        if runs:
            length = min(len(r.history) for r in runs)
            second = median(float(row["seconds"] or 0) for r in runs for row in r.history)
            means, spreads = means_and_spreads(
                [100 * float(r.history[k]["test_acc"] or 0) for r in runs] for k in range(length)
            )
            epochs = list(range(1, length + 1))
            made.append(Curve(method, epochs, [epoch * second for epoch in epochs], means, spreads))
    return made


def pace_figure(found: Sequence[Curve], title: str) -> go.Figure:
    """Test accuracy by epoch (left) and by seconds of training (right); bars: one deviation."""
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    for curve in found:
        for col, x in ((1, curve.epochs), (2, curve.seconds)):
            figure.add_scatter(
                x=x,
                y=curve.means,
                error_y={"type": "data", "array": curve.spreads, "thickness": 1.2, "width": 3},
                name=METHODS.label(curve.method),
                legendgroup=curve.method,
                showlegend=col == 1,
                hovertemplate="%{y:.1f} %",
                **drawn(method_style(curve.method)),
                row=1,
                col=col,
            )
    layout(figure, title, "Epoch", "Test accuracy (%)")
    return figure.update_xaxes(title="Training (s)", rangemode="tozero", col=2)


def pace_table(found: Sequence[Curve]) -> pd.DataFrame:
    """The numbers of `pace_figure`."""
    table: dict[str, list[str]] = {}
    for curve in found:
        label = METHODS.label(curve.method)
        table[f"{label}: seconds"] = [f"{second:.0f}" for second in curve.seconds]
        table[f"{label}: accuracy (%)"] = [
            f"{mean:.1f} ± {std:.1f}" for mean, std in zip(curve.means, curve.spreads, strict=True)
        ]
    rows = pd.RangeIndex(1, max((len(c.epochs) for c in found), default=0) + 1, name="Epoch")
    return pd.DataFrame(dict(table), index=rows) if table else pd.DataFrame(index=rows)
