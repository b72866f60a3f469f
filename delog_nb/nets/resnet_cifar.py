"""The ResNets for CIFAR-10 of He et al. (2016), section 4.2: 20, 32, 110 layers.

Three stages of n basic blocks with 16, 32 and 64 channels at the whole, half and quarter side. A
block is one basic block, so that H = 3n, and 2 H + 2 layers have weights:

    H    n   layers   parameters, 10 classes
    9    3       20                  269,722
    15   5       32                  464,154
    54   18     110                1,727,962

H + 1 layers, the classifier among them, fall into three components at the ends of the stages. Cut
at layers the stem is one of its own.
"""

from torch import nn

from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.declare import net
from delog_nb.nets.residual import SHORTCUT, residual


@net(
    "resnet-cifar",
    label="CIFAR ResNet",
    at_depth=("ResNet-", 2, 2),
    depth=9,
    min_size=4,
    options=(SHORTCUT,),
    published="He et al., 2016, section 4.2",
)
def build(in_shape: Shape, classes: int, width: float, depth: int, *, shortcut: str) -> Parts:  # noqa: ARG001
    """Block l is one basic block with ReLU; H that is no multiple of 3 has longer later stages."""
    return residual(
        classes,
        width,
        depth,
        channels=(16, 32, 64),
        basic_blocks=1,
        shortcut=shortcut,
        activation=nn.ReLU,
    )
