"""The paper's ConvNet; sizes follow the authors' code."""

from torch import nn

from delog_nb.experiment import Option
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.declare import net
from delog_nb.nets.layers import conv, scaled, sigmoid_classifier, stages

# Small images and few epochs: BatchNorm lets every method learn within them. A choice of ours.
NORM = Option(
    "norm",
    "none",
    "ConvNet: normalisation after convolutions",
    choices=("none", "batch"),
    presets={"lesson": "batch"},
)


@net("convnet", label="ConvNet", min_size=4, options=(NORM,), published="Wu et al., 2022")
def build(in_shape: Shape, classes: int, width: float, depth: int, *, norm: str) -> Parts:  # noqa: ARG001
    """Two 3x3 convolutions a block; blocks 2 and 4 halve the side, block 3 doubles the channels."""
    plan = stages(depth)
    batch_norm = norm == "batch"

    def block(number: int, shape: Shape) -> nn.Sequential:
        stage, first = plan[number - 1]
        outputs = scaled((32, 32, 64, 64)[stage], width)
        stride = 2 if first and stage in (1, 3) else 1
        relu, again = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
        return nn.Sequential(
            conv(shape[0], outputs, norm=batch_norm, activation=relu),
            conv(outputs, outputs, stride=stride, norm=batch_norm, activation=again),
        )

    return Parts(block, sigmoid_classifier(scaled(1500, width), classes))
