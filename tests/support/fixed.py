"""Fixed features, images and weights that golden values of methods are computed on, in float64."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def features(channels: int, side: int) -> Tensor:
    """(6, channels, side, side), standard normal."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(6, channels, side, side, generator=generator)
    return drawn.double().requires_grad_()


def images() -> Tensor:
    """(6, 3, 8, 8) in [0, 1)."""
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def filled(net: Net) -> Net:
    """Matrices and kernels sin(k / 7) / sqrt(fan-in) in their own order, biases 0."""
    net.double()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.ndim > 1:
                k = torch.arange(p.numel(), dtype=torch.float64)
                p.copy_((k / 7).sin().view_as(p) / math.sqrt(p.numel() / len(p)))
            elif name.endswith("bias"):
                p.zero_()
    return net


def loss_and_gradient(loss: Tensor, h: Tensor) -> tuple[float, float]:
    """The loss, and the norm of its gradient with respect to ``h``."""
    (gradient,) = torch.autograd.grad(loss, h)
    return loss.item(), gradient.norm().item()
