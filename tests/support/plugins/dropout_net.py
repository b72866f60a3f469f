"""The ConvNet with dropout after each block, which draws in every component."""

from torch import nn

import delog_nb
from delog_nb.nets import convnet


@delog_nb.net("with-dropout", label="With dropout", min_size=4)
def build(in_shape, classes, width, depth):
    parts = convnet.build(in_shape, classes, width, depth, norm="batch")

    def block(number, shape):
        return nn.Sequential(*parts.block(number, shape), nn.Dropout(0.3))

    return parts._replace(block=block)
