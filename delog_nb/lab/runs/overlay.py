"""Finished runs over each other, named by what sets them apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from delog_nb.experiment import Experiment
from delog_nb.lab.charts.exhibit import Exhibit
from delog_nb.lab.charts.lines import lines
from delog_nb.records import Record
from delog_nb.records.summary import by_epoch, outcome, precisions


def names_of(experiments: Sequence[Experiment]) -> list[str]:
    """A name for each run: its method, and every other choice in which the runs differ.

    >>> names_of([Experiment(method="bp"), Experiment(method="bp", lr=0.01)])
    ['BP, lr 0.002', 'BP, lr 0.01']
    """
    all_choices = [e.choices() for e in experiments]
    names = dict.fromkeys(name for choices in all_choices for name in choices)
    differing = [
        name
        for name in names
        if name != "method" and len({c[name] for c in all_choices if name in c}) > 1
    ]
    return [
        ", ".join([e.method_label, *(f"{n} {choices[n]}" for n in differing if n in choices)])
        for e, choices in zip(experiments, all_choices, strict=True)
    ]


def overlay(records: Sequence[Record]) -> Exhibit:
    """Test accuracy by epoch, a line for each run."""
    names = names_of([record.experiment for record in records])
    by_name = {
        f"{number}. {name}": by_epoch([record], "test_acc")
        for number, (name, record) in enumerate(zip(names, records, strict=True), 1)
    }
    return lines(by_name, "Test accuracy by epoch", "Epoch", "Test accuracy (%)", digits=".2f")


def overlay_table(records: Sequence[Record]) -> pd.DataFrame:
    """The runs' results and costs: a row for each."""
    names = names_of([record.experiment for record in records])
    return pd.DataFrame(
        {
            "Run": names,
            "Net": [r.experiment.net_label for r in records],
            "Data": [r.experiment.data_label for r in records],
            "Precision": [precisions([r]) for r in records],
            "Epochs": [r.results["epochs"] for r in records],
            "Test accuracy, last epoch (%)": [outcome(r, "{percent:.2f}") for r in records],
            "Parameters in training": [f"{r.results['train_params']:,}" for r in records],
            "Training (s per epoch)": [f"{r.results['sec_per_epoch']:.2f}" for r in records],
            "Peak memory of a step (MB)": [f"{r.results['peak_train_mb']:.1f}" for r in records],
        }
    )
