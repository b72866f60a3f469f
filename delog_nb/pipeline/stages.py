"""The pipeline as a team: runs of components on ranks, batches handed on from one to the next."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.methods.component import Component, Method
from delog_nb.pipeline.links import Form, Inlet, Layout, Outlet
from delog_nb.pipeline.schedule import balance
from delog_nb.pipeline.watch import Watch
from delog_nb.pipeline.world import Processes
from delog_nb.training.team import Batch

_TIMED_STEPS = 3  # after one that warms up


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
        first_batch: Callable[[], tuple[Tensor, Tensor]],
        context: torch.autocast,
    ) -> Method:
        """Components by measured time, so that the slowest stage is as fast as can be.

        ``seconds`` are the components' times on rank 0, ``runs`` the components [first, end) of
        each rank.
        """
        parts = method.parts()
        # on all ranks at once: in the run they share a machine's memory and caches, too
        self.seconds: list[float] = self.share_from(0, measure(parts, first_batch, context))
        self.runs = balance(self.seconds, self.size)
        first, end = self.runs[self.rank]
        self.components = slice(first, end)
        names = [f"{a + 1}-{b}" if b - a > 1 else f"{b}" for a, b in self.runs]
        self.label = f"pipeline of {self.size} stages: components {' | '.join(names)}"
        if self.watch:
            self.watch.describe(f"component{'s' if end - first > 1 else ''} {names[self.rank]}")

        r, t = first_batch()
        samples, device = len(r), r.device
        layouts = _layouts(parts[:end], r[:2], t[:2], context)
        if self.rank > 0:
            self.inlet = Inlet(layouts[first], self.rank - 1, self.queue, samples, device)
        if not self.reports:
            self.outlet = Outlet(layouts[end], self.rank + 1, self.queue, samples, device)
        return Method(parts[self.components])

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

    def take(
        self,
        index: Tensor,
        make: Callable[[Tensor], tuple[Tensor, Tensor]],
        asked_to_stop: Callable[[], bool],
    ) -> Batch | None:
        batch = self.inlet.get() if self.inlet else super().take(index, make, asked_to_stop)
        if batch is None and self.outlet:
            self.outlet.stop()
        return batch

    def give(self, r: Tensor, t: Tensor, losses: list[Tensor]) -> list[Tensor]:
        if self.outlet:
            self.outlet.put((r, t, losses))
        return losses

    def collect(self, method: Method) -> None:
        own = method.parts()[self.components]
        states = [{name: value.cpu() for name, value in part.state_dict().items()} for part in own]
        collected = [state for stage in self.gather(states) for state in stage]
        for place, state in enumerate(collected):
            if place not in range(*self.runs[self.rank]):
                method.parts()[place].load_state_dict(state)


def measure(
    parts: list[Component],
    first_batch: Callable[[], tuple[Tensor, Tensor]],
    context: torch.autocast,
) -> list[float]:
    """Seconds of a step of each component on a batch, on copies; making the batch is in the first.

    A step is forward, backward and Adam's update.
    """

    def clock(device: torch.device) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    r, t = first_batch()
    device = r.device
    making = []
    for _ in range(_TIMED_STEPS):
        begin = clock(device)
        first_batch()
        making.append(clock(device) - begin)
    seconds = []
    for part in parts:
        trial = copy.deepcopy(part)
        optimizer = torch.optim.Adam(trial.parameters(), fused=True)
        taken = []
        for _ in range(1 + _TIMED_STEPS):
            begin = clock(device)
            with context:
                above, target, loss = trial(r.detach(), t)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            taken.append(clock(device) - begin)
        seconds.append(median(taken[1:]))
        r, t = above.detach(), target.detach()
    seconds[0] += median(making)
    return seconds


@torch.no_grad()
def _layouts(parts: list[Component], r: Tensor, t: Tensor, context: torch.autocast) -> list[Layout]:
    """What comes into each component, and out of the last one."""
    layouts = [Layout(Form.of(r), Form.of(t), 0)]
    for place, part in enumerate(parts, 1):
        part.eval()  # running statistics stay as they are
        with context:
            r, t, _ = part(r, t)
        part.train()
        layouts.append(Layout(Form.of(r), Form.of(t), place))
    return layouts
