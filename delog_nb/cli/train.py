"""``delog-nb train``: one run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from delog_nb.cli.flags import add_experiment_flags, experiment_values
from delog_nb.config import Experiment
from delog_nb.registry import METHODS, NETS


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for the record (default: runs)"
    )
    add_experiment_flags(parser)


def run(values: argparse.Namespace) -> int:
    """Train, or find the record of the same run; print its results."""
    experiment = Experiment(**experiment_values(values))

    from delog_nb.cli.progress import Progress, stop_on_interrupt
    from delog_nb.lab.figures import summary, summary_for_people
    from delog_nb.records import train_once

    label = f"{METHODS[experiment.method].label}, {NETS[experiment.net].label}"
    folder = values.out / experiment.run_id
    with stop_on_interrupt() as asked:
        record = train_once(experiment, values.out, Progress(label, every_epoch=True), asked.is_set)
    if record is None:
        print(f"Stopped. The same command goes on from {folder}", file=sys.stderr)
        return 130
    row = summary_for_people(summary([record])).iloc[0]
    for name, value in row.items():
        print(f"{name}: {value}")
    print(f"Record: {folder}")
    return 0
