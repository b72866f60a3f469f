"""One experiment trained by one process, then by a pipeline of processes: what each stage did when.

`race` starts a process for each stage, none of them a copy of this one, so that it can be called
from a notebook, whose kernel has threads and must not be forked. All of them are on this machine
and on CPUs; each computes with one thread.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from delog_nb.components.component import Method
from delog_nb.data import ImageData, load
from delog_nb.experiment import DelogError, Experiment, ExperimentError
from delog_nb.instruments.cores import cores
from delog_nb.instruments.processes import starting_context, without_main
from delog_nb.pipeline import Pipeline, check, joined
from delog_nb.pipeline.launch import meeting_place
from delog_nb.pipeline.schedule import Schedule, Task, table_1
from delog_nb.pipeline.stages import first_of, step_of
from delog_nb.pipeline.watch import end_with_launcher
from delog_nb.training import Batches, Taken, evaluating, local_losses, train

_MOST_SECONDS = 300.0
_LAST_WORDS = 8.0  # seconds that the others have, after one has failed, to say which it was
_STEADY = 1.5  # seconds over which a stage is timed


class RaceError(DelogError):
    """The processes of a race failed; the message says which and why."""


@dataclass(frozen=True)
class Race:
    """What `race` measured; seconds.

    ``rates`` are images per second, medians over epochs: of one process, of the pipeline, and of
    one process with as many threads as there are stages. ``seconds`` is what a batch takes in each
    component, as the cut goes by; ``alone`` and ``together`` what it takes in each stage: while the
    other processes wait, and while all compute at once, as they do in the run. ``runs`` are the
    components [first, end) of each stage, ``tasks`` what the stages did in the epoch of median
    length.
    """

    cores: int
    seconds: list[float]
    alone: list[float]
    together: list[float]
    runs: list[tuple[int, int]]
    link: float
    link_bytes: int
    rates: list[float]
    same_weights: bool
    tasks: list[Task]

    @property
    def slower_together(self) -> float:
        """How many times as long a batch takes while all processes compute.

        1 if each has a core to itself; the number of processes if they take turns on one.
        """
        return sum(self.together) / sum(self.alone)

    @property
    def batches(self) -> int:
        """Batches an epoch."""
        return 1 + max(task.batch for task in self.tasks)

    @property
    def predicted(self) -> Schedule:
        """The simulator's Table 1 from the stages' times ``together``."""
        return self.predict(self.together)

    def predict(self, stages: list[float]) -> Schedule:
        """The simulator's Table 1 from any times of the stages, with the link that was measured."""
        # two buffers on each side of a link let three batches wait in it
        run = table_1(stages, self.batches, self.link, queue=3)
        return replace(run, name="predicted")

    @property
    def measured(self) -> Schedule:
        """The epoch as it was."""
        return Schedule("measured", len(self.runs), self.batches, self.tasks, [])


def race(experiment: Experiment, stages: int = 2, batches: int = 10, epochs: int = 4) -> Race:
    """Train ``epochs`` epochs of at most ``batches`` batches in one process and in a pipeline.

    The first epoch warms up. The device is the CPU, the precision float32.

    Raises:
        ExperimentError: the experiment cannot be trained in so many stages.
        RaceError: a process failed, or they took longer than five minutes.
    """
    check(experiment, stages)
    if batches < 1 or epochs < 2:
        raise ExperimentError(
            f"batches = {batches}, epochs = {epochs}: at least 1 batch and 2 epochs"
        )
    run = experiment.but(device="cpu", precision="float32", epochs=epochs)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "race.json"
        _run(_be_rank, (run, batches, result), stages)
        measured = json.loads(result.read_text())
    measured["runs"] = [(first, end) for first, end in measured["runs"]]
    measured["tasks"] = [Task(*task) for task in measured["tasks"]]
    return Race(cores=cores(), **measured)


def _run(be: Callable[..., object], arguments: Sequence[object], processes: int) -> None:
    """Call ``be`` in ranks, and end them all if one fails or this process is interrupted."""
    context = starting_context(__name__)
    with tempfile.TemporaryDirectory() as folder, meeting_place():
        said = Path(folder) / "said"
        said.touch()
        own = os.environ | {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        ranks = [
            context.Process(  # type: ignore[attr-defined]
                target=_be_one,
                args=(own | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, said, be, *arguments),
            )
            for rank in range(processes)
        ]
        try:
            with without_main():
                for rank in ranks:
                    rank.start()
            end = time.monotonic() + _MOST_SECONDS
            while running := [rank for rank in ranks if rank.exitcode is None]:
                if any(rank.exitcode for rank in ranks):
                    end = min(end, time.monotonic() + _LAST_WORDS)
                if time.monotonic() > end:
                    break
                wait([rank.sentinel for rank in running], end - time.monotonic())
        finally:
            running = [rank for rank in ranks if rank.pid and rank.exitcode is None]
            for rank in running:
                rank.kill()
                rank.join()
        failed = [rank.exitcode for rank in ranks if rank not in running and rank.exitcode]
        if failed:
            lines = said.read_text().splitlines() or [f"exit status {failed[0]}"]
            told = [line for line in lines if line.startswith("delog-nb: ")] or lines
            raise RaceError(told[-1])
        if running:
            raise RaceError(f"the processes took longer than {_MOST_SECONDS:.0f} s")


def _be_one(environment: dict[str, str], said: Path, be: Callable[..., object], *args: Any) -> None:
    """Be one of the ranks; what it says comes into the file ``said``."""
    with said.open("a") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(environment)
    end_with_launcher()
    be(*args)


class _Noted(Pipeline):
    """Notes when this stage began and ended each batch, epoch by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[list[tuple[float, float]]] = []

    def assign(self, method: Method, batches: Batches, context: torch.autocast) -> Method:
        own = super().assign(method, batches, context)
        r, batch = first_of(batches)
        below = method.parts()[: self.components.start]
        with torch.no_grad(), evaluating(Method(below)):  # running statistics stay as they are
            for made in local_losses(below, r, batch, context):
                r, batch = made.r, made.batch
        own_step = step_of(own.parts(), r, batch, context)

        def step() -> None:
            if not below:
                first_of(batches)  # making a batch is work of the first stage
            own_step()

        for rank in range(self.size):
            dist.barrier()
            if rank == self.rank:
                self.alone = _steady(step)
        dist.barrier()
        self.together = _steady(step)
        return own

    def begin(self, counts: list[int]) -> None:
        super().begin(counts)
        self.epochs.append([])

    def take(self, batches: Batches, step: int, asked_to_stop: Callable[[], bool]) -> Taken | None:
        asked = time.monotonic()
        taken = super().take(batches, step, asked_to_stop)
        # what comes from below was waited for; making views is work
        self.started = time.monotonic() if self.inlet else asked
        return taken

    def give(self, made: Taken) -> list[Tensor]:
        before = self.outlet.waited if self.outlet else 0.0
        losses = super().give(made)
        waited = self.outlet.waited - before if self.outlet else 0.0
        self.epochs[-1].append((self.started, time.monotonic() - waited))
        return losses


def _be_rank(experiment: Experiment, batches: int, result: Path) -> None:
    torch.set_num_threads(1)
    with joined():
        _measure(experiment, batches, result)


def _measure(experiment: Experiment, batches: int, result: Path) -> None:
    team = _Noted()
    images = load(experiment) if team.rank == 0 else None
    data = _first(team.share_from(0, images), batches * experiment.batch_size)
    mine = None
    if team.rank == 0:  # the others wait for what it has to share
        alone = train(experiment, data=data)
        mine = _rate(alone.history), alone.model.state_dict()
    rate, weights = team.share_from(0, mine)

    run = train(experiment, data=data, team=team)
    link_bytes = team.share_from(
        0, team.outlet.layout.size(2 * experiment.batch_size) if team.outlet else 0
    )
    link = _link_seconds(link_bytes, team.rank)
    every = team.gather(team.epochs)
    times = team.gather((team.alone, team.together))
    threaded = 0.0
    if team.rank == 0:  # last: idle threads would be in the others' way
        torch.set_num_threads(team.size)
        threaded = _rate(train(experiment, data=data).history)
    threaded = team.share_from(0, threaded)
    if not team.reports:
        return
    ours = run.model.state_dict()
    measured = {
        "seconds": team.seconds,
        "alone": [alone for alone, _ in times],
        "together": [together for _, together in times],
        "runs": team.runs,
        "link": link,
        "link_bytes": link_bytes,
        "rates": [rate, _rate(run.history), threaded],
        "same_weights": all(torch.equal(ours[name], weights[name]) for name in ours),
        "tasks": _typical(every),
    }
    result.write_text(json.dumps(measured))


def _first(data: ImageData, count: int) -> ImageData:
    """The first ``count`` training images; hardly any to evaluate on: that is not timed."""
    parts = {"train": count, "val": 0, "test": 10}
    return replace(
        data, **{name: getattr(data, name).take(slice(None, n)) for name, n in parts.items()}
    )


def _rate(history: list[Any]) -> float:
    return median(float(row["images_per_s"] or 0) for row in history[1:])


def _link_seconds(size: int, rank: int) -> float:
    """Seconds that a message of ``size`` bytes takes from rank 0 to rank 1, on rank 1."""
    taken = []
    for _ in range(6):
        dist.barrier()
        begin = time.monotonic()
        if rank < 2:
            message = torch.zeros(size, dtype=torch.uint8)
            work = dist.isend(message, 1) if rank == 0 else dist.irecv(message, 0)
            if work:
                work.wait()
        taken.append(time.monotonic() - begin)
    return median(taken[1:])


def _steady(step: Callable[[], object]) -> float:
    """Median seconds of a call of ``step``, repeated for as long as the other processes do."""
    step()
    taken: list[float] = []
    end = time.monotonic() + _STEADY
    while time.monotonic() < end or len(taken) < 3:
        begin = time.monotonic()
        step()
        taken.append(time.monotonic() - begin)
    return median(taken)


def _typical(stages: list[list[list[tuple[float, float]]]]) -> list[Task]:
    """The tasks of the epoch of median length, from its begin; the first epoch warms up."""
    epochs = []
    for parts in list(zip(*stages, strict=True))[1:]:
        begin = min(times[0][0] for times in parts)
        tasks = [
            Task(stage, batch, "task", start - begin, end - begin)
            for stage, times in enumerate(parts)
            for batch, (start, end) in enumerate(times)
        ]
        epochs.append(sorted(tasks, key=lambda task: (task.start, task.stage)))
    epochs.sort(key=lambda tasks: max(task.end for task in tasks))
    return epochs[len(epochs) // 2]
