"""What golden values of objectives are made on: features and weights that are written down.

In float64, drawn in float32. `filled` needs no order of the parameters: each one begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from delog_nb.methods import Batch

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
BATCH = Batch.of(LABELS)


def features(channels: int, side: int) -> Tensor:
    """H(channels, side): (6, channels, side, side)."""
    torch.manual_seed(0)
    return torch.randn(6, channels, side, side).double()


def filled(module: nn.Module) -> nn.Module:
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


def assert_golden(loss_of: Callable[[Tensor], Tensor], r: Tensor, loss: float, norm: float) -> None:
    """The loss, and the norm of its gradient with respect to the features, to six digits."""
    found = loss_of(r.requires_grad_())
    (gradient,) = torch.autograd.grad(found, r)
    assert found.item() == pytest.approx(loss, abs=6e-7)
    assert gradient.norm().item() == pytest.approx(norm, abs=6e-7)
