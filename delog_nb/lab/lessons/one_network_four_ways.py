"""Lesson 1: the loss of associated learning at its smallest, and its way to a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

_CODE = 32  # dimensions of a code
_SIDE = 4  # of the positions that a bridge sees


class Associate(nn.Module):
    """A bridge from features to codes, an encoder and a decoder of targets, and their loss.

    Args:
        channels: of the features
        size: of a target: the number of classes below block 1, above it that of a code

    >>> import torch
    >>> loss, code = Associate(16, 10)(torch.rand(5, 16, 8, 8), torch.arange(5))
    >>> loss.shape, code.shape, code.requires_grad
    (torch.Size([]), torch.Size([5, 32]), False)
    """

    def __init__(self, channels: int, size: int = _CODE) -> None:
        super().__init__()
        self.bridge = nn.Sequential(
            nn.AdaptiveAvgPool2d(_SIDE), nn.Flatten(), nn.Linear(_SIDE**2 * channels, _CODE),
            nn.Tanh(),
        )  # fmt: skip
        self.encode = nn.Sequential(nn.Linear(size, _CODE), nn.Tanh())
        self.decode = nn.Linear(_CODE, size)
        self.size = size

    def forward(self, r: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of features and targets, and the code: the target of the next block."""
        if target.ndim == 1:  # labels
            target = F.one_hot(target, self.size).to(r.dtype)
        code = self.encode(target)
        meets = F.mse_loss(self.bridge(r), code.detach())
        tells = F.mse_loss(self.decode(code), target)
        return meets + tells, code.detach()


def way_down(losses: Sequence[Associate], r: Tensor) -> Tensor:
    """Logits of the last block's features: over the last bridge, down through the decoders.

    >>> import torch
    >>> way_down([Associate(8, 10), Associate(16)], torch.rand(5, 16, 8, 8)).shape
    torch.Size([5, 10])
    """
    code: Tensor = losses[-1].bridge(r)
    for loss in reversed(losses):
        code = loss.decode(code)
    return code
