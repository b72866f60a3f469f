"""Many runs on any executor: what is missing is run, what fails stops nothing."""

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from delog_nb.experiment import Experiment, ExperimentError, plugins
from delog_nb.grids import job
from delog_nb.grids.job import Job, Outcome
from delog_nb.instruments.clock import duration
from delog_nb.instruments.files import check_writable
from delog_nb.training import plan_each

_LOST_SECONDS = 30.0
_TICK_SECONDS = 1.0  # how often should_stop is asked while no run ends


@dataclass
class Progress:
    """Where a sweep stands; runs whose record was there count as done."""

    total: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    running: int = 0
    started: float = field(default_factory=time.perf_counter)

    def _count(self, *states: str) -> int:
        return sum(outcome.state in states for outcome in self.outcomes.values())

    @property
    def done(self) -> int:
        return self._count("done", "kept")

    @property
    def failed(self) -> int:
        return self._count("failed")

    @property
    def seconds_left(self) -> float | None:
        """As long as the finished runs took; None before the first one is."""
        made = self._count("done")
        left = self.total - len(self.outcomes)
        return (time.perf_counter() - self.started) / made * left if made else None

    def __str__(self) -> str:
        left = self.seconds_left
        ahead = f", about {duration(left)} left" if left else ""
        return (
            f"{self.done} of {self.total} done, {self.running} running, {self.failed} failed{ahead}"
        )


def sweep(
    experiments: Sequence[Experiment],
    out: Path,
    executor: Executor,
    *,
    notebook: Path | None = None,
    failed: Literal["left", "again", "only"] = "left",
    keep_checkpoints: bool = False,
    keep_features: bool = False,
    checkpoint_every: float = 60.0,
    track: str | None = None,
    slots: int = 1,
    on_change: Callable[[Progress, Outcome | None], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    reachable: Callable[[], bool] | None = None,
) -> Progress:
    """Run every experiment whose record is not below ``out`` yet.

    A run that another sweep is making in the same folder is waited for, and made here if that
    sweep dies. A run whose worker or scheduler is lost leaves no error behind: the next
    call makes it.

    Args:
        experiments: the runs
        out: their folder; workers on other machines must see it under the same path
        executor: any `concurrent.futures.Executor`: `delog_nb.grids.workers.Workers`, a process
            pool, ``dask.distributed.Client().get_executor()``, ``mpi4py.futures.MPIPoolExecutor()``
        notebook: executed for each run by papermill; None trains in the worker itself, which
            saves the start of a kernel
        failed: what becomes of runs that failed before: they are ``left``, tried ``again`` with
            the others, or the ``only`` ones that are made
        keep_checkpoints: keep the weights of finished runs
        keep_features: keep what `delog_nb.measure.features` does; without ``notebook``
        checkpoint_every: seconds between two checkpoints of a run that a worker itself makes
        track: a tracker, see `delog_nb.records.tracking`; without ``notebook``
        slots: how many runs the executor makes at a time, for ``running``
        on_change: called on this thread as runs start and end; the outcome is of a run that ended
        should_stop: asked every second; True cancels the runs that have not begun and returns
        reachable: asked every second whether the executor's workers can still be reached; what is
            not done half a minute after they could is lost

    Raises:
        WriteError: ``out`` cannot be written.
    """
    check_writable(out)
    wanted, unknown = plan(experiments)
    progress = Progress(len(wanted) + len(unknown), {o.run_id: o for o in unknown})
    todo: dict[str, Experiment] = {}
    for experiment in wanted:
        folder = out / experiment.run_id
        error = job.failure(folder)
        if job.is_finished(folder, notebook is not None):
            progress.outcomes[experiment.run_id] = Outcome(experiment.run_id, "kept")
        elif error is not None and failed == "left":
            progress.outcomes[experiment.run_id] = Outcome(experiment.run_id, "failed", error=error)
        elif error is not None or failed != "only":
            todo[experiment.run_id] = experiment
        else:
            progress.total -= 1

    pending: dict[Future[Outcome], str] = {}

    def changed(outcome: Outcome | None = None) -> None:
        progress.running = min(slots, len(pending))
        if on_change:
            on_change(progress, outcome)

    def job_of(experiment: Experiment, wait_for_others: float) -> Job:
        return Job.of(
            experiment,
            out.resolve(),
            notebook=notebook,
            keep_checkpoint=keep_checkpoints,
            keep_features=keep_features,
            wait=wait_for_others,
            checkpoint_every=checkpoint_every,
            track=track,
        )

    def ended(outcome: Outcome) -> None:
        if outcome.state != "busy":
            progress.outcomes[outcome.run_id] = outcome
            del todo[outcome.run_id]
        changed(outcome)

    for experiment in list(todo.values()):
        if why := _not_alone(experiment):
            warnings.warn(f"{why}: its runs are made in this process", stacklevel=2)
            if should_stop and should_stop():
                return progress
            here = replace(job_of(experiment, -1.0), plugins=(), notebook=None)
            ended(job.run(here))

    wait_for_others = 0.0
    while todo:
        pending = {
            executor.submit(job.run, job_of(experiment, wait_for_others)): run_id
            for run_id, experiment in todo.items()
        }
        changed()
        seen = time.monotonic()
        while pending:
            done, _ = wait(pending, _TICK_SECONDS, FIRST_COMPLETED)
            if reachable is None or reachable():
                seen = time.monotonic()
            elif time.monotonic() - seen > _LOST_SECONDS and not done:
                for run_id in pending.values():
                    ended(Outcome(run_id, "failed", error=_lost("no connection")))
                break
            if should_stop and should_stop():
                for future in pending:
                    future.cancel()
                return progress
            for future in done:
                ended(_outcome(future, pending.pop(future)))
        wait_for_others = -1.0  # only runs of other sweeps are left
    return progress


def plan(experiments: Iterable[Experiment]) -> tuple[list[Experiment], list[Outcome]]:
    """The experiments planned, each once; and an outcome for each that cannot be.

    Those have no id, since it is not known what they are: they are named without its hash, and
    nothing is written of them.
    """
    made: dict[str, Experiment] = {}
    failed: list[Outcome] = []
    experiments = list(experiments)
    for experiment, item in zip(experiments, plan_each(experiments), strict=True):
        if isinstance(item, Experiment):
            made[item.run_id] = item
        else:
            e = experiment
            name = f"{e.dataset}-{e.net}-{e.method}-s{e.seed} ({len(failed) + 1})"
            failed.append(Outcome(name, "failed", error=str(item)))
    return list(made.values()), failed


def _not_alone(experiment: Experiment) -> str | None:
    """Why another process cannot make the experiment, if a plug-in's source does not run alone."""
    try:
        for plugin in job.plugins_of(experiment):
            if not plugin.package:
                plugins.entries_of(plugin)
    except ExperimentError as error:
        return str(error)
    return None


def _outcome(future: Future[Outcome], run_id: str) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - an executor raises what it likes for a lost worker
        text = " ".join(str(error).split()) or type(error).__name__
        return Outcome(run_id, "failed", error=_lost(text))


def _lost(reason: str) -> str:
    return f"its worker, or what it was reached by, was lost ({reason})"
