"""One run of a grid, where it runs: in a notebook of its own, or in the worker itself."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import torch

from delog_nb import records
from delog_nb.experiment import (
    DelogError,
    Experiment,
    ExperimentError,
    Option,
    ReadError,
    WriteError,
)
from delog_nb.experiment.plugins import Plugin
from delog_nb.experiment.registry import use
from delog_nb.instruments.files import read_json, write_atomically, writing
from delog_nb.instruments.run_files import ERROR, LOG, NOTEBOOK, NOTEBOOK_PART
from delog_nb.measure.features import FeatureKeeper
from delog_nb.records.locks import Busy, claim
from delog_nb.records.tracking import tracking
from delog_nb.training import EpochEnded, Event, Started, epoch_line

State = Literal["done", "kept", "failed", "busy"]
THREADS = Option("OMP_NUM_THREADS", 1, "threads of a run", ge=1, le=1024)


@dataclass(frozen=True)
class Job:
    """A run to make, as plain data: what a worker is sent.

    ``choices`` are those of a planned experiment, ``run_id`` is its id, and ``plugins`` are run
    before it is made there. ``notebook`` is executed with the experiment's parameters; None trains
    in the worker itself. ``keep_checkpoint`` keeps the weights of the finished run, for
    `delog_nb.records.restore`; ``keep_features`` what `delog_nb.measure.features` keeps, of a run
    in the worker itself. ``wait`` is for how many seconds to wait for another process that
    is at the same run (-1: as long as it takes). ``checkpoint_every`` is in seconds, for a run in
    the worker itself, as is ``track``, the name of a tracker.
    """

    choices: dict[str, Any]
    run_id: str
    out: Path
    plugins: tuple[Plugin, ...] = ()
    notebook: Path | None = None
    keep_checkpoint: bool = False
    keep_features: bool = False
    wait: float = 0.0
    checkpoint_every: float = 60.0
    track: str | None = None

    @classmethod
    def of(cls, experiment: Experiment, out: Path, **options: Any) -> Job:
        """The job of a planned experiment, with the plug-ins that it uses."""
        return cls(experiment.choices(), experiment.run_id, out, plugins_of(experiment), **options)


def plugins_of(experiment: Experiment) -> tuple[Plugin, ...]:
    """The plug-ins that the experiment's method, net and data set are of."""
    entries = experiment.entries.values()
    return tuple(dict.fromkeys(entry.plugin for entry in entries if entry.plugin))


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    ``done``: it was run; ``kept``: its record was there; ``failed``: ``error`` says why; ``busy``:
    another process is at it. ``seconds`` is the whole job, ``peak_mb`` the highest resident memory
    of the worker so far (its kernel, for a notebook), in 10^6 bytes.
    """

    run_id: str
    state: State
    seconds: float = 0.0
    error: str = ""
    peak_mb: float | None = None


def run(job: Job) -> Outcome:
    """Make ``job``'s run; never raises, so that no run stops another one.

    It computes with one thread, or as many as OMP_NUM_THREADS says, so that results do not depend
    on how many workers share a machine.
    """
    run_id, begin = job.run_id, time.perf_counter()
    folder = job.out / run_id
    try:
        for plugin in job.plugins:
            use(plugin)
        experiment = Experiment(**job.choices)
        if experiment.run_id != run_id:
            raise ExperimentError(
                f"this worker would make {experiment.run_id}: it has another version of delog_nb"
            )
        with claim(job.out, f"{run_id}.job", job.wait):
            if is_finished(folder, job.notebook is not None):
                records.load(folder)
                return Outcome(run_id, "kept")
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            os.environ["OMP_NUM_THREADS"] = str(threads())  # for a notebook's kernel too
            torch.set_num_threads(threads())
            if job.notebook is None:
                _train(experiment, job)
            else:
                _execute(experiment, job, job.notebook)
            (folder / ERROR).unlink(missing_ok=True)
    except Busy:
        return Outcome(run_id, "busy")
    except WriteError as error:  # nothing can be kept there
        return Outcome(run_id, "failed", time.perf_counter() - begin, str(error))
    except Exception as error:  # noqa: BLE001 - whatever went wrong is this run's outcome
        sentence = _sentence(error)
        _keep(folder, sentence)
        return Outcome(run_id, "failed", time.perf_counter() - begin, sentence)
    return Outcome(run_id, "done", time.perf_counter() - begin, peak_mb=_peak_mb(job))


def threads() -> int:
    """How many threads a run of a grid computes with: as many as OMP_NUM_THREADS says, or one.

    Raises:
        ExperimentError: that variable is no number of threads.
    """
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # more are for nested regions
    try:
        return int(THREADS.check(named or 1))
    except ValueError as error:
        raise ExperimentError(str(error)) from None


def is_finished(folder: Path, with_notebook: bool) -> bool:
    """Whether the run in ``folder`` needs no work any more."""
    needed = (records.RECORD, NOTEBOOK) if with_notebook else (records.RECORD,)
    return all(os.path.exists(folder / name) for name in needed)


def failure(folder: Path) -> str | None:
    """Why the run in ``folder`` failed when it was last tried, in one sentence; None if not."""
    if not os.path.lexists(folder / ERROR):
        return None
    try:
        return str(read_json(folder / ERROR)["error"])
    except (ReadError, KeyError, TypeError) as error:
        return f"{folder / ERROR} cannot be read: {error}"


def _train(experiment: Experiment, job: Job) -> None:
    folder = job.out / job.run_id
    with (
        (folder / LOG).open("a", encoding="utf-8", buffering=1) as log,  # a line at a time
        tracking(job.track, job.out) as tracked,
    ):
        listeners = [_logger(log.write), tracked]
        if job.keep_features:
            listeners.append(FeatureKeeper(folder))

        def on_event(event: Event) -> None:
            for listen in listeners:
                listen(event)

        records.train_once(
            experiment,
            job.out,
            on_event,
            keep_checkpoint=job.keep_checkpoint,
            checkpoint_every=job.checkpoint_every,
        )


def _logger(write: Callable[[str], object]) -> Callable[[Event], None]:
    def log(event: Event) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        if isinstance(event, Started):
            write(f"{now} {event.experiment.run_id}: from epoch {event.epoch} of {event.epochs}\n")
        elif isinstance(event, EpochEnded):
            write(f"{now} {epoch_line(event.row)}\n")

    return log


def _execute(experiment: Experiment, job: Job, notebook: Path) -> None:
    import papermill

    folder = job.out / job.run_id
    part = folder / NOTEBOOK_PART
    given = {n: str(v) if isinstance(v, Path) else v for n, v in experiment.given.items()}
    sources = {folder / f"{noun}.py": text for noun, text in records.sources(experiment).items()}
    for path, text in sources.items():
        with write_atomically(path) as file:
            file.write(text.encode())
    own = {
        "plugins": [str(path.resolve()) for path in sources],
        "out": str(job.out.resolve()),
        "keep_checkpoint": job.keep_checkpoint,
    }
    with (folder / LOG).open("a", encoding="utf-8") as log:
        try:
            papermill.execute_notebook(
                notebook,
                part,
                given | own,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=log,
                stderr_file=log,
                store_widget_state=False,
                shutdown_kernel="immediate",  # nothing is left to do there: seconds less
                extra_arguments=["--log-level=ERROR"],  # a kernel's words about its transport
            )
        finally:
            if part.exists():  # with its error, if it has one
                part.replace(folder / NOTEBOOK)
    if not (folder / records.RECORD).exists():
        raise ExperimentError(f"{notebook} ended without a record in {folder}")


# own errors, by name: of a notebook, nothing else comes back
_SENTENCES = ("ParameterError", "ExperimentError", "DataError", "Busy", "RecordError", "WriteError")


def _sentence(error: Exception) -> str:
    """The error in one line; of a notebook, the error of its cell."""
    name = getattr(error, "ename", type(error).__name__)
    text = " ".join(str(getattr(error, "evalue", error)).split())
    ours = isinstance(error, DelogError) or name in _SENTENCES
    return text if ours and text else f"{name}: {text}"


def _keep(folder: Path, sentence: str) -> None:
    """Write the error to the run's folder, if it can be written at all."""
    content = {
        "schema": records.SCHEMA,
        "error": sentence,
        "traceback": traceback.format_exc(),
        "failed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    with suppress(OSError), write_atomically(folder / ERROR) as file:
        file.write(json.dumps(content, indent=1).encode())


def _peak_mb(job: Job) -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    who = resource.RUSAGE_CHILDREN if job.notebook else resource.RUSAGE_SELF
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return round(resource.getrusage(who).ru_maxrss * unit / 1e6, 1)
