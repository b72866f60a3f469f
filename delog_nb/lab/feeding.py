"""The batches of a run, for training loops that a learner writes."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from delog_nb.config import Experiment
from delog_nb.data import ImageData, Views

_TEST_BATCH = 500


def _views(experiment: Experiment, data: ImageData) -> Views:
    return Views(
        data.mean,
        data.std,
        augment=experiment.augment,
        crop_padding=experiment.crop_padding,
        flip=experiment.flip,
        seed=experiment.seed,
    )


def train_batches(
    experiment: Experiment, data: ImageData, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of two views that `delog_nb.train` makes in ``epoch`` (from 0), with labels.

    (2B, C, H, W), first all weak views, then all strong ones, and (2B,), on the CPU.
    """
    views = _views(experiment, data)
    plan = views.plan(len(data.train), epoch)
    for index in plan.order.split(experiment.batch_size):
        batch = views(data.train.images[index], plan.randoms[index])
        yield batch, data.train.labels[index].repeat(2)


def test_batches(experiment: Experiment, data: ImageData) -> Iterator[tuple[Tensor, Tensor]]:
    """The test images, normalised and otherwise unchanged: (B, C, H, W) and labels (B,)."""
    views = _views(experiment, data)
    for images, labels in zip(
        data.test.images.split(_TEST_BATCH), data.test.labels.split(_TEST_BATCH), strict=True
    ):
        yield views.normalize(images), labels
