"""``delog-nb train``: one run, in this process or in several."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import (
    add_checkpoint_flag,
    add_experiment_flags,
    add_force_flag,
    add_track_flag,
    checkpoint_seconds,
    experiment_values,
    plugin_words,
)
from delog_nb.experiment import Experiment, ExperimentError, flags_of

if TYPE_CHECKING:
    from delog_nb.data import ImageData
    from delog_nb.records import Record
    from delog_nb.training.team import Team


def add_flags(parser: argparse.ArgumentParser) -> None:
    several = parser.add_argument_group("several processes").add_mutually_exclusive_group()
    several.add_argument(
        "--pipeline",
        type=int,
        metavar="N",
        help="train the components in a pipeline of N processes (default: one process)",
    )
    several.add_argument(
        "--data-parallel",
        type=int,
        metavar="N",
        help="share every batch among N processes (default: one process)",
    )
    add_force_flag(parser)
    add_run_flags(parser)


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say what to train and where to keep it."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for the record (default: runs)"
    )
    add_checkpoint_flag(parser)
    add_track_flag(parser)
    add_experiment_flags(parser)


def run(values: argparse.Namespace) -> int:
    """Train, or find the record of the same run; print its results."""
    experiment = Experiment(**experiment_values(values))
    every = checkpoint_seconds(values)
    if values.track is not None:
        from delog_nb.records.tracking import check_tracker

        check_tracker(values.track)
    if values.pipeline is None and values.data_parallel is None:
        from delog_nb.cli.shared.progress import stop_on_signal
        from delog_nb.measure.estimate import check_memory
        from delog_nb.training import planned

        experiment = planned(experiment)
        if not values.force and not is_recorded(experiment, values.out):
            check_memory([experiment])
        with stop_on_signal() as asked:
            record = train(
                experiment, values.out, asked.is_set, checkpoint_every=every, track=values.track
            )
        return report(record, experiment, values.out, asked.status)

    from delog_nb import pipeline
    from delog_nb.measure.estimate import check_memory

    words = [
        "-m",
        "delog_nb.cli.rank",
        "--out",
        str(values.out),
        "--checkpoint-every",
        str(every),
        *(["--track", values.track] if values.track else []),
        *plugin_words(values),
        *flags_of(experiment_values(values)),
    ]
    if values.pipeline is not None:
        pipeline.check(experiment, values.pipeline)
        if not values.force:
            check_memory([experiment], values.pipeline, shared=("stays", "comes"))
        return pipeline.launch(words, values.pipeline)
    if values.data_parallel < 2:
        raise ExperimentError(
            f"data-parallel = {values.data_parallel} is not allowed: at least 2 processes"
        )
    if not values.force:
        check_memory([experiment], values.data_parallel, shared=("comes",))
    return pipeline.launch([*words, "--data-parallel"], values.data_parallel)


def is_recorded(experiment: Experiment, out: Path) -> bool:
    """Whether the planned experiment needs no training any more."""
    from delog_nb.instruments.run_files import RECORD

    return os.path.exists(out / experiment.run_id / RECORD)


def train(
    experiment: Experiment,
    out: Path,
    should_stop: Callable[[], bool],
    team: Team | None = None,
    data: Callable[[], ImageData] | None = None,
    checkpoint_every: float = 60.0,
    track: str | None = None,
) -> Record | None:
    """`delog_nb.records.train_once` with progress on standard error, and in a tracker."""
    from delog_nb.cli.shared.progress import Progress
    from delog_nb.records import train_once
    from delog_nb.records.tracking import tracking
    from delog_nb.training import Event

    label = f"{experiment.method_label}, {experiment.net_label}"
    shown = Progress(label, every_epoch=True)
    with tracking(track, out) as tracked:

        def on_event(event: Event) -> None:
            shown(event)
            tracked(event)

        return train_once(
            experiment,
            out,
            on_event,
            should_stop,
            data=data,
            team=team,
            checkpoint_every=checkpoint_every,
        )


def report(record: Record | None, experiment: Experiment, out: Path, stopped: int) -> int:
    """Print the record's results; the command's exit status, ``stopped`` where there is none."""
    folder = out / experiment.run_id
    if record is None:
        print(f"Stopped. The same command goes on from {folder}", file=sys.stderr)
        return stopped

    from delog_nb.records.summary import diverged, summary, summary_for_people
    from delog_nb.training import Divergence

    (row,) = summary_for_people(summary([record]))
    for name, value in row.items():
        print(f"{name}: {value}")
    print(f"Record: {folder}")
    if diverged(record):
        print(f"delog-nb: {Divergence(**record.results['diverged'])}", file=sys.stderr)
        return 1
    return 0
