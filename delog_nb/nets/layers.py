"""Pieces that several nets are made of."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def stages(depth: int, count: int = 4) -> list[tuple[int, bool]]:
    """(stage from 0, whether the block is its stage's first) for each of ``depth`` blocks.

    Up to ``count`` blocks are the first ones of as many stages; further blocks go evenly to the
    ends of the stages, the last stage first.

    >>> [stage for stage, _ in stages(7, 3)]
    [0, 0, 1, 1, 2, 2, 2]
    """
    if depth <= count:
        return [(stage, True) for stage in range(depth)]
    counts = [(depth + stage) // count for stage in range(count)]
    return [(stage, place == 0) for stage, count in enumerate(counts) for place in range(count)]


def scaled(units: int, width: float) -> int:
    return max(1, round(units * width))


class _WindowMeans(Function):
    """`avg_pool2d` without overlap; its gradient is one copy."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, height: int, width: int) -> Tensor:
        ctx.window = height, width
        return F.avg_pool2d(features, (height, width))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        height, width = ctx.window
        of_each = (gradient / (height * width)).permute(0, 2, 3, 1)[:, :, None, :, None]
        copies = of_each.expand(-1, -1, height, -1, width, -1)
        return copies.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2), None, None


class AveragePool(nn.AdaptiveAvgPool2d):
    """To ``sides``; where they divide those of the features, by windows.

    The result is the same; on channels-last features the gradient is faster.
    """

    def __init__(self, sides: tuple[int, int]) -> None:
        super().__init__(sides)
        self.sides = sides

    def forward(self, features: Tensor) -> Tensor:
        rows, columns = self.sides
        height, width = features.shape[-2:]
        if height % rows or width % columns:
            return super().forward(features)
        found: Tensor = _WindowMeans.apply(features, height // rows, width // columns)
        return found


class Conv(nn.Sequential):
    """What `conv` makes."""

    def like(self, inputs: int, stride: int) -> nn.Module:
        """A fresh one of this kind and width for features of ``inputs`` channels."""
        first, last = cast(nn.Conv2d, self[0]), self[-1]
        bare = isinstance(last, (nn.Conv2d, nn.BatchNorm2d))
        return conv(
            inputs,
            first.out_channels,
            stride=stride,
            kernel=first.kernel_size[0],
            norm=first.bias is None,
            activation=None if bare else copy.deepcopy(last),
        )


def conv(
    inputs: int,
    outputs: int,
    *,
    stride: int = 1,
    kernel: int = 3,
    norm: bool = True,
    activation: nn.Module | None = None,
) -> Conv:
    """A layer: convolution, BatchNorm if ``norm`` (else a bias), activation if any."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
    ]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    if activation is not None:
        layers.append(activation)
    return Conv(*layers)


def sigmoid_classifier(hidden: int, classes: int) -> Callable[[int], nn.Module]:
    return lambda features: nn.Sequential(
        nn.Flatten(), nn.Linear(features, hidden), nn.Sigmoid(), nn.Linear(hidden, classes)
    )
