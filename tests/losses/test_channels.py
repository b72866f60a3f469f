"""What is read from a channel, and its gradient, beside PyTorch's own operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from delog_nb.losses import channel_deviation, channel_energy

PLAIN: dict[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = {
    channel_deviation: lambda r: r.flatten(2).std(2),
    channel_energy: lambda r: r.square().mean((2, 3)),
}


def maps(dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    made = 3 + torch.randn(5, 6, 4, 3, generator=generator, dtype=torch.float64)
    return made.to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("found", PLAIN)
def test_value_and_gradient_are_those_of_the_composed_operations(
    found: Callable[[Tensor], Tensor],
) -> None:
    one, other = maps(), maps()
    value, expected = found(one), PLAIN[found](other)
    weights = torch.arange(value.numel(), dtype=value.dtype).reshape_as(value)
    (value * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(one.grad, other.grad)
    assert torch.autograd.gradcheck(found, (maps(),))


@pytest.mark.parametrize("found", PLAIN)
def test_narrow_numbers_are_read_as_float32(found: Callable[[Tensor], Tensor]) -> None:
    r = maps(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        value = found(r)
    value.sum().backward()
    assert value.dtype == torch.float32
    assert r.grad is not None
    assert r.grad.dtype == torch.bfloat16
    torch.testing.assert_close(value, PLAIN[found](r.detach().float()))


def test_a_constant_channel_has_no_deviation_and_gets_no_gradient() -> None:
    r = torch.ones(2, 4, 3, 3)
    r[0, 1] = torch.arange(9.0).reshape(3, 3)
    r.requires_grad_()
    found = channel_deviation(r)
    found.sum().backward()
    assert torch.count_nonzero(found) == 1
    assert r.grad is not None
    assert r.grad.isfinite().all()
    assert r.grad.flatten(2).any(2).nonzero().tolist() == [[0, 1]]
