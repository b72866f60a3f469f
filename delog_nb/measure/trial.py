"""A training step on made-up images, to be timed whole or part by part."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.components.component import modules_of
from delog_nb.data import Split, Views, shape
from delog_nb.experiment import Experiment
from delog_nb.instruments.allocator import freed_memory_kept
from delog_nb.instruments.clock import moment
from delog_nb.training import (
    EVALUATION_BATCH,
    Batches,
    Local,
    accuracy,
    autocast,
    local_losses,
    make_optimizers,
    pick_device,
    pick_precision,
    set_up_gpu,
    train_step,
)
from delog_nb.training.randomness import Draws

PARTS = (
    "views",
    "blocks forward",
    "blocks backward",
    "heads",  # whatever modules a local objective has, forward and backward
    "losses",  # forward and backward
    "update of blocks",
    "update of heads",
)


class Trial:
    """An experiment's training step and evaluation, on images that need not be read."""

    def __init__(self, experiment: Experiment, device: torch.device | None = None) -> None:
        self.device = device or pick_device(experiment.device)
        image, classes = shape(experiment)
        method = methods.build(experiment).to(self.device)
        self.method = method.to(memory_format=torch.channels_last)
        self.optimizers = make_optimizers(self.method, experiment)
        self.precision = pick_precision(experiment.precision, self.device)
        self.context = autocast(self.device, self.precision)
        self.views = Views.of(experiment, (0.5,) * image[0], (0.25,) * image[0], self.device)
        count = max(experiment.batch_size, EVALUATION_BATCH)
        pixels = torch.arange(count * math.prod(image), device=self.device).remainder_(251)
        images = pixels.to(torch.uint8).view(count, *image)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(count, device=self.device) % classes
        self.batches = Batches(
            Split(self.images, self.labels), self.views, experiment.batch_size, 0, method.needs
        )
        self.draws = Draws(experiment.seed, self.device)
        self.evaluated = min(count, EVALUATION_BATCH)

    def flow(self) -> Iterator[Local]:
        """A fresh batch on its way up the components."""
        index = self.batches.parts[0]
        views, batch = self.batches.views(index), self.batches.batch(index, 0)
        return local_losses(self.method.parts(), views, batch, self.context, self.draws)

    def step(self) -> None:
        """A step as in training."""
        with set_up_gpu(self.precision):
            train_step(self.method.parts(), self.optimizers, self.flow())

    def evaluate(self) -> None:
        """Predict the classes of ``evaluated`` images."""
        split = Split(self.images[: self.evaluated], self.labels[: self.evaluated])
        accuracy(self.method, split, self.views)

    def seconds(self, call: Callable[[], object]) -> float:
        """How long ``call`` takes, with all that the device is given."""
        begin = moment(self.device)
        call()
        return moment(self.device) - begin


class StepInParts:
    """A trial's step taken apart, with the same gradients and updates.

    Where two parts meet, features go on as a detached copy; the backward pass then goes from seam
    to seam, handing the copy's gradient to the original. Blocks and heads have an optimizer each.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._adams = [
            (
                _adam(optimizer, part.layers.parameters()),
                _adam(optimizer, [*part.objective.parameters(), *part.inside.parameters()]),
            )
            for part, optimizer in zip(trial.method.parts(), trial.optimizers, strict=True)
        ]
        self._last = 0.0
        self.seconds: dict[str, float] = {}

    def step(self) -> dict[str, float]:
        """Take a step; the seconds of each of `PARTS`."""
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._last = moment(self.trial.device)
        flow = self.trial.flow()
        self._lap("views")
        for adams, _ in zip(self._adams, self.gradients(flow), strict=True):
            for adam, name in zip(adams, ("update of blocks", "update of heads"), strict=True):
                if adam is not None:
                    adam.step()
                    adam.zero_grad()
                    self._lap(name)
        return self.seconds

    def gradients(self, flow: Iterator[Local]) -> Iterator[Local]:
        """Leave each component's gradients in its parameters, as ``flow`` goes up."""
        with self._seams() as seams:
            for made in flow:
                made.loss.backward()
                self._lap("losses")
                while seams:
                    output, copy, part = seams.pop()
                    _hand_down(output, copy)
                    self._lap(part)
                yield made

    @contextmanager
    def _seams(self) -> Iterator[list[tuple[Tensor, Tensor, str]]]:
        """Outputs of layers that have an objective, and of the objectives' modules.

        With each, the copy that goes on instead, and the part that its backward pass is of.
        """
        seams: list[tuple[Tensor, Tensor, str]] = []

        def lap(name: str) -> Callable[..., None]:
            return lambda *_: self._lap(name)

        def cut(forward: str, backward: str) -> Callable[..., Tensor]:
            def after(_: nn.Module, __: Any, output: Tensor) -> Tensor:
                seams.append((output, output.detach().requires_grad_(), backward))
                self._lap(forward)
                return seams[-1][1]

            return after

        with ExitStack() as hooks:
            for part in self.trial.method.parts():
                ends = [*(int(place) for place in part.inside), len(part.layers)]
                block = cut("blocks forward", "blocks backward")
                handles = [part.layers[end - 1].register_forward_hook(block) for end in ends]
                for objective in (*part.inside.values(), part.objective):
                    handles.append(objective.register_forward_hook(lap("losses")))
                    for module in modules_of(objective):
                        handles.append(module.register_forward_pre_hook(lap("losses")))
                        handles.append(module.register_forward_hook(cut("heads", "heads")))
                for handle in handles:
                    hooks.callback(handle.remove)
            yield seams

    def _lap(self, part: str) -> None:
        now = moment(self.trial.device)
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now


def _hand_down(output: Tensor, copy: Tensor) -> None:
    """The gradient that reached ``copy`` goes on from ``output``."""
    if copy.grad is not None:
        output.backward(copy.grad)


def _adam(
    optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer | None:
    """An Adam like ``optimizer`` for those of its parameters that are given, if any."""
    own = {id(p) for p in parameters}
    groups = [
        {**group, "params": [p for p in group["params"] if id(p) in own]}
        for group in optimizer.param_groups
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.Adam(groups) if groups else None


@dataclass
class Timing:
    """Seconds of repeated steps: whole ones, ones taken apart, and of predicting one image."""

    steps: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)


def time_steps(experiments: Mapping[str, Experiment], rounds: int) -> dict[str, Timing]:
    """Time every experiment's step ``rounds`` times, all taking turns.

    What else the machine does then falls on all of them alike. Two more rounds before warm up.
    """
    trials = {name: Trial(experiment) for name, experiment in experiments.items()}
    in_parts = {name: StepInParts(trial) for name, trial in trials.items()}
    timings = {name: Timing() for name in trials}
    with freed_memory_kept():
        for round_ in range(-2, rounds):
            for name, trial in trials.items():
                step, parts = trial.seconds(trial.step), in_parts[name].step()
                prediction = trial.seconds(trial.evaluate) / trial.evaluated
                if round_ >= 0:
                    timings[name].steps.append(step)
                    timings[name].parts.append(parts)
                    timings[name].predictions.append(prediction)
    return timings
