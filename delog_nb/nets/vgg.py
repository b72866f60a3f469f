"""VGG, the ``vgg8b`` of Nokland & Eidnes (2019)."""

from torch import nn

from delog_nb.nets.backbone import Parts, Shape
from delog_nb.nets.declare import net
from delog_nb.nets.layers import conv, scaled, sigmoid_classifier, stages


@net("vgg", label="VGG", min_size=16, published="vgg8b of Nokland & Eidnes, 2019")
def build(in_shape: Shape, classes: int, width: float, depth: int) -> Parts:  # noqa: ARG001
    """vgg8b: each block ends in 2x2 max-pooling."""
    channels = ((128, 256), (256, 512), (512,), (512,))
    plan = stages(depth)

    def block(number: int, shape: Shape) -> nn.Sequential:
        stage, first = plan[number - 1]
        layers: list[nn.Module] = []
        inputs = shape[0]
        for units in channels[stage] if first else channels[stage][-1:]:
            outputs = scaled(units, width)
            layers.append(conv(inputs, outputs, activation=nn.ReLU(inplace=True)))
            inputs = outputs
        if first:
            layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers)

    return Parts(block, sigmoid_classifier(scaled(2500, width), classes))
