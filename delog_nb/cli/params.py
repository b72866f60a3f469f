"""``delog-nb params``: parameters in training and at inference."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from delog_nb.cli.shared.flags import add_experiment_flags, add_force_flag, experiment_values
from delog_nb.experiment import experiments_of
from delog_nb.experiment.registry import METHODS, NETS
from delog_nb.experiment.rules import possible, refusals


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", action="store_true", help="print comma-separated values")
    add_force_flag(parser)
    add_experiment_flags(parser, without=("method", "net"))


def run(values: argparse.Namespace) -> int:
    """Print the table for all nets and methods, by default as in the paper (Table 5)."""
    given = {"preset": "paper", "dataset": "cifar10"} | experiment_values(values)
    pairs = list(itertools.product(NETS, METHODS))
    reasons = refusals(pairs)
    todo = experiments_of(
        [given | {"net": n, "method": m} for n, m in pairs if (n, m) not in reasons]
    )

    from delog_nb.measure.cost import parameter_counts
    from delog_nb.measure.estimate import check_weights
    from delog_nb.methods import obstacles
    from delog_nb.records.summary import aligned, csv_text

    reasons |= obstacles(todo)
    todo = possible(todo, reasons)
    if not values.force:
        check_weights(todo)
    rows: list[dict[str, Any]] = []
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
    if values.csv:
        print(csv_text(rows), end="")
        return 0
    table = [[*rows[0], "affiliated_params"]]
    for net, method, training, inference in (row.values() for row in rows):
        numbers = training, inference, training - inference
        table.append([net, method, *(f"{number:,}" for number in numbers)])
    print(aligned(table), *(f"Left out: {why}" for why in reasons.values()), sep="\n")
    return 0
