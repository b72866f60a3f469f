"""Features, images and weights that golden values of methods are computed from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def features(channels: int, side: int) -> Tensor:
    """H(c, s): six samples, requires_grad."""
    torch.manual_seed(0)
    return torch.randn(6, channels, side, side).double().requires_grad_()


def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 0, 1, 2])


def filled(module: nn.Module) -> nn.Module:
    """Weights sin(k / 7) / sqrt(entries a row), k their place; biases 0, BatchNorm's weights 1."""
    with torch.no_grad():
        for p in module.double().parameters():
            if p.ndim > 1:
                place = torch.arange(p.numel(), dtype=torch.float64)
                p.copy_((place / 7).sin().view_as(p) / (p.numel() / len(p)) ** 0.5)
        for norm in module.modules():
            for name, p in norm.named_parameters(recurse=False):
                if p.ndim < 2:
                    p.fill_(float(name == "weight"))
    return module


def loss_and_slope(loss: Tensor, h: Tensor) -> tuple[float, float]:
    """The loss, and the length of its gradient in ``h``; six digits."""
    (gradient,) = torch.autograd.grad(loss, h, retain_graph=True)
    return round(loss.item(), 6), round(gradient.norm().item(), 6)
