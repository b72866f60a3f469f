"""The pipeline as a team: runs of components on ranks, batches handed on from one to the next."""

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.components.component import Component, Method
from delog_nb.data import ImageData, Split
from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.instruments.clock import moment
from delog_nb.pipeline.links import Form, Inlet, Layout, Message, Outlet
from delog_nb.pipeline.schedule import balance
from delog_nb.pipeline.watch import Watch
from delog_nb.pipeline.world import Processes, Value
from delog_nb.training import Batches, Taken, evaluating, local_losses, train_step

# steps of a component that are timed, after one that warms up; no more of them than 3 once they
# have taken so many seconds
_TIMED_STEPS, _TIMED_SECONDS = 10, 2.0


def check(experiment: Experiment, stages: int) -> None:
    """Raise `ExperimentError` if the experiment cannot be trained in ``stages`` stages."""
    count = experiment.num_components
    if count == 1:
        raise ExperimentError(
            f"method = {experiment.method} with one gradient flow cannot be pipelined because of "
            f"backward locking: no layer can be updated before the gradient has come back through "
            f"all layers above it; take a method with local losses and two components or more"
        )
    if not 2 <= stages <= count:
        raise ExperimentError(
            f"pipeline = {stages} is not allowed: from 2 to {count} stages, the number of "
            f"components that method = {experiment.method} has here"
        )


class Pipeline(Processes):
    """Stage k, on rank k, trains a run of components; nothing ever goes backward.

    Rank 0 makes the batches and asks whether to stop. The last rank has every batch's losses, so
    it is the one that reports. At the end of an epoch it collects the weights of all components,
    to evaluate and to save; it keeps them without gradients or optimizer state. The other ranks
    keep their own components alone.

    Args:
        watch: is told which components this process trains
        queue: buffers on each side of a link; at most 2 x queue - 1 batches wait in it
    """

    def __init__(self, watch: Watch | None = None, queue: int = 2) -> None:
        super().__init__(reporter=torch.distributed.get_world_size() - 1)
        self.watch, self.queue = watch, queue
        self.inlet: Inlet | None = None
        self.outlet: Outlet | None = None

    def assign(
        self,
        method: Method,
        batches: Batches,
        context: torch.autocast,
    ) -> Method:
        """Components by measured time, so that the slowest stage is as fast as can be.

        ``seconds`` are the components' times on rank 0, ``runs`` the components [first, end) of
        each rank.
        """
        parts = method.parts()
        # on all ranks at once: in the run they share a machine's memory and caches, too
        self.seconds: list[float] = self.share_from(0, measure(parts, batches, context))
        self.runs = balance(self.seconds, self.size)
        first, end = self.runs[self.rank]
        self.components = slice(first, end)
        names = [f"{a + 1}-{b}" if b - a > 1 else f"{b}" for a, b in self.runs]
        self.label = f"pipeline of {self.size} stages: components {' | '.join(names)}"
        if self.watch:
            self.watch.describe(f"component{'s' if end - first > 1 else ''} {names[self.rank]}")

        views, batch = first_of(batches)
        samples, device = len(views), views.device
        layouts = _layouts(parts[:end], views[:2], batch, context)
        if self.rank > 0:
            self.inlet = Inlet(layouts[first], self.rank - 1, self.queue, samples, device)
        if not self.reports:
            self.outlet = Outlet(layouts[end], self.rank + 1, self.queue, samples, device)
        return Method(parts[self.components])

    def keep(self, images: ImageData, needs: Collection[str]) -> ImageData:
        """Views are made by rank 0, and by those whose losses need them; the last one evaluates."""
        views, evaluates = self.rank == 0 or "inputs" in needs, self.reports
        return replace(
            images,
            train=images.train if views else _labels_of(images.train),
            val=images.val if evaluates else _labels_of(images.val),
            test=images.test if evaluates else _labels_of(images.test),
        )

    def restored(self, method: Method) -> None:
        """Let go of the other ranks' components."""
        if self.reports:
            return
        own = range(*self.runs[self.rank])
        for place, part in enumerate(method.parts()):
            if place not in own:
                part.to("meta")

    def buffers(self) -> list[Tensor]:
        return [slot for end in (self.inlet, self.outlet) if end for slot in end.slots]

    def begin(self, counts: list[int]) -> None:
        samples = [2 * count for count in counts]  # two views of each image
        for end in (self.inlet, self.outlet):
            if end:
                end.begin(samples)

    def take(self, batches: Batches, step: int, asked_to_stop: Callable[[], bool]) -> Taken | None:
        if self.inlet is None:
            taken = super().take(batches, step, asked_to_stop)
        elif (message := self.inlet.get()) is not None:
            batch = batches.batch(batches.parts[step], step)
            if message.target is not None:
                batch = replace(batch, target=message.target)
            taken = Taken(message.r, batch, message.losses)
        else:
            taken = None
        if taken is None and self.outlet:
            self.outlet.stop()
        return taken

    def give(self, made: Taken) -> list[Tensor]:
        if self.outlet:
            coded = made.batch.target is not made.batch.labels
            target = made.batch.target if coded else None
            self.outlet.put(Message(made.r, target, made.losses))
        return made.losses

    def collect(self, method: Method) -> None:
        own = method.parts()[self.components]
        states = [{name: value.cpu() for name, value in part.state_dict().items()} for part in own]
        collected = [state for stage in self.gather(states) for state in stage]
        for place, state in enumerate(collected):
            if place not in range(*self.runs[self.rank]):
                method.parts()[place].load_state_dict(state)


def _labels_of(split: Split) -> Split:
    """``split`` without its images."""
    return Split(split.images[:0].clone(), split.labels)


def first_of(batches: Batches) -> tuple[Tensor, Batch]:
    """Views and batch of an epoch's first step."""
    index = batches.parts[0]
    return batches.views(index), batches.batch(index, 0)


def measure(parts: list[Component], batches: Batches, context: torch.autocast) -> list[float]:
    """Seconds of a step of each component on a batch, on copies; making the batch is in the first.

    A step is forward, backward and update.
    """
    making, (r, batch) = _timed(partial(first_of, batches), batches.device)
    seconds = []
    for part in parts:
        taken, (r, batch, _) = _timed(step_of([part], r.detach(), batch, context), r.device)
        seconds.append(taken)
    seconds[0] += making
    return seconds


def step_of(
    parts: Sequence[Component], r: Tensor, batch: Batch, context: torch.autocast
) -> Callable[[], tuple[Tensor, Batch, list[Tensor]]]:
    """A training step of copies of ``parts`` on a batch."""
    copied = [copy.deepcopy(part) for part in parts]
    adams = [torch.optim.Adam(part.parameters(), fused=True) for part in copied]
    return lambda: train_step(copied, adams, local_losses(copied, r, batch, context))


def _timed(call: Callable[[], Value], device: torch.device) -> tuple[float, Value]:
    """Least seconds of ``call``, and what it returned; a first call warms up.

    The least, as what else runs on the machine can make a call slower and not faster.
    """
    result = call()
    taken: list[float] = []
    while len(taken) < 3 or (len(taken) < _TIMED_STEPS and sum(taken) < _TIMED_SECONDS):
        begin = moment(device)
        result = call()
        taken.append(moment(device) - begin)
    return min(taken), result


@torch.no_grad()
def _layouts(
    parts: list[Component], r: Tensor, batch: Batch, context: torch.autocast
) -> list[Layout]:
    """What comes into each component, and out of the last one; ``r`` are two samples."""
    inputs = None if batch.inputs is None else batch.inputs[: len(r)]
    batch = Batch.of(batch.labels[: len(r)], inputs=inputs)
    layouts = [Layout(Form.of(r), None, 0)]
    method = Method(parts)
    with evaluating(method):  # running statistics stay as they are
        for place, made in enumerate(local_losses(parts, r, batch, context), 1):
            coded = made.batch.target is not batch.labels
            target = Form.of(made.batch.target, len(r)) if coded else None
            layouts.append(Layout(Form.of(made.r, len(r)), target, place))
    return layouts
