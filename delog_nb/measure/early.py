"""How training begins: what the features of each block tell about the class, epoch by epoch."""

from collections.abc import Container
from typing import NamedTuple

import torch
from torch import Tensor

from delog_nb.data import ImageData, load
from delog_nb.experiment import Experiment
from delog_nb.measure.probes import block_features, quick_probe
from delog_nb.training import EpochEnded, Event, Run, Started


class Look(NamedTuple):
    """The blocks after ``epoch`` epochs: a value for each of r_1 ... r_H."""

    epoch: int
    probes: list[float]  # test accuracy of a linear probe, 0 to 1
    separation: list[float]  # of test images, 0 to 1


def separation(features: Tensor, labels: Tensor) -> float:
    r"""Share of the features' variance that lies between classes, 0 to 1.

    .. math:: \frac{\sum_c n_c \|\mu_c - \mu\|^2}{\sum_i \|r_i - \mu\|^2}

    with the mean :math:`\mu` of all features and :math:`\mu_c` of those of class c. It is 0 where
    all classes have the same mean, 1 where all images of a class have the same features, and does
    not change when features are shifted, rotated or scaled as a whole. NaN where all are equal.

    Args:
        features: (N, D)
        labels: (N,)

    >>> import torch
    >>> separation(torch.tensor([[0.0], [2], [4], [6]]), torch.tensor([0, 0, 1, 1]))
    0.8
    """
    centred = features.double() - features.double().mean(0)
    between = sum(
        own.mean(0).square().sum() * len(own)
        for own in (centred[labels == label] for label in labels.unique())
    )
    return round(float(between / centred.square().sum()), 12)


def look(run: Run, images: ImageData, epoch: int, per_class: int) -> Look:
    """What each block of ``run`` tells now."""
    images = images.to(torch.device(run.device))
    few = images.train.take(first_of_each(images.train.labels, per_class))
    train, test = (block_features(run, images, split) for split in (few, images.test))
    probes = [
        quick_probe((a, few.labels), (b, images.test.labels))
        for a, b in zip(train, test, strict=True)
    ]
    return Look(epoch, probes, [separation(r, images.test.labels) for r in test])


def first_of_each(labels: Tensor, count: int) -> Tensor:
    """Where the first ``count`` images of each class are, in order.

    >>> import torch
    >>> first_of_each(torch.tensor([7, 7, 5, 7, 5]), 2).tolist()
    [0, 1, 2, 4]
    """
    rank = torch.stack([(labels == label).cumsum(0) for label in labels.unique()])  # (K, N)
    own = rank.gather(0, labels.unique(return_inverse=True)[1][None])[0]
    return (own <= count).nonzero()[:, 0]


class BlockWatcher:
    """Looks at the blocks of runs while they are trained: the ``on_event`` of `delog_nb.train`.

    ``looks`` has a list for each experiment, a `Look` for each epoch that was asked for. Looking
    changes neither weights nor batches: a run's history is that of a run without.

    Args:
        epochs: when to look, by the number of finished epochs (0: untrained); None: always
        per_class: training images of each class that a probe learns from
    """

    def __init__(self, epochs: Container[int] | None = None, per_class: int = 10) -> None:
        self.epochs, self.per_class = epochs, per_class
        self.looks: dict[Experiment, list[Look]] = {}
        self._run: Run | None = None
        self._images: ImageData | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._run, self._images = event.run, load(event.experiment)
            self._look(event.epoch)
        elif isinstance(event, EpochEnded):
            self._look(int(event.row["epoch"] or 0))

    def _look(self, epoch: int) -> None:
        if self._run is None or self._images is None:
            return
        if self.epochs is not None and epoch not in self.epochs:
            return
        seen = look(self._run, self._images, epoch, self.per_class)
        self.looks.setdefault(self._run.experiment, []).append(seen)
