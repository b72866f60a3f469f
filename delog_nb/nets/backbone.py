"""Networks as a list of blocks f_1 ... f_H and a classifier f_{H+1}.

Sizes follow the authors' code (Supervised-Contrastive-Parallel-Learning, 2022); ResNet is He et
al. (2016), VGG is the ``vgg8b`` of Nokland & Eidnes (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from delog_nb.data import shape
from delog_nb.experiment import Experiment

Shape = tuple[int, ...]  # of one sample: (C, H, W) or (D,)


class Backbone(nn.Module):
    """Blocks f_1 ... f_H, the shape of each one's output r_l, and the classifier f_{H+1}.

    ``forward`` is the inference path of Eq. 6: (B, C, H, W) -> logits (B, classes).
    """

    def __init__(
        self, blocks: list[nn.Module], classifier: Callable[[int], nn.Module], in_shape: Shape
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.shapes = list(_output_shapes(blocks, in_shape))
        self.classifier = classifier(torch.Size(self.shapes[-1]).numel())

    def layers(self) -> list[nn.Module]:
        """f_1 ... f_{H+1}."""
        return [*self.blocks, self.classifier]

    def forward(self, images: Tensor) -> Tensor:
        r = images
        for layer in self.layers():
            r = layer(r)
        return r


def build(experiment: Experiment, *, pool_last: bool = True) -> Backbone:
    """The experiment's network, initialised by PyTorch's defaults from the global random state.

    ``pool_last`` ends ResNet's last block in global average pooling, as the authors do for all
    methods but AL; other nets have no such pooling.
    """
    in_shape, classes = shape(experiment)
    maker = {"convnet": _convnet, "vgg": _vgg, "resnet": _resnet}[experiment.net]
    return maker(experiment, in_shape, classes, pool_last)


def _output_shapes(blocks: list[nn.Module], in_shape: Shape) -> Iterator[Shape]:
    """Run one sample of zeros through; evaluation mode changes no running statistics."""
    device = next(blocks[0].parameters()).device
    r = torch.zeros(1, *in_shape, device=device)
    with torch.no_grad():
        for block in blocks:
            training = block.training
            r = block.eval()(r)
            block.train(training)
            yield tuple(r.shape[1:])


def _stages(depth: int) -> list[tuple[int, bool]]:
    """(stage 0 ... 3, whether the block is its stage's first) for each of ``depth`` blocks.

    Up to four blocks are the first ones of the paper's four; further blocks go evenly to the ends
    of the stages, the last stage first.
    """
    if depth <= 4:
        return [(stage, True) for stage in range(depth)]
    counts = [(depth + stage) // 4 for stage in range(4)]
    return [(stage, place == 0) for stage, count in enumerate(counts) for place in range(count)]


def _scaled(units: int, width: float) -> int:
    return max(1, round(units * width))


def _conv(
    inputs: int,
    outputs: int,
    *,
    stride: int = 1,
    kernel: int = 3,
    norm: bool = True,
    activation: nn.Module | None = None,
) -> list[nn.Module]:
    """Convolution, BatchNorm if ``norm`` (else a bias), activation if any."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
    ]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    if activation is not None:
        layers.append(activation)
    return layers


def _sigmoid_classifier(hidden: int, classes: int) -> Callable[[int], nn.Module]:
    return lambda features: nn.Sequential(
        nn.Flatten(), nn.Linear(features, hidden), nn.Sigmoid(), nn.Linear(hidden, classes)
    )


def _convnet(experiment: Experiment, in_shape: Shape, classes: int, _: bool) -> Backbone:
    """Two 3x3 convolutions a block; blocks 2 and 4 halve the side, block 3 doubles the channels."""
    norm = experiment.norm == "batch"
    blocks: list[nn.Module] = []
    channels = in_shape[0]
    for stage, first in _stages(experiment.depth):
        outputs = _scaled((32, 32, 64, 64)[stage], experiment.width)
        stride = 2 if first and stage in (1, 3) else 1
        blocks.append(
            nn.Sequential(
                *_conv(channels, outputs, norm=norm, activation=nn.ReLU(inplace=True)),
                *_conv(
                    outputs, outputs, stride=stride, norm=norm, activation=nn.ReLU(inplace=True)
                ),
            )
        )
        channels = outputs
    hidden = _scaled(1500, experiment.width)
    return Backbone(blocks, _sigmoid_classifier(hidden, classes), in_shape)


def _vgg(experiment: Experiment, in_shape: Shape, classes: int, _: bool) -> Backbone:
    """vgg8b: each block ends in 2x2 max-pooling."""
    plan = ((128, 256), (256, 512), (512,), (512,))
    blocks: list[nn.Module] = []
    channels = in_shape[0]
    for stage, first in _stages(experiment.depth):
        layers: list[nn.Module] = []
        for units in plan[stage] if first else plan[stage][-1:]:
            outputs = _scaled(units, experiment.width)
            layers += _conv(channels, outputs, activation=nn.ReLU(inplace=True))
            channels = outputs
        if first:
            layers.append(nn.MaxPool2d(2))
        blocks.append(nn.Sequential(*layers))
    hidden = _scaled(2500, experiment.width)
    return Backbone(blocks, _sigmoid_classifier(hidden, classes), in_shape)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016), with LeakyReLU(.01)."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut_kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(inputs, outputs, stride=stride, activation=nn.LeakyReLU(inplace=True)),
            *_conv(outputs, outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(*_conv(inputs, outputs, stride=stride, kernel=shortcut_kernel))
        )
        self.activation = nn.LeakyReLU(inplace=True)

    def forward(self, r: Tensor) -> Tensor:
        return self.activation(self.body(r) + self.shortcut(r))


def _resnet(experiment: Experiment, in_shape: Shape, classes: int, pool_last: bool) -> Backbone:
    """ResNet-18 for small images: block l is stage l (two basic blocks); the stem is in block 1."""
    kernel = int(experiment.shortcut[0])
    channels = _scaled(64, experiment.width)
    blocks: list[nn.Module] = []
    for stage, first in _stages(experiment.depth):
        outputs = _scaled((64, 128, 256, 512)[stage], experiment.width)
        stride = 2 if first and stage > 0 else 1
        layers: list[nn.Module] = [
            BasicBlock(channels, outputs, stride, kernel),
            BasicBlock(outputs, outputs, 1, kernel),
        ]
        if not blocks:
            layers = [*_conv(in_shape[0], channels, activation=nn.LeakyReLU(inplace=True)), *layers]
        blocks.append(nn.Sequential(*layers))
        channels = outputs
    if pool_last:
        blocks[-1] = nn.Sequential(blocks[-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(
        blocks,
        lambda features: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)),
        in_shape,
    )
