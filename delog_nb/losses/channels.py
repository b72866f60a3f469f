"""What local losses read from a channel over its positions.

Composed of PyTorch's operations, their gradients would pass over the features several times; here
they pass once.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def channel_deviation(r: Tensor) -> Tensor:
    """Feature maps (N, C, H, W) -> (N, D): each channel's standard deviation over its positions.

    With fewer than four channels or a height of one, as everything flattened. In float32, or
    float64 for float64 input.

    >>> channel_deviation(torch.arange(8.0).reshape(1, 1, 2, 4).repeat(1, 4, 1, 1))
    tensor([[2.4495, 2.4495, 2.4495, 2.4495]])
    """
    r = _at_least_float32(r)
    if r.ndim == 4 and r.shape[1] > 3 and r.shape[2] > 1:
        return _Deviation.apply(r)
    return r.flatten(1)


def channel_energy(r: Tensor) -> Tensor:
    """Feature maps (N, C, H, W) -> (N, C): each channel's mean of squares over its positions.

    In float32, or float64 for float64 input.

    >>> channel_energy(torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]]))
    tensor([[5., 2.]])
    """
    return _Energy.apply(_at_least_float32(r))


def _at_least_float32(r: Tensor) -> Tensor:
    return r.to(torch.promote_types(r.dtype, torch.float32))  # under autocast too


class _Deviation(Function):
    """sqrt(sum of (r - mean)^2 / (n - 1)) over the last two dimensions."""

    @staticmethod
    def forward(ctx: Any, r: Tensor) -> Tensor:
        centred = r - r.mean((2, 3), keepdim=True)
        ctx.degrees = math.prod(r.shape[2:]) - 1
        found = torch.linalg.vector_norm(centred, dim=(2, 3)) / math.sqrt(ctx.degrees)
        ctx.save_for_backward(centred, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        centred, found = ctx.saved_tensors
        scale = gradient / (found * ctx.degrees)
        scale = scale.masked_fill(found == 0, 0.0)  # of a constant channel
        return centred * scale[:, :, None, None]


class _Energy(Function):
    """Mean of r^2 over the last two dimensions."""

    @staticmethod
    def forward(ctx: Any, r: Tensor) -> Tensor:
        ctx.save_for_backward(r)
        return torch.linalg.vector_norm(r, dim=(2, 3)).square() / math.prod(r.shape[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (r,) = ctx.saved_tensors
        return r * (gradient * (2 / math.prod(r.shape[2:])))[:, :, None, None]
