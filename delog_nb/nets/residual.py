"""Residual nets (He et al., 2016): stem, stages of basic blocks, mean pooling, classifier."""

from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from delog_nb.experiment import Option
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.layers import conv, scaled, stages

SHORTCUT = Option(
    "shortcut",
    "3x3",
    "ResNets: a shortcut that changes shape: a convolution (3x3: the authors, 1x1: option B of He "
    "et al.), or the identity with zeros in new channels (option A)",
    choices=("3x3", "1x1", "identity"),
    by_net={"resnet-cifar": "identity"},
)


class Subsampled(nn.Module):
    """Every ``stride``-th pixel of the input; channels beyond its own are zero. No parameters.

    Of an input with more channels than ``outputs`` the first ones go on.
    """

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride

    def forward(self, r: Tensor) -> Tensor:
        r = r[:, :, :: self.stride, :: self.stride]
        return F.pad(r, (0, 0, 0, 0, 0, self.outputs - r.shape[1]))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions F and a shortcut s: activation(F(r) + s(r)).

    Args:
        inputs: channels of r
        outputs: channels of what it gives
        stride: of the first convolution and of the shortcut
        shortcut: s where the shape changes, as `SHORTCUT` says; elsewhere it is the identity
        activation: makes one that works in place
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        shortcut: str,
        activation: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(inputs, outputs, stride=stride, activation=activation(inplace=True)),
            conv(outputs, outputs),
        )
        if inputs == outputs and stride == 1:
            self.shortcut: nn.Module = nn.Identity()
        elif shortcut == "identity":
            self.shortcut = Subsampled(outputs, stride)
        else:
            self.shortcut = conv(inputs, outputs, stride=stride, kernel=int(shortcut[0]))
        self.activation = activation(inplace=True)
        self._like = partial(BasicBlock, outputs=outputs, shortcut=shortcut, activation=activation)

    def like(self, inputs: int, stride: int) -> nn.Module:
        """A fresh one of this width for features of ``inputs`` channels."""
        return self._like(inputs, stride=stride)

    def forward(self, r: Tensor) -> Tensor:
        return self.activation(self.body(r) + self.shortcut(r))


def residual(
    classes: int,
    width: float,
    depth: int,
    *,
    channels: Sequence[int],
    basic_blocks: int,
    shortcut: str,
    activation: Callable[..., nn.Module],
) -> Parts:
    """A net of ``depth`` blocks of ``basic_blocks`` each; the stem is in block 1.

    There is a stage for each of ``channels``. Every one but the first begins by halving the side.
    """
    plan = stages(depth, len(channels))

    def block(number: int, shape: Shape) -> nn.Sequential:
        stage, first = plan[number - 1]
        outputs = scaled(channels[stage], width)
        inputs = scaled(channels[0], width) if number == 1 else shape[0]
        stride = 2 if first and stage > 0 else 1
        layers: list[nn.Module] = [BasicBlock(inputs, outputs, stride, shortcut, activation)]
        for _ in range(basic_blocks - 1):
            layers.append(BasicBlock(outputs, outputs, 1, shortcut, activation))
        if number == 1:
            layers.insert(0, conv(shape[0], inputs, activation=activation(inplace=True)))
        return nn.Sequential(*layers)

    return Parts(
        block,
        lambda features: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)),
        nn.AdaptiveAvgPool2d(1),
    )
