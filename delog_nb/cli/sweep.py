"""``delog-nb sweep``: all runs of one or more grid files."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delog_nb.cli.shared.flags import (
    add_checkpoint_flag,
    add_force_flag,
    add_plugin_flag,
    add_workers_flag,
    checkpoint_seconds,
)
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.fields import shown
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
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on a Dask cluster instead: tcp://host:8786"
    )
    parser.add_argument(
        "--resources", metavar="NAME=N", help="with --scheduler: what a run takes, such as GPU=1"
    )
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
    resources = _resources(values)
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

    if not values.force and values.scheduler is None:
        check_memory(missing, min(workers, max(1, len(missing))))
    check_writable(out)
    with (
        stop_on_signal() as asked,
        _executor(values, workers, resources) as (
            executor,
            slots,
            reachable,
        ),
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


def _resources(values: argparse.Namespace) -> dict[str, float]:
    if values.resources is None:
        return {}
    if values.scheduler is None:
        raise ExperimentError("--resources goes with --scheduler: this machine's workers have none")
    name, _, text = values.resources.partition("=")
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (name and len(name) <= 100 and 0.001 <= amount <= 1_000_000):
        raise ExperimentError(
            f"resources = {shown(values.resources)} is not allowed: a name and a number above 0, "
            "from 0.001 to 1,000,000, as in GPU=1"
        )
    return {name: amount}


def _notebook(values: argparse.Namespace) -> Path | None:
    if values.no_notebook:
        if values.notebook is not None:
            raise ExperimentError("--notebook and --no-notebook exclude each other: leave one out")
        return None
    if values.keep_features:
        raise ExperimentError("--keep-features goes with --no-notebook: add it")

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


@contextmanager
def _executor(
    values: argparse.Namespace, workers: int, resources: dict[str, float]
) -> Iterator[tuple[Executor, int, Callable[[], bool]]]:
    """The executor, how many runs it makes at a time, and whether its workers are reached."""
    if values.scheduler is None:
        from delog_nb.grids.workers import Workers

        with Workers(workers) as executor:
            yield executor, workers, lambda: True
        return
    try:
        from distributed import Client
    except ImportError:
        raise ExperimentError("--scheduler needs Dask: pip install 'delog_nb[grid]'") from None
    try:
        client = Client(values.scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ExperimentError(
            f"scheduler {values.scheduler} cannot be reached ({text}): an address such as "
            f"tcp://127.0.0.1:8786 is expected"
        ) from None
    with client:
        slots = _slots(client.scheduler_info(n_workers=-1)["workers"].values(), resources)
        executor = client.get_executor(**({"resources": resources} if resources else {}))
        yield executor, slots, lambda: client.status == "running"


def _slots(workers: Collection[Mapping[str, Any]], resources: dict[str, float]) -> int:
    """How many runs these workers make at a time.

    Raises:
        ExperimentError: there are workers, but none of them has what a run takes.
    """
    slots = sum(
        min([w["nthreads"], *(int(w["resources"].get(n, 0) // k) for n, k in resources.items())])
        for w in workers
    )
    if workers and not slots:
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in resources.items())
        raise ExperimentError(
            f"none of the {len(workers)} workers has {wanted}: start them with "
            f"'dask worker --resources {wanted}'"
        )
    return slots


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
