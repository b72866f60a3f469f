"""ResNet-18 for small images (He et al., 2016)."""

from torch import Tensor, nn

from delog_nb.experiment import Option
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.declare import net
from delog_nb.nets.layers import conv, scaled, stages


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016), with LeakyReLU(.01)."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut_kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(inputs, outputs, stride=stride, activation=nn.LeakyReLU(inplace=True)),
            conv(outputs, outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity() if same else conv(inputs, outputs, stride=stride, kernel=shortcut_kernel)
        )
        self.activation = nn.LeakyReLU(inplace=True)
        self.outputs, self.shortcut_kernel = outputs, shortcut_kernel

    def like(self, inputs: int, stride: int) -> nn.Module:
        """A fresh one of this width for features of ``inputs`` channels."""
        return BasicBlock(inputs, self.outputs, stride, self.shortcut_kernel)

    def forward(self, r: Tensor) -> Tensor:
        return self.activation(self.body(r) + self.shortcut(r))


SHORTCUT = Option(
    "shortcut",
    "3x3",
    "ResNet: convolution in a shortcut that changes shape (3x3: the authors, 1x1: He et al.)",
    choices=("3x3", "1x1"),
)


@net("resnet", label="ResNet", min_size=8, options=(SHORTCUT,), published="He et al., 2016")
def build(in_shape: Shape, classes: int, width: float, depth: int, *, shortcut: str) -> Parts:  # noqa: ARG001
    """Block l is stage l (two basic blocks); the stem is in block 1."""
    kernel = int(shortcut[0])
    plan = stages(depth)

    def block(number: int, shape: Shape) -> nn.Sequential:
        stage, first = plan[number - 1]
        outputs = scaled((64, 128, 256, 512)[stage], width)
        inputs = scaled(64, width) if number == 1 else shape[0]
        layers: list[nn.Module] = [
            BasicBlock(inputs, outputs, 2 if first and stage > 0 else 1, kernel),
            BasicBlock(outputs, outputs, 1, kernel),
        ]
        if number == 1:
            layers.insert(0, conv(shape[0], inputs, activation=nn.LeakyReLU(inplace=True)))
        return nn.Sequential(*layers)

    return Parts(
        block,
        lambda features: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)),
        nn.AdaptiveAvgPool2d(1),
    )
