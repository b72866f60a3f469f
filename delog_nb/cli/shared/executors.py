"""Where a sweep's runs are made: processes of this machine, a Dask cluster, or jobs of Slurm."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from delog_nb.experiment import ExperimentError
from delog_nb.experiment.fields import shown


def add_executor_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on a Dask cluster instead: tcp://host:8786"
    )
    parser.add_argument(
        "--resources", metavar="NAME=N", help="with --scheduler: what a run takes, such as GPU=1"
    )
    parser.add_argument(
        "--slurm", action="store_true", help="make each run as a job of Slurm instead"
    )
    parser.add_argument(
        "--slurm-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --slurm: what a job takes, such as partition=gpu or timeout_min=600; repeat for "
        "more; cluster=local tries it in processes of this machine",
    )


def elsewhere(values: argparse.Namespace) -> bool:
    """Whether the runs are made where this machine's memory says nothing."""
    return values.slurm or values.scheduler is not None


def check_executor(values: argparse.Namespace) -> None:
    """Raise `ExperimentError` for flags that do not go together or cannot be read."""
    if values.slurm and values.scheduler is not None:
        raise ExperimentError("--slurm and --scheduler exclude each other: leave one out")
    if values.slurm_set and not values.slurm:
        raise ExperimentError("--slurm-set goes with --slurm: add it")
    _resources(values)
    _options(values)


@contextmanager
def executor_of(
    values: argparse.Namespace, workers: int, out: Path
) -> Iterator[tuple[Executor, int, Callable[[], bool]]]:
    """The executor, how many runs it makes at a time, and whether its workers are reached."""
    if values.slurm:
        try:
            from delog_nb.grids.slurm import Slurm
        except ImportError:
            raise ExperimentError("--slurm needs submitit: pip install 'delog_nb[slurm]'") from None
        options = _options(values)
        cluster = str(options.pop("cluster", "slurm"))
        with Slurm((out / "slurm").resolve(), options, cluster) as jobs:
            yield jobs, sys.maxsize, lambda: True  # how many is Slurm's to say
        return
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
        resources = _resources(values)
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


def _options(values: argparse.Namespace) -> dict[str, Any]:
    """What ``--slurm-set`` says; whole numbers are numbers."""
    options: dict[str, Any] = {}
    for text in values.slurm_set:
        name, sign, value = text.partition("=")
        if not (sign and name.isidentifier() and 0 < len(value) <= 1000):
            raise ExperimentError(
                f"slurm-set = {shown(text)} is not allowed: NAME=VALUE, as in partition=gpu"
            )
        options[name] = int(value) if value.isdecimal() and len(value) < 10 else value
    return options
