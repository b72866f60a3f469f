"""The batches of a run, for training loops that a learner writes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from delog_nb.data import ImageData, Views
from delog_nb.experiment import Experiment
from delog_nb.training import EVALUATION_BATCH, Batches


def train_batches(
    experiment: Experiment, data: ImageData, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of two views that `delog_nb.train` makes in ``epoch`` (from 0), with labels.

    (2B, C, H, W), first all weak views, then all strong ones, and (2B,), on the CPU.
    """
    views = Views.of(experiment, data.mean, data.std)
    batches = Batches(data.train, views, experiment.batch_size, epoch)
    for place, index in enumerate(batches.parts):
        yield batches.views(index), batches.batch(index, place).labels


def test_batches(experiment: Experiment, data: ImageData) -> Iterator[tuple[Tensor, Tensor]]:
    """The test images, normalised and otherwise unchanged: (B, C, H, W) and labels (B,)."""
    views = Views.of(experiment, data.mean, data.std)
    test = data.test
    for index in torch.arange(len(test)).split(EVALUATION_BATCH):
        yield views.normalize(test.images[index]), test.labels[index]
