"""``delog-nb params``: parameters in training and at inference."""

from __future__ import annotations

import argparse

from delog_nb.cli.flags import add_experiment_flags, experiment_values
from delog_nb.experiment import Experiment
from delog_nb.experiment.registry import METHODS, NETS


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="print comma-separated values")
    add_experiment_flags(parser, without=("method", "net"))


def run(values: argparse.Namespace) -> int:
    """Print the table for all nets and methods, by default as in the paper (Table 5)."""
    given = {"preset": "paper", "dataset": "cifar10"} | experiment_values(values)
    todo = [Experiment(**given, net=net, method=method) for net in NETS for method in METHODS]

    import pandas as pd

    from delog_nb.measure.cost import parameter_counts

    rows = []
    for experiment in todo:
        counts = parameter_counts(experiment)
        rows.append(
            {
                "net": experiment.net,
                "method": experiment.method,
                "train_params": counts.training,
                "inference_params": counts.inference,
            }
        )
    table = pd.DataFrame(rows)
    if values.csv:
        print(table.to_csv(index=False), end="")
        return 0
    table.insert(4, "affiliated_params", table["train_params"] - table["inference_params"])
    for column in table.columns[2:]:
        table[column] = [f"{count:,}" for count in table[column]]
    print(table.to_string(index=False))
    return 0
