"""The paper's ConvNet; sizes follow the authors' code."""

from torch import nn

from delog_nb.experiment import Experiment
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.layers import conv, scaled, sigmoid_classifier, stages


def build(experiment: Experiment, in_shape: Shape, classes: int) -> Parts:
    """Two 3x3 convolutions a block; blocks 2 and 4 halve the side, block 3 doubles the channels."""
    norm = experiment.norm == "batch"
    blocks: list[nn.Module] = []
    channels = in_shape[0]
    for stage, first in stages(experiment.depth):
        outputs = scaled((32, 32, 64, 64)[stage], experiment.width)
        stride = 2 if first and stage in (1, 3) else 1
        blocks.append(
            nn.Sequential(
                *conv(channels, outputs, norm=norm, activation=nn.ReLU(inplace=True)),
                *conv(outputs, outputs, stride=stride, norm=norm, activation=nn.ReLU(inplace=True)),
            )
        )
        channels = outputs
    hidden = scaled(1500, experiment.width)
    return Parts(blocks, sigmoid_classifier(hidden, classes))
