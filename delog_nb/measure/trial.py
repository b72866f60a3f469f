"""A training step on made-up images, to be timed."""

import math
from collections.abc import Callable, Iterator

import torch

from delog_nb import methods
from delog_nb.data import Split, Views, shape
from delog_nb.experiment import Experiment
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
