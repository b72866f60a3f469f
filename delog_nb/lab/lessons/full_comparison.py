"""Every method on every net and data set, and a made-up study whose truth is known."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from delog_nb import records, training
from delog_nb.course import COMPARED
from delog_nb.experiment.registry import NETS
from delog_nb.grids import grid
from delog_nb.instruments.course_files import HOME, OWN_RUNS
from delog_nb.lab.asks.session import experiment
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.style import dressed
from delog_nb.lab.runs.curves import curves
from delog_nb.lab.runs.forest import Group, Row, forest
from delog_nb.records import Record, record_of

ALL = "all four"


@dataclass(frozen=True)
class Source:
    """Runs of a grid file in a folder; both are paths below the repository's root."""

    grid: str
    folder: str
    kind: str  # what its runs are called

    def runs(self, net: str) -> list[Record]:
        """The grid's runs of ``net`` that are in the folder."""
        described = grid.read(HOME / self.grid)
        base = OWN_RUNS.parent if self.folder.startswith("runs/") else HOME
        there = grid.records_of(described, records.readable(base / self.folder))
        return [record for record in there if record.experiment.net == net]

    def commands(self, net: str) -> list[str]:
        """What makes the runs of ``net``; where the grid has none, a comparison."""
        experiments = grid.read(HOME / self.grid).experiments()
        if all(e.net != net for e in experiments):
            dataset = experiments[0].dataset
            return [f"delog-nb compare --preset paper --dataset {dataset} --nets {net}"]
        sweep = f"delog-nb sweep {self.grid} --out {self.folder}"
        return [sweep, f"delog-nb tables {self.folder}"]


SOURCES = {
    "CIFAR-10 (JPEG) at CPU size": Source(
        "results/cpu/grids/table2.yaml", "results/cpu", "recorded"
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
NOW = "digits made now"
DATA_SETS = (*SOURCES, NOW)


@functools.cache
def made_now(net: str) -> list[Record]:
    """All methods on the digits, one seed, in seconds; made once in a session."""
    runs = [
        experiment(net=net, method=method, width=0.125, epochs=6, limit=700) for method in COMPARED
    ]
    return [record_of(training.train(run)) for run in runs]


def compared(data_set: str, net: str, methods: str = ALL) -> Exhibit:
    """Test accuracy by epoch of ``net``; where there are no runs, the commands that make them.

    Args:
        data_set: one of `DATA_SETS`
        net: a net's name
        methods: `ALL`, or the label of one method

    >>> compared("CIFAR-10 (JPEG) at CPU size", "convnet").table.columns.tolist()[::2]
    ['BP', 'Early Exit', 'AL', 'Delog-SCL']
    """
    runs = made_now(net) if data_set == NOW else SOURCES[data_set].runs(net)
    wanted = [r for r in runs if methods in (ALL, r.experiment.method_label)]
    if not wanted:
        return _no_runs(data_set, net)
    seeds = len({r.experiment.seed for r in wanted})
    how = "made now, one seed"
    if data_set != NOW:
        how = f"{SOURCES[data_set].kind}, {seeds} seed{'s' if seeds > 1 else ''}"
    return curves(wanted, title=f"{NETS.label(net)} on {wanted[0].experiment.data_label}: {how}")


def _no_runs(data_set: str, net: str) -> Exhibit:
    """An empty figure that says so, and the commands that fill it."""
    title = f"{NETS.label(net)} on {data_set}: no runs here"
    says = (
        "No runs are kept here, and nothing stands in for them.<br>"
        "The commands in the table below make them on your GPU."
    )
    figure = dressed(go.Figure(), title, 260)
    figure.add_annotation(
        text=says, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False, font={"size": 16}
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    commands = SOURCES[data_set].commands(net)
    table = pd.DataFrame({"To make them, in the folder of the repository": commands})
    return Exhibit(figure, table, f"{title}. {says.replace('<br>', ' ')}")


def made_up(
    gaps: Mapping[str, Sequence[Sequence[float]]],
    truth: Sequence[float],
    title: str,
    seeds: int = 3,
) -> Exhibit:
    """A forest plot of comparisons whose truth is known: they are said to be above 0.

    Args:
        gaps: by the comparison's name, points (studies, seeds)
        truth: the mean that each comparison's gaps come from, points
        title: of the figure
        seeds: how many are shown at first

    >>> made_up({"a": [[4.0, 4.5, 3.9]], "b": [[0.1, 3.0, -2.0]]}, [4, 0], "Two").says
    'Two. n = 3 at most; not decided: 1, holds: 1.'
    """
    rows = [
        Row(
            name,
            [[gap / 100 for gap in study] for study in own],
            family=len(gaps),
            truth=mean / 100,
        )
        for (name, own), mean in zip(gaps.items(), truth, strict=True)
    ]
    return forest([Group(title, rows)], title, seeds=seeds, choose=True)
