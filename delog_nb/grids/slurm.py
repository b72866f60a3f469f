"""Jobs of a Slurm cluster as an executor, through submitit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import submitit

from delog_nb.experiment import ExperimentError
from delog_nb.grids.workers import WorkerDied

_TICK_SECONDS = 1.0  # between two looks at the jobs; submitit asks Slurm less often


class Slurm(Executor):
    """Each call is a job; what it returns comes back through files.

    Args:
        folder: for the jobs' scripts, logs and results; every node must see it under this path
        options: what a job takes: submitit's own (``timeout_min``, ``cpus_per_task``,
            ``gpus_per_node``, ``mem_gb``) or sbatch's (``partition``, ``qos`` ...)
        cluster: ``slurm``, or ``local``: processes of this machine, to try it

    Raises:
        ExperimentError: there is no Slurm here, or an option that it does not have.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any], cluster: str = "slurm") -> None:
        shared = submitit.AutoExecutor._typed_parameters()
        named = {k if k in shared else f"slurm_{k}": v for k, v in options.items()}
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._executor.update_parameters(**{"name": "delog_nb", **named})
        except (RuntimeError, NameError, AssertionError, ValueError) as error:
            text = " ".join(str(error).split())
            raise ExperimentError(f"no jobs can be made for {cluster}: {text}") from None
        self._jobs: dict[Future[Any], submitit.Job[Any]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call ``fn(*args, **kwargs)`` in a job of its own."""
        future: Future[Any] = Future()
        job = self._executor.submit(fn, *args, **kwargs)
        with self._lock:
            self._jobs[future] = job
        return future

    def _look(self) -> None:
        while not self._closed.wait(_TICK_SECONDS):
            with self._lock:
                jobs = list(self._jobs.items())
            for future, job in jobs:
                if future.cancelled():
                    job.cancel()
                elif not job.done():
                    continue
                elif future.set_running_or_notify_cancel():
                    _settle(future, job)
                with self._lock:
                    del self._jobs[future]

    def stop(self) -> None:
        """Cancel all jobs; what they were at raises `WorkerDied`."""
        self._closed.set()
        self._watch.join()
        for future, job in self._jobs.items():
            job.cancel()
            if future.set_running_or_notify_cancel():
                future.set_exception(WorkerDied("it was stopped"))
        self._jobs.clear()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs, or leave them alone: they end by themselves."""
        if cancel_futures:
            self.stop()
        while wait and self._jobs and not self._closed.wait(_TICK_SECONDS):
            pass
        self._closed.set()

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:  # such as a second Ctrl-C
            self.stop()
        super().__exit__(kind, *rest)


def _settle(future: Future[Any], job: submitit.Job[Any]) -> None:
    try:
        future.set_result(job.result())
    except Exception as error:  # noqa: BLE001 - the call's, or submitit's: no result came
        future.set_exception(WorkerDied(" ".join(str(error).split())[-300:]))
