"""Layers that nets and heads share, beside PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from delog_nb.nets.layers import AveragePool


@pytest.mark.parametrize("sides", [(1, 1), (2, 3), (4, 6), (8, 6), (3, 4), (5, 5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_average_pool_is_the_adaptive_one(
    sides: tuple[int, int], layout: torch.memory_format
) -> None:
    def features() -> Tensor:
        generator = torch.Generator().manual_seed(0)
        made = torch.randn(3, 5, 8, 6, generator=generator, dtype=torch.float64)
        return made.contiguous(memory_format=layout).requires_grad_()

    one, other = features(), features()
    found, expected = AveragePool(sides)(one), nn.AdaptiveAvgPool2d(sides)(other)
    torch.testing.assert_close(found, expected)
    weights = torch.arange(found.numel(), dtype=found.dtype).reshape(found.shape)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    assert torch.autograd.gradcheck(AveragePool(sides), (features(),))
