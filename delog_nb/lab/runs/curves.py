"""From records to exhibits: accuracy by epoch, and what methods cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, end_to_end
from delog_nb.lab.asks.session import show_table
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.lines import lines
from delog_nb.lab.charts.scatter import scatter
from delog_nb.records import Record
from delog_nb.records.summary import by_epoch, grouped, summary, summary_for_people

COSTS = {  # column of a summary: what it is called
    "train_params": "parameters in training",
    "inference_params": "parameters for a prediction",
    "sec_per_epoch": "seconds of training per epoch",
    "peak_train_mb": "peak memory of a step",
}


def value_label(field: str, experiment: Experiment) -> str:
    """What a line, row or column for the experiment's value of ``field`` is called."""
    labels = {
        "method": experiment.method_label,
        "net": experiment.net_label,
        "dataset": experiment.data_label,
    }
    if field == "components":
        count = experiment.num_components
        return f"{count} short gradient flows" if count > 1 else "single long gradient flow"
    return labels.get(field) or f"{field.replace('_', ' ')} {experiment.get(field)}"


def value_styles(field: str, experiments: Iterable[Experiment]) -> dict[str, str]:
    """Whose style a line takes: the uncut network BP's, the fully cut one its method's."""
    if field != "components":
        return {}
    whole = METHODS[end_to_end()].label
    return {
        value_label(field, e): whole if e.num_components == 1 else e.method_label
        for e in experiments
        if e.num_components in (1, e.hidden + 1)
    }


def curves(
    records: Sequence[Record],
    column: str = "test_acc",
    title: str = "",
    by: str = "method",
) -> Exhibit:
    """Accuracy by epoch: a line per method, mean and standard deviation over seeds.

    Args:
        records: of one data set and net
        column: of the history, such as ``val_acc``
        title: default: what is shown, on which net and data set
        by: the choice that lines stand for, such as ``components``

    >>> from delog_nb import lab
    >>> runs = [r for r in lab.recorded("table2").records if r.experiment.net == "convnet"]
    >>> len(lab.curves(runs).table)
    12
    """
    groups = grouped(records, by)
    named = {value_label(by, runs[0].experiment): runs for runs in groups.values()}
    label, net, _ = next(iter(groups))
    seeds = len({r.experiment.seed for r in records})
    over = f", mean and standard deviation of {seeds} seeds" if seeds > 1 else ""
    return lines(
        {name: by_epoch(runs, column) for name, runs in named.items()},
        title or f"Test accuracy by epoch: {net} on {label}{over}",
        "Epoch",
        "Test accuracy (%)",
        styles=value_styles(by, [r.experiment for r in records]),
        digits=".2f",
    )


def costs(records: Sequence[Record]) -> Exhibit:
    """What each method costs, as a multiple of the first one's, which is BP where it is there.

    ``records`` are of one data set and net.

    >>> from delog_nb import lab
    >>> runs = [r for r in lab.recorded("table2").records if r.experiment.net == "convnet"]
    >>> float(lab.costs(runs).table.loc["BP", "peak memory of a step"])
    1.0
    """
    rows = summary(records)
    first = rows[0]
    points = {
        row["method_label"]: [
            (row[column] / first[column], name)
            for column, name in COSTS.items()
            if first[column] and row[column] / first[column] > 0
        ]
        for row in rows
    }
    title = f"What each method costs: {first['net_label']} on {first['data_label']}"
    axis = f"Multiple of {first['method_label']}'s"
    return scatter(points, title, axis, log=True, level=1.0, digits=".2f")


def show_summary(records: Sequence[Record]) -> None:
    """Display accuracies and costs as a table, a row for each data set, net and method.

    >>> from delog_nb import lab
    >>> lab.show_summary(lab.recorded("table2").records[:1])  # doctest: +ELLIPSIS
               Data     Net Method Seeds ...
    """
    show_table(pd.DataFrame(summary_for_people(summary(records))))
