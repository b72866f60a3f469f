"""``delog-nb sweep``: all runs of one or more grid files."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from delog_nb.cli.shared.executors import (
    add_executor_flags,
    check_executor,
    elsewhere,
    executor_of,
)
from delog_nb.cli.shared.flags import (
    add_checkpoint_flag,
    add_force_flag,
    add_plugin_flag,
    add_track_flag,
    add_workers_flag,
    checkpoint_seconds,
)
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.identity import revisions
from delog_nb.grids import grid
from delog_nb.instruments.course_files import EXPERIMENT

if TYPE_CHECKING:
    from delog_nb.grids.sweep import Progress


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "grids",
        type=Path,
        nargs="+",
        metavar="GRID",
        help="grid file (YAML): fixed, cross, settings and exclude, see experiments/; in its order",
    )
    add_plugin_flag(parser)
    parser.add_argument("--out", type=Path, help="folder for the runs; what is there is not redone")
    add_workers_flag(parser)
    add_executor_flags(parser)
    parser.add_argument(
        "--no-notebook", action="store_true", help="train in the workers, without a notebook each"
    )
    parser.add_argument(
        "--notebook", type=Path, help="notebook to run (default: notebooks/experiment.ipynb)"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="run those that failed before, and just those"
    )
    add_checkpoint_flag(parser)
    add_track_flag(parser)
    add_force_flag(parser)
    parser.add_argument(
        "--keep-checkpoints",
        action="store_true",
        help="keep the weights of finished runs (delog-nb probe reads them)",
    )
    parser.add_argument(
        "--keep-features",
        action="store_true",
        help="with --no-notebook: keep how features of 200 test images move while a run trains",
    )
    parser.add_argument(
        "--hours",
        type=float,
        metavar="X",
        help="stop after X hours; the same command goes on after the last epoch of each run",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the runs and how long they will take"
    )


def run(values: argparse.Namespace) -> int:
    """Run what is missing; the status is 1 if any run failed."""
    begin = time.monotonic()
    described, by_grid = _grids(values.grids)
    until = begin + (math.inf if values.hours is None else values.hours * 3600)
    check_executor(values)
    notebook = _notebook(values)

    from delog_nb.grids.job import is_finished, threads
    from delog_nb.grids.sweep import plan
    from delog_nb.grids.workers import at_a_time

    threads()  # refused here where OMP_NUM_THREADS is no number
    every = [e for wanted in by_grid for e in wanted]
    experiments, unknown = plan(every)
    out: Path | None = values.out
    missing = [
        e
        for e in experiments
        if out is None or not is_finished(out / e.run_id, notebook is not None)
    ]
    workers: int = values.workers or at_a_time(missing)
    if values.dry_run:
        _print_plan(described, experiments, missing, out, workers, notebook is not None)
        for outcome in unknown:
            print(f"{outcome.run_id} cannot be made: {outcome.error}", file=sys.stderr)
        return int(bool(unknown))
    if out is None:
        raise ExperimentError("--out is missing: name the folder for the runs, as in --out runs")

    from delog_nb.cli.shared.progress import Runs, stop_on_signal
    from delog_nb.grids.sweep import sweep
    from delog_nb.instruments.files import check_writable, write_atomically
    from delog_nb.measure.estimate import check_memory

    if not values.force and not elsewhere(values):
        check_memory(missing, min(workers, max(1, len(missing))))
    check_writable(out)
    with (
        stop_on_signal() as asked,
        executor_of(values, workers, out) as (executor, slots, reachable),
    ):
        (out / grid.GRIDS).mkdir(exist_ok=True)
        for path, own, wanted in zip(values.grids, described, by_grid, strict=True):
            copy = out / grid.GRIDS / path.name
            if copy.resolve() != path.resolve():
                with write_atomically(copy) as file:
                    file.write(grid.text_of(grid.planned(own, plan(wanted)[0])).encode())

        def should_stop() -> bool:
            return asked.is_set() or time.monotonic() > until

        display = Runs(len(experiments) + len(unknown))
        progress = sweep(
            every,
            out,
            executor,
            notebook=notebook,
            failed="only" if values.retry_failed else "left",
            keep_checkpoints=values.keep_checkpoints,
            keep_features=values.keep_features,
            checkpoint_every=checkpoint_seconds(values),
            track=values.track,
            slots=slots,
            on_change=display,
            should_stop=should_stop,
            reachable=reachable,
        )
        if should_stop() and hasattr(executor, "stop"):
            executor.stop()
    display.close()
    return _report(progress, out, asked.status)


def _grids(paths: list[Path]) -> tuple[list[grid.Grid], list[list[Experiment]]]:
    """The grids in these files, and the experiments of each."""
    for name, count in Counter(path.name for path in paths).items():
        if count > 1:
            raise ExperimentError(f"two grid files are named {name}: rename one of them")
    described = grid.read_all(paths)
    for path, (found, experiments) in zip(paths, described, strict=True):
        for experiment in experiments:
            for noun, now in revisions(experiment).items():
                if found.revisions.get(noun, now) != now:
                    raise ExperimentError(
                        f"grid {path} shows records of revision {found.revisions[noun]} of {noun}: "
                        f"this one makes revision {now}, so they can be shown, not made"
                    )
    return [found for found, _ in described], [experiments for _, experiments in described]


def _notebook(values: argparse.Namespace) -> Path | None:
    if values.track is not None:
        from delog_nb.records.tracking import check_tracker

        check_tracker(values.track)
    if values.no_notebook:
        if values.notebook is not None:
            raise ExperimentError("--notebook and --no-notebook exclude each other: leave one out")
        return None
    for flag, given in {"--keep-features": values.keep_features, "--track": values.track}.items():
        if given:
            raise ExperimentError(f"{flag} goes with --no-notebook: add it")

    try:
        import papermill  # noqa: F401
    except ImportError:
        raise ExperimentError(
            "a notebook for each run needs papermill: pip install 'delog_nb[lab]', or give "
            "--no-notebook"
        ) from None
    path: Path = (values.notebook or EXPERIMENT).resolve()
    if not path.is_file():
        raise ExperimentError(f"notebook {path} does not exist")
    return path


def _print_plan(
    described: list[grid.Grid],
    experiments: list[Experiment],
    missing: list[Experiment],
    out: Path | None,
    workers: int,
    with_notebook: bool,
) -> None:
    from delog_nb import records
    from delog_nb.grids.expectation import expected_seconds
    from delog_nb.instruments.clock import duration

    absent = {e.run_id for e in missing}
    for experiment in experiments:
        done = "" if experiment.run_id in absent else "  (done)"
        names = ["net", "method", *(name for g in described for name in g.cross)]
        choices = ", ".join(f"{n}={experiment.get(n)}" for n in dict.fromkeys(names))
        print(f"{experiment.run_id}  {choices}{done}")
    found = records.find(out) if out is not None else ()
    known = [r for r in found if isinstance(r, records.Record)]
    seconds = expected_seconds(missing, known, notebook=with_notebook) / min(
        workers, max(1, len(missing))
    )
    done_count = len(experiments) - len(missing)
    print(
        f"{len(experiments)} runs, {done_count} of them done; the others take about "
        f"{duration(seconds)} with {workers} workers on a machine like this one"
    )


def _report(progress: Progress, out: Path, stopped: int) -> int:
    """Say what there is now, and what to do about the rest."""
    failed = [o for o in progress.outcomes.values() if o.state == "failed"]
    if len(progress.outcomes) < progress.total:
        print(
            f"Stopped: {progress.done} of {progress.total} runs are finished and kept in {out}; "
            f"the same command goes on from there",
            file=sys.stderr,
        )
        return stopped
    print(f"{progress.done} of {progress.total} runs are finished in {out}")
    for outcome in failed:
        print(f"Failed: {outcome.run_id}: {outcome.error}", file=sys.stderr)
    if failed:
        print(
            f"{len(failed)} failed: see {out}/<run>/error.json and log.txt, then add "
            f"--retry-failed to the same command",
            file=sys.stderr,
        )
    return int(bool(failed))
