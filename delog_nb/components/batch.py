"""What a component is told of a batch, beside its features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Join = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def _alone(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return z, labels


def in_one_order(parts: Sequence[Tensor], images: Sequence[int]) -> Tensor:
    """Rows of several processes as one process has them: first row 1 of all images.

    Args:
        parts: (v n_k, ...) of processes k, v rows an image
        images: the n_k
    """
    folded = [part.unflatten(0, (-1, count)) for part, count in zip(parts, images, strict=True)]
    return torch.cat(folded, 1).flatten(0, 1)


def rows_of(chosen: Tensor, rows: Tensor, count: int) -> Tensor:
    """The rows of chosen samples, of (v n, ...) rows of n = ``count`` samples: first row 1 of all.

    Args:
        chosen: numbers of samples, or (n,) truth values
        rows: (v n, ...)
        count: n

    >>> rows_of(torch.tensor([0, 2]), torch.arange(6), 3).tolist()
    [0, 2, 3, 5]
    """
    return rows.unflatten(0, (-1, count))[:, chosen].flatten(0, 1)


@dataclass(frozen=True)
class Batch:
    """The samples that features r_l (N, C, H, W) belong to, two views of each image.

    Views come in the order of ``samples``: first view 1 of all images, then view 2 of all.

    Args:
        labels: (N,) classes
        target: what the component below hands up to be learned: ``labels``, or a code of them
        samples: (N,) numbers of the images among the training images; both views have the same
        step: how many steps the run has made before this one
        inputs: (N, C, H, W), the views in [0, 1] that the features come from; only where an
            objective needs them (`Objective.needs`)
        generator: for an objective that draws: seeded by the run's seed, step and component
        join: ``join(z, labels)`` gives rows ``z`` and ``labels`` of all samples of the batch. In
            one process these are its own; data parallelism adds those of the other processes, in
            one process's order. ``z`` may have any whole number of rows a sample.
    """

    labels: Tensor
    target: Tensor
    samples: Tensor
    step: int = 0
    inputs: Tensor | None = None
    generator: torch.Generator | None = None
    join: Join = _alone

    @classmethod
    def of(
        cls,
        labels: Tensor,
        samples: Tensor | None = None,
        step: int = 0,
        inputs: Tensor | None = None,
    ) -> Batch:
        """A batch whose target are its labels; without ``samples`` they are counted from 0."""
        if samples is None:
            samples = torch.arange(len(labels), device=labels.device)
        return cls(labels, labels, samples, step, inputs)
