"""What golden values of objectives are made on: features and weights that are written down.

In float64, drawn in float32. `filled` needs no order of the parameters: each one begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from delog_nb.components import Batch

Net = TypeVar("Net", bound=nn.Module)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
BATCH = Batch.of(LABELS)


def features(channels: int, side: int) -> Tensor:
    """H(channels, side): (6, channels, side, side)."""
    torch.manual_seed(0)
    return torch.randn(6, channels, side, side).double().requires_grad_()


def images() -> Tensor:
    """(6, 3, 8, 8) in [0, 1)."""
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def filled(module: Net) -> Net:
    """Weights sin(k / 7) / sqrt(fan-in), k = 0, 1, ...; biases 0, those of BatchNorm 1."""
    module.double()
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.ndim > 1:
                values = (torch.arange(p.numel()).double() / 7).sin().reshape(p.shape)
                p.copy_(values / (p.numel() / len(p)) ** 0.5)
            else:
                p.fill_(0 if name.endswith("bias") else 1)
    return module


def loss_and_gradient(loss: Tensor, r: Tensor) -> tuple[float, float]:
    """The loss, and the norm of its gradient with respect to ``r``."""
    (gradient,) = torch.autograd.grad(loss, r)
    return loss.item(), gradient.norm().item()


def assert_golden(loss_of: Callable[[Tensor], Tensor], r: Tensor, loss: float, norm: float) -> None:
    """Both of them, to six digits."""
    assert loss_and_gradient(loss_of(r), r) == pytest.approx((loss, norm), abs=6e-7)
