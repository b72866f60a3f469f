"""The batches of a run, for training loops that a learner writes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from delog_nb.data import ImageData, Views
from delog_nb.experiment import Experiment
from delog_nb.training import EVALUATION_BATCH


def train_batches(
    experiment: Experiment, data: ImageData, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of two views that `delog_nb.train` makes in ``epoch`` (from 0), with labels.

    (2B, C, H, W), first all weak views, then all strong ones, and (2B,), on the CPU.
    """
    views = Views.of(experiment, data.mean, data.std)
    plan = views.plan(len(data.train), epoch)
    for index in plan.order.split(experiment.batch_size):
        batch = views(data.train.images[index], plan.randoms[index])
        yield batch, data.train.labels[index].repeat(2)


def test_batches(experiment: Experiment, data: ImageData) -> Iterator[tuple[Tensor, Tensor]]:
    """The test images, normalised and otherwise unchanged: (B, C, H, W) and labels (B,)."""
    views = Views.of(experiment, data.mean, data.std)
    test = data.test
    for index in torch.arange(len(test)).split(EVALUATION_BATCH):
        yield views.normalize(test.images[index]), test.labels[index]
