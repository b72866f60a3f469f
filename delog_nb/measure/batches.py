"""How much gradients differ from batch to batch."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from delog_nb.components.batch import Batch
from delog_nb.components.component import Method
from delog_nb.training import local_losses


class GradientNoise(NamedTuple):
    """Gradients of many batches at the same weights, as a signal and what differs from it.

    ``signal`` is the norm of the mean gradient, ``noise`` the root mean square of the norm of what
    a single batch's gradient adds to it.
    """

    signal: float
    noise: float

    @property
    def ratio(self) -> float:
        """Noise over signal; infinite where no signal is found."""
        return self.noise / self.signal if self.signal > 0 else math.inf


def gradient_noise(gradients: Tensor) -> GradientNoise:
    r"""Signal and noise of R gradients of independent batches.

    With the mean m of the R gradients g, the noise is :math:`\sqrt{\sum |g - m|^2 / (R - 1)}`. The
    mean itself keeps a share 1/R of the noise's square, which is taken off the signal's.

    Args:
        gradients: (R, D), R at least 2

    >>> gradient_noise(torch.tensor([[3.0, 1.0], [3.0, -1.0]]))
    GradientNoise(signal=2.8284271247461903, noise=1.4142135623730951)
    """
    gradients = gradients.double()
    mean = gradients.mean(0)
    square = (gradients - mean).square().sum().item() / (len(gradients) - 1)
    signal = mean.square().sum().item() - square / len(gradients)
    return GradientNoise(math.sqrt(max(0.0, signal)), math.sqrt(square))


def gradients_by_component(
    method: Method, batches: Iterable[tuple[Tensor, Tensor]]
) -> list[Tensor]:
    """The gradient of each component's loss in its own layers, heads left out, batch by batch.

    The weights stay as they are, and no ``grad`` is written.

    Args:
        method: in training mode: BatchNorm takes each batch's own statistics
        batches: R pairs of views (N, C, H, W) and labels (N,)

    Returns:
        For each component (R, D) with D the number of its layers' parameters.
    """
    parts = method.parts()
    by_component: list[list[Tensor]] = [[] for _ in parts]
    for views, labels in batches:
        flow = local_losses(parts, views, Batch.of(labels))
        for component, made, rows in zip(parts, flow, by_component, strict=True):
            gradients = torch.autograd.grad(made.loss, list(component.layers.parameters()))
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return [torch.stack(rows) for rows in by_component]
