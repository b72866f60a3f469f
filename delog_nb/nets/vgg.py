"""VGG, the ``vgg8b`` of Nokland & Eidnes (2019)."""

from torch import nn

from delog_nb.experiment import Experiment
from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.layers import conv, scaled, sigmoid_classifier, stages


def build(experiment: Experiment, in_shape: Shape, classes: int) -> Parts:
    """vgg8b: each block ends in 2x2 max-pooling."""
    plan = ((128, 256), (256, 512), (512,), (512,))
    blocks: list[nn.Module] = []
    channels = in_shape[0]
    for stage, first in stages(experiment.depth):
        layers: list[nn.Module] = []
        for units in plan[stage] if first else plan[stage][-1:]:
            outputs = scaled(units, experiment.width)
            layers += conv(channels, outputs, activation=nn.ReLU(inplace=True))
            channels = outputs
        if first:
            layers.append(nn.MaxPool2d(2))
        blocks.append(nn.Sequential(*layers))
    hidden = scaled(2500, experiment.width)
    return Parts(blocks, sigmoid_classifier(hidden, classes))
