"""A training step on made-up images, to be timed whole or part by part."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from delog_nb import methods
from delog_nb.data import Split, Views, shape
from delog_nb.data.views import EpochPlan
from delog_nb.experiment import Experiment
from delog_nb.instruments.allocator import kept_pages
from delog_nb.methods.component import Component, Objective
from delog_nb.training import (
    EVALUATION_BATCH,
    accuracy,
    autocast,
    make_optimizers,
    pick_device,
    pick_precision,
    train_components,
)
from delog_nb.training.team import Batch, Team

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
        precision = pick_precision(experiment.precision, self.device)
        self.context = autocast(self.device, precision)
        self.views = Views.of(experiment, (0.5,) * image[0], (0.25,) * image[0], self.device)
        count = max(experiment.batch_size, EVALUATION_BATCH)
        pixels = torch.arange(count * math.prod(image), device=self.device).remainder_(251)
        images = pixels.to(torch.uint8).view(count, *image)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(count, device=self.device) % classes
        self._plan: EpochPlan = self.views.plan(count, 0)
        self._index = self._plan.order[: experiment.batch_size]
        self.evaluated = min(count, EVALUATION_BATCH)

    def take(self) -> Batch:
        """A batch: views, their labels, no losses yet."""
        index = self._index
        views = self.views(self.images[index], self._plan.randoms[index])
        return views, self.labels[index].repeat(2), []

    def step(self) -> None:
        """A step as in training."""
        train_components(self.method, self.optimizers, self.take, self.context, Team().backward)

    def evaluate(self) -> None:
        """Predict the classes of ``evaluated`` images."""
        split = Split(self.images[: self.evaluated], self.labels[: self.evaluated])
        accuracy(self.method, split, self.views, self.context)

    def moment(self) -> float:
        """The clock in seconds, once the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def seconds(self, call: Callable[[], object]) -> float:
        """How long ``call`` takes."""
        begin = self.moment()
        call()
        return self.moment() - begin


class Apart:
    """A trial's step taken apart, with the same gradients and updates.

    Where two parts meet, features go on as a detached copy; the backward pass then goes from seam
    to seam, handing the copy's gradient to the original. Blocks and heads have an Adam each.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._adams = [
            tuple(_adam(optimizer, module) for module in (part.layers, part.objective))
            for part, optimizer in zip(trial.method.parts(), trial.optimizers, strict=True)
        ]
        self._last = 0.0
        self.found: dict[str, float] = {}

    def step(self) -> dict[str, float]:
        """Take a step; the seconds of each of `PARTS`."""
        self.found = dict.fromkeys(PARTS, 0.0)
        self._last = self.trial.moment()
        r, t, _ = self.trial.take()
        self._lap("views")
        for part, adams in zip(self.trial.method.parts(), self._adams, strict=True):
            r, t = self.gradients(part, r, t)
            for adam, name in zip(adams, ("update of blocks", "update of heads"), strict=True):
                if adam is not None:
                    adam.step()
                    adam.zero_grad(set_to_none=True)
                    self._lap(name)
        return self.found

    def gradients(self, part: Component, r: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradients of ``part`` in its parameters; its features and target."""
        with self.trial.context, self._seams(part.objective) as seams:
            features = part.layers(r.detach())
            self._lap("blocks forward")
            copy = features.detach().requires_grad_()
            loss, t = part.objective(copy, t)
        loss.backward()
        self._lap("losses")
        for output, seam in reversed(seams):
            if seam.grad is not None:
                output.backward(seam.grad)
        if seams:
            self._lap("heads")
        features.backward(copy.grad)
        self._lap("blocks backward")
        return features, t

    @contextmanager
    def _seams(self, objective: Objective) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """Outputs of the objective's modules, in order, and the copies that go on instead."""
        seams: list[tuple[Tensor, Tensor]] = []

        def before(*_: Any) -> None:
            self._lap("losses")

        def after(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            seams.append((output, output.detach().requires_grad_()))
            self._lap("heads")
            return seams[-1][1]

        handles = []
        for module in objective.children():
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after))
        try:
            yield seams
        finally:
            for handle in handles:
                handle.remove()

    def _lap(self, part: str) -> None:
        now = self.trial.moment()
        self.found[part] = self.found.get(part, 0.0) + now - self._last
        self._last = now


def _adam(optimizer: torch.optim.Optimizer, module: nn.Module) -> torch.optim.Optimizer | None:
    """An Adam like ``optimizer`` for those of its parameters that are in ``module``, if any."""
    own = {id(p) for p in module.parameters()}
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
    aparts = {name: Apart(trial) for name, trial in trials.items()}
    found = {name: Timing() for name in trials}
    with kept_pages():
        for round_ in range(-2, rounds):
            for name, trial in trials.items():
                step, parts = trial.seconds(trial.step), aparts[name].step()
                prediction = trial.seconds(trial.evaluate) / trial.evaluated
                if round_ >= 0:
                    found[name].steps.append(step)
                    found[name].parts.append(parts)
                    found[name].predictions.append(prediction)
    return found
