"""A run's figures to a tracker while it is trained: TensorBoard, MLflow or Trackio.

Each is a function that begins a run and returns what logs an epoch and what ends the run.
TensorBoard's files are in ``tensorboard/`` of the runs' folder; MLflow keeps runs where
``MLFLOW_TRACKING_URI`` says and Trackio where ``TRACKIO_DIR`` does, else in their usual places.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from delog_nb.experiment import ExperimentError, closest
from delog_nb.training import Ended, EpochEnded, Event, Started

PROJECT = "delog_nb"  # what the runs are filed under


class _Run(NamedTuple):
    log: Callable[[int, dict[str, float]], object]
    end: Callable[[bool], object]  # whether training came to its end


def _tensorboard(started: Started, out: Path) -> _Run:
    from torch.utils.tensorboard import SummaryWriter

    place = out / "tensorboard" / started.experiment.run_id
    # what a killed process logged after the checkpoint that the run goes on from comes again
    writer = SummaryWriter(str(place), purge_step=started.epoch + 1)

    def log(epoch: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    return _Run(log, lambda _: writer.close())


def _mlflow(started: Started, _: Path) -> _Run:
    import mlflow
    from mlflow.entities import Metric, Param

    client = mlflow.MlflowClient()
    place = mlflow.set_experiment(PROJECT).experiment_id
    run_id = started.experiment.run_id
    there = client.search_runs([place], f"attributes.run_name = '{run_id}'", max_results=1)
    run = there[0] if started.epoch and there else client.create_run(place, run_name=run_id)
    own = run.info.run_id
    params = [Param(name, str(value)) for name, value in started.experiment.choices().items()]
    client.log_batch(own, params=params)
    client.update_run(own, "RUNNING")

    def log(epoch: int, figures: dict[str, float]) -> None:
        now = int(1000 * time.time())
        client.log_batch(own, [Metric(name, value, now, epoch) for name, value in figures.items()])

    def end(finished: bool) -> None:
        client.set_terminated(own, "FINISHED" if finished else "KILLED")

    return _Run(log, end)


def _trackio(started: Started, _: Path) -> _Run:
    import trackio

    run = trackio.init(
        PROJECT,
        started.experiment.run_id,
        config=started.experiment.choices(),
        resume="allow" if started.epoch else "never",
        embed=False,
    )
    return _Run(lambda epoch, figures: run.log(figures, step=epoch), lambda _: run.finish())


TRACKERS: dict[str, Callable[[Started, Path], _Run]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "trackio": _trackio,
}


def check_tracker(name: str) -> None:
    """Raise `ExperimentError` if there is no such tracker, or it is not installed."""
    if name not in TRACKERS:
        hint = closest(name, TRACKERS)
        raise ExperimentError(
            f"track = {name!r} is not allowed: one of {', '.join(TRACKERS)}{hint}"
        )
    if find_spec(name) is None:
        raise ExperimentError(f"{name} is not installed: pip install 'delog_nb[{name}]'")


@contextmanager
def tracking(name: str | None, out: Path) -> Iterator[Callable[[Event], None]]:
    """What is called with a run's events; the tracker's run ends with the block.

    A tracker that fails is left out from then on, with a warning: the training goes on.

    Args:
        name: one of `TRACKERS`; None: nothing is tracked
        out: the runs' folder

    Raises:
        ExperimentError: as `check_tracker`.
    """
    if name is None:
        yield lambda _: None
        return
    check_tracker(name)
    run: _Run | None = None
    finished = False

    def tried(step: Callable[..., Any], *given: Any) -> Any:
        nonlocal run
        try:
            return step(*given)
        except Exception as error:  # noqa: BLE001 - a server that is gone, a file that is full
            run = None
            text = " ".join(str(error).split())[:300]
            warnings.warn(f"{name} failed, and the run is not tracked further: {text}")

    def on_event(event: Event) -> None:
        nonlocal run, finished
        if isinstance(event, Started):
            run = tried(TRACKERS[name], event, out)
        elif isinstance(event, EpochEnded) and run:
            row = dict(event.row)
            epoch = int(row.pop("epoch") or 0)
            tried(run.log, epoch, {k: float(v) for k, v in row.items() if v is not None})
        elif isinstance(event, Ended):
            finished = not event.run.stopped

    try:
        yield on_event
    finally:
        if run:
            tried(run.end, finished)
