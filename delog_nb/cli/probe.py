"""``delog-nb probe``: what the features of finished runs still hold, as ``probes.csv``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.flags import add_plugin_flag
from delog_nb.experiment import DelogError, ExperimentError, RecordError

if TYPE_CHECKING:
    from delog_nb.records import Record


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", help="folders of runs whose checkpoints were kept"
    )
    parser.add_argument(
        "--images",
        nargs="+",
        default=[2000],
        metavar="N",
        help="training images that fit a probe, of several numbers one each (default: 2000)",
    )
    parser.add_argument(
        "--beyond",
        action="store_true",
        help="fit to any training images of the data set, also those that the run did not see",
    )
    parser.add_argument(
        "--test-images",
        metavar="N",
        help="test images that score a probe (default: as many as fit it)",
    )
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="class, rotation, flip, colour (default: all)"
    )
    parser.add_argument(
        "--every", action="store_true", help="ask of each image with each answer, not with one"
    )
    add_plugin_flag(parser)
    parser.add_argument(
        "--again", action="store_true", help="also where probes.csv is there already"
    )


def run(values: argparse.Namespace) -> int:
    """Probe what has a checkpoint and no probes yet; the status is 1 if any run was left out."""
    for folder in values.runs:
        if not folder.is_dir():
            raise ExperimentError(f"{folder} is not a folder: name one that train or sweep made")

    from delog_nb import records
    from delog_nb.instruments.run_files import PROBES
    from delog_nb.measure.invariance import TASKS

    tasks = values.tasks or TASKS
    if unknown := set(tasks) - set(TASKS):
        raise ExperimentError(f"task {min(unknown)!r} is not allowed: {', '.join(TASKS)}")
    ask = partial(
        _probe,
        counts=values.images,
        scored=values.test_images,
        tasks=tasks,
        beyond=values.beyond,
        every=values.every,
    )
    items = [item for folder in values.runs for item in records.find(folder)]
    if not items:
        raise ExperimentError(f"no finished run in {', '.join(map(str, values.runs))}")
    left_out = 0
    for item in items:
        if isinstance(item, RecordError):
            print(f"Skipped: {item}", file=sys.stderr)
            left_out += 1
            continue
        folder = item.folder or Path()
        there = (folder / PROBES).exists()
        if there and not values.again:
            print(f"{folder / PROBES} is there")
        elif not (folder / records.CHECKPOINT).exists():
            print(
                f"Skipped: {folder} has no {records.CHECKPOINT}: make the run with "
                f"'delog-nb sweep --keep-checkpoints'",
                file=sys.stderr,
            )
            left_out += not there
        else:
            try:
                print(ask(item, folder), flush=True)
            except DelogError as error:
                print(f"Skipped: {error}", file=sys.stderr)
                left_out += 1
    return int(bool(left_out))


def _probe(
    record: Record,
    folder: Path,
    counts: Sequence[int],
    scored: int | None,
    tasks: Sequence[str],
    beyond: bool,
    every: bool,
) -> str:
    """Restore one run and write its probes; a line that says where."""
    from delog_nb import records
    from delog_nb.data import load
    from delog_nb.measure.invariance import probe_run, write_probes

    experiment = record.experiment
    if not experiment.declared:
        raise ExperimentError(f"{folder} was made with a plug-in: name it with --plugin")
    if folder.name != experiment.run_id:
        raise ExperimentError(f"{folder} was made by another revision than {experiment.run_id}")
    images = load(experiment)
    run = records.restore(experiment, folder.parent, data=images)
    begin = time.perf_counter()
    if beyond:
        whole = load(experiment.but(preset="paper", limit=None, val_fraction=0.0))
        images = replace(whole, mean=images.mean, std=images.std)
    rows = [
        row
        for n in counts
        for row in probe_run(run, images, n, tasks=tasks, test_count=scored, every=every)
    ]
    path = write_probes(rows, folder)
    return f"{path}: {len(rows)} probes in {time.perf_counter() - begin:.1f} s"
