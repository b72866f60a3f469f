"""ResNet-18 for small images (He et al., 2016)."""

from torch import Tensor, nn

from delog_nb.experiment import Experiment
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.layers import conv, scaled, stages


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016), with LeakyReLU(.01)."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut_kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv(inputs, outputs, stride=stride, activation=nn.LeakyReLU(inplace=True)),
            *conv(outputs, outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(*conv(inputs, outputs, stride=stride, kernel=shortcut_kernel))
        )
        self.activation = nn.LeakyReLU(inplace=True)

    def forward(self, r: Tensor) -> Tensor:
        return self.activation(self.body(r) + self.shortcut(r))


def build(experiment: Experiment, in_shape: Shape, classes: int) -> Parts:
    """Block l is stage l (two basic blocks); the stem is in block 1."""
    kernel = int(experiment.shortcut[0])
    channels = scaled(64, experiment.width)
    blocks: list[nn.Module] = []
    for stage, first in stages(experiment.depth):
        outputs = scaled((64, 128, 256, 512)[stage], experiment.width)
        stride = 2 if first and stage > 0 else 1
        layers: list[nn.Module] = [
            BasicBlock(channels, outputs, stride, kernel),
            BasicBlock(outputs, outputs, 1, kernel),
        ]
        if not blocks:
            layers = [*conv(in_shape[0], channels, activation=nn.LeakyReLU(inplace=True)), *layers]
        blocks.append(nn.Sequential(*layers))
        channels = outputs
    return Parts(
        blocks,
        lambda features: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)),
        nn.AdaptiveAvgPool2d(1),
    )
