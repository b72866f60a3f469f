"""ResNet-18 for small images (He et al., 2016)."""

from torch import nn

from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.declare import net
from delog_nb.nets.residual import SHORTCUT, residual


@net("resnet", label="ResNet", min_size=8, options=(SHORTCUT,), published="He et al., 2016")
def build(in_shape: Shape, classes: int, width: float, depth: int, *, shortcut: str) -> Parts:  # noqa: ARG001
    """Block l is stage l, two basic blocks with LeakyReLU(.01)."""
    return residual(
        classes,
        width,
        depth,
        channels=(64, 128, 256, 512),
        basic_blocks=2,
        shortcut=shortcut,
        activation=nn.LeakyReLU,
    )
